import { encodePlainCommit } from '../encoding/index.ts'
import type { EntryOutcome } from '../model/index.ts'

/** What applying an entry gave. Most replicas have nobody waiting for it: the bytes of a plain commit are made when asked for. */
export class AppliedEntry implements EntryOutcome {
  readonly seq: number
  readonly session: number
  readonly serial: number
  readonly isDuplicate: boolean
  #outcome: Uint8Array | undefined

  /** Without `outcome` the entry was committed and answers nothing. */
  constructor(seq: number, session: number, serial: number, outcome: Uint8Array | undefined, isDuplicate: boolean) {
    this.seq = seq
    this.session = session
    this.serial = serial
    this.isDuplicate = isDuplicate
    this.#outcome = outcome
  }

  get outcome(): Uint8Array {
    return (this.#outcome ??= encodePlainCommit(this.seq))
  }
}
