import type { Permission } from '../encoding/index.ts'

/** A key's record as readers see it. */
export interface KvEntry {
  key: Uint8Array
  value: Uint8Array
  /** Seq of the last change. */
  seq: number
  /** Seq of the change that created the key. */
  createdSeq: number
  /** Leader time in us from which the key no longer exists; undefined = never. */
  expiresAtMicros: number | undefined
}

/** What can be asked of a view; the same through every door. */
export type ReadRequest =
  | { type: 'get'; project: string; scope: string; keys: readonly Uint8Array[] }
  | {
      type: 'scan'
      project: string
      scope: string
      /** Inclusive; absent = from the first key. */
      start?: Uint8Array
      /** Exclusive; absent = to the last key. */
      end?: Uint8Array
      reverse?: boolean
      /** Records at most; the answer may hold fewer and still have more to come. */
      limit: number
      keysOnly?: boolean
    }
  | { type: 'projects' }
  | { type: 'scopes'; project: string }
  | { type: 'settings' }
  | { type: 'grants'; caller?: string }
  /** The recorded outcome of a request, while its session lives. */
  | { type: 'outcome'; session: number; serial: number }

export type ReadResult =
  | { type: 'get'; entries: readonly (KvEntry | undefined)[] }
  /** `more`: the scan stopped at `limit` or a page bound before the end of the range; go on after the last key. */
  | { type: 'scan'; entries: readonly KvEntry[]; more: boolean }
  | { type: 'projects'; projects: readonly { name: string; id: number }[] }
  | { type: 'scopes'; scopes: readonly { name: string; id: number }[] }
  | { type: 'settings'; settings: Readonly<Record<string, number>> }
  | { type: 'grants'; grants: readonly { caller: string; permission: Permission }[] }
  /** `unknown`: nothing is recorded (never applied, trimmed, or the session has ended, which `sessionEnded` tells). */
  | { type: 'outcome'; outcome: Uint8Array | undefined; sessionEnded: boolean }
