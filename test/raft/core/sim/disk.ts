import type {
  Configuration,
  ConfigurationAt,
  HardState,
  LogBase,
  Seq,
  SnapshotMeta,
} from '../../../../src/raft/core/index.ts'
import type { SimEntry } from './entries.ts'

/** One frame on its way to the disk. */
export interface Frame {
  readonly ioSeq: number
  readonly hardState: HardState | null
  readonly resetTo: LogBase | null
  readonly truncateFrom: Seq | null
  readonly entries: readonly SimEntry[]
  readonly writtenAtMs: number
}

/** Entries after a base; used for the image on disk and for the driver's memory alike. */
export class SimLog {
  base: LogBase = { seq: 0, term: 0, chain: 0 }
  entries: SimEntry[] = []

  get lastSeq(): Seq {
    return this.base.seq + this.entries.length
  }

  at(seq: Seq): SimEntry | undefined {
    return this.entries[seq - this.base.seq - 1]
  }

  slice(firstSeq: Seq, lastSeq: Seq): SimEntry[] {
    return this.entries.slice(firstSeq - this.base.seq - 1, lastSeq - this.base.seq)
  }

  write(frame: Omit<Frame, 'ioSeq' | 'hardState' | 'writtenAtMs'>): void {
    if (frame.resetTo !== null) {
      this.base = frame.resetTo
      this.entries = []
    }
    if (frame.truncateFrom !== null) this.#truncate(frame.truncateFrom)
    for (const entry of frame.entries) {
      if (entry.seq !== this.lastSeq + 1) throw new Error(`hole in the log before ${entry.seq}`)
      this.entries.push(entry)
    }
  }

  /** The log of a node takes no other truncation. */
  #truncate(fromSeq: Seq): void {
    if (fromSeq <= this.base.seq || fromSeq > this.lastSeq + 1)
      throw new Error(`truncation from ${fromSeq} outside the log`)
    this.entries.length = fromSeq - this.base.seq - 1
  }

  compact(seq: Seq): void {
    const entry = this.at(seq)
    if (entry === undefined) return
    this.entries.splice(0, seq - this.base.seq)
    this.base = { seq, term: entry.term, chain: entry.chain }
  }

  copy(): SimLog {
    const log = new SimLog()
    log.base = this.base
    log.entries = [...this.entries]
    return log
  }
}

/** What survives a crash: the log image, the hard state, the newest checkpoint, and the recovery mark. */
export class SimDisk {
  readonly log = new SimLog()
  hardState: HardState = { term: 0, vote: 0, commit: 0 }
  checkpoint: SnapshotMeta | null = null
  /** Configuration as of the log's base. */
  baseConfiguration: ConfigurationAt | null = null
  isSuspect = false
  readonly pending: Frame[] = []

  /** The oldest frame is synced. */
  completeOne(): Frame {
    const frame = this.pending.shift()!
    if (frame.hardState !== null) this.hardState = frame.hardState
    this.log.write(frame)
    if (frame.resetTo !== null && this.checkpoint !== null) {
      this.baseConfiguration = { seq: this.checkpoint.seq, configuration: this.checkpoint.configuration }
    }
    return frame
  }

  /** Drops the log up to the checkpoint, keeping `kept` entries for slow peers. */
  compact(kept: number): Seq | undefined {
    if (this.checkpoint === null) return undefined
    const seq = this.checkpoint.seq - kept
    if (seq <= this.log.base.seq || this.log.at(seq) === undefined) return undefined
    const configuration = this.configurationAt(seq)
    this.log.compact(seq)
    if (configuration !== undefined) this.baseConfiguration = configuration
    return seq
  }

  configurationAt(seq: Seq): ConfigurationAt | undefined {
    let found: ConfigurationAt | undefined = this.baseConfiguration ?? undefined
    for (const entry of this.log.entries) {
      if (entry.seq > seq) break
      if (entry.configuration !== null) found = { seq: entry.seq, configuration: entry.configuration }
    }
    return found
  }

  /** DESIGN 5: an install decides at the start whether the log stays (same entry at its seq) or is void. */
  reconcileWithCheckpoint(): void {
    const checkpoint = this.checkpoint
    if (checkpoint === null || checkpoint.seq <= this.log.base.seq) return
    const own = this.log.at(checkpoint.seq)
    if (own !== undefined && own.term === checkpoint.term && own.chain === checkpoint.chain) return
    const { seq, term, chain } = checkpoint
    this.log.base = { seq, term, chain }
    this.log.entries = []
    this.baseConfiguration = { seq, configuration: checkpoint.configuration }
  }
}

export function metaOf(entry: LogBase, configuration: Configuration): SnapshotMeta {
  return { seq: entry.seq, term: entry.term, chain: entry.chain, configuration }
}
