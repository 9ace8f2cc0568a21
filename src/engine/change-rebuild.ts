import { QuorateError } from '../model/index.ts'
import { loadClusterState } from './cluster-state.ts'
import { EntryApplier } from './entry-applier.ts'
import { EffectLog } from './events/index.ts'
import type { ChangeFiles, ChangePart } from './events/index.ts'
import type { Keyspace, KeyspaceView } from './keyspace/index.ts'
import { KeyspaceReader, loadLater } from './keyspace-store.ts'
import { PrivateStore } from './private-store.ts'
import { withLoading } from './record-store.ts'
import { beginAgain, replay } from './replay.ts'
import type { ReadEntries } from './replay.ts'
import type { Slice } from './slice.ts'

/** What is rebuilt is held in memory: no more than this. */
const BYTES_MAX = 8_388_608
/** Nor are more entries applied again for it. */
const ENTRIES_MAX = 16_384
const PART_BYTES = 65_536

/**
 * Changes that a node has lost (a power loss, a full disk, a directory removed) are made again when a watch asks for them: by applying the log
 * after the older superblock's root once more, in private (DESIGN 7). What lies before that root stays unknown.
 */
export class ChangeRebuild {
  readonly #keyspace: Keyspace
  readonly #changes: ChangeFiles
  /** The root that the process began with: what is rebuilt up to it must have its effect chain. */
  readonly #opened: { readonly seq: number; readonly effectChain: number }
  readonly #newSlice: () => Slice
  #running: Promise<boolean> | undefined

  constructor(
    keyspace: Keyspace,
    changes: ChangeFiles,
    opened: { seq: number; effectChain: number },
    newSlice: () => Slice,
  ) {
    this.#newSlice = newSlice
    this.#keyspace = keyspace
    this.#changes = changes
    this.#opened = { seq: opened.seq, effectChain: opened.effectChain }
  }

  /** Whether `run` can make the changes after `seq` known. */
  reaches(seq: number): boolean {
    const from = this.#keyspace.superblocks.at(-1)!.seq
    const { knownAfterSeq } = this.#changes
    return seq >= from && from < knownAfterSeq && knownAfterSeq - from <= ENTRIES_MAX
  }

  /** False if it came to nothing: the log was cut, the state was replaced, or there is too much. Rejects if pages or log are damaged. */
  run(entries: ReadEntries): Promise<boolean> {
    this.#running ??= this.#rebuild(entries).finally(() => (this.#running = undefined))
    return this.#running
  }

  async #rebuild(entries: ReadEntries): Promise<boolean> {
    const through = this.#changes.knownAfterSeq
    const pinned = this.#keyspace.viewAt(this.#keyspace.superblocks.at(-1)!.seq)
    if (pinned === undefined) return false
    try {
      const parts = await this.#parts(pinned, through, entries)
      return parts !== undefined && this.#changes.prepend(pinned.seq, through, parts)
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'seq_unavailable') return false
      throw error
    } finally {
      pinned.close()
    }
  }

  async #parts(pinned: KeyspaceView, through: number, entries: ReadEntries): Promise<ChangePart[] | undefined> {
    const base = new KeyspaceReader(pinned.reader, loadLater(this.#keyspace))
    const state = await withLoading(() => loadClusterState(base))
    const effects = new EffectLog()
    effects.beginEpoch(pinned.root.meta.effectChain)
    const applier = new EntryApplier(new PrivateStore(base), effects, state, pinned.root.meta.leaderTimeMicros)
    const parts: ChangePart[] = []
    let firstSeq = pinned.seq + 1
    let bytes = 0
    await replay(applier, firstSeq, through, entries, this.#newSlice(), lastSeq => {
      if (effects.bytes.length < PART_BYTES && lastSeq < through) return
      bytes += effects.bytes.length
      if (bytes <= BYTES_MAX) parts.push({ firstSeq, lastSeq, groups: effects.bytes.slice() })
      firstSeq = lastSeq + 1
      beginAgain(effects)
    })
    const isOther = through === this.#opened.seq && effects.chain !== this.#opened.effectChain
    return bytes > BYTES_MAX || isOther ? undefined : parts
  }
}
