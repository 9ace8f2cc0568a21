/** Two records, or a record and a count, that do not go together. */
export interface Inconsistency {
  /** Which rule is broken (docs/operate/check-data.md). */
  readonly invariant: string
  readonly reason: string
  readonly project?: string
  readonly scope?: string
  readonly table?: string
  readonly index?: string
  /** Of the record, in hexadecimal digits (docs/formats/layers.md). */
  readonly key?: string
}

/** Where in the database something was found, as far as it has a name. */
export type Place = Omit<Inconsistency, 'invariant' | 'reason' | 'key'>

/** So many are named; how many there are in all is counted. */
export const FINDINGS_MAX = 1000

/** What was found, the first ones whole. */
export class Findings {
  readonly named: Inconsistency[] = []
  count = 0

  add(invariant: string, reason: string, place: Place = {}, key?: Uint8Array): void {
    this.count++
    if (this.named.length >= FINDINGS_MAX) return
    this.named.push({ invariant, reason, ...place, ...(key !== undefined && { key: hexOf(key) }) })
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
