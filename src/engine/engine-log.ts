import type { EntryBatch } from '../encoding/index.ts'
import type { CheckpointSchedule, IdleMarker, Log } from '../log/index.ts'
import { LOCAL_TERM } from './local-sequencer.ts'
import type { SequencerLog } from './local-sequencer.ts'

/** A group of one is led by its only member from the start. */
const HARD_STATE = { term: LOCAL_TERM, votedFor: 1, commitSeq: 0 }

/**
 * The log as the sequencer of an embedded engine sees it: checkpoints and marks hear of what is appended. A class, because an object with
 * accessors of its own would have a shape of its own in each engine, and code that is compiled for one would not be good for the next.
 */
export class EngineLog implements SequencerLog {
  readonly #log: Log
  readonly #checkpoints: CheckpointSchedule
  readonly #marker: IdleMarker
  /** `batch` and `os`: what is appended is handed to the operating system at once. */
  readonly #isWrittenAtOnce: boolean

  constructor(log: Log, checkpoints: CheckpointSchedule, marker: IdleMarker, durability: 'full' | 'batch' | 'os') {
    this.#log = log
    this.#checkpoints = checkpoints
    this.#marker = marker
    this.#isWrittenAtOnce = durability !== 'full'
  }

  get lastSeq(): number {
    return this.#log.lastSeq
  }

  get lastChain(): number {
    return this.#log.lastChain
  }

  /** hot path (bench/embedded) */
  append(entries: EntryBatch): void {
    const log = this.#log
    log.append(log.hardState.term < LOCAL_TERM ? { hardState: HARD_STATE, entries } : { entries })
    this.#checkpoints.noteBytes(entries.bytes.length)
    this.#marker.noteAppend()
    if (this.#isWrittenAtOnce) log.write()
  }

  syncNow(): void {
    this.#log.flushSync()
  }

  syncBeside(): Promise<void> {
    return this.#log.syncBeside()
  }
}
