/** Something that was done in another's name, or refused; kept on all members alike, a bounded number of them (`auditRowsMax`). */
export interface AuditRow {
  /** Of the entry that it is about. */
  readonly seq: number
  readonly timeMicros: number
  /** `impersonated`: `actor` acted as `caller`. `denied`: `actor` lacked a permission (kept if `auditRefusals` is 1). */
  readonly kind: 'impersonated' | 'denied'
  readonly actor: string
  readonly caller: string
  /** Why it was refused; empty if it was committed. */
  readonly code: string
}
