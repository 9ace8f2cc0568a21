import { equalDigests, MalformedBytes, readEntryHeader } from '../../encoding/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import { InvariantError, SnapshotMismatch } from '../../model/index.ts'
import type { Files } from '../../platform/index.ts'
import { applyBatch } from '../apply-log.ts'
import type { EngineStateMachine } from '../state-machine.ts'
import { unavailable } from './chain.ts'
import type { FoundBackup } from './chain.ts'
import { damaged, ENTRIES, IMAGES, snapshotOf } from './manifest.ts'
import { readRecords } from './record-file.ts'

const NO_FENCE = new Uint8Array(0)

/** Fills an empty state machine from a chain of backups. */
export class Restoring {
  readonly #files: Files
  readonly #machine: EngineStateMachine
  readonly #chain: readonly FoundBackup[]

  constructor(files: Files, machine: EngineStateMachine, chain: readonly FoundBackup[]) {
    this.#files = files
    this.#machine = machine
    this.#chain = chain
  }

  /**
   * Brings the state machine to `seq`: the images up to the last backup whose state is there or before, then entries. S is compared after each
   * install, entry chain, effect chain and S where a backup ends.
   * @throws QuorateError `seq_unavailable` with what can be restored; `damaged` naming the file
   */
  async run(seq: number): Promise<void> {
    const base = this.#chain.findLastIndex(({ manifest }) => manifest.state.seq <= seq)
    if (base < 0) throw unavailable(this.#chain, seq)
    for (const backup of this.#chain.slice(0, base + 1)) await this.#install(backup)
    for (const backup of this.#chain.slice(base)) {
      await this.#apply(backup, Math.min(seq, backup.manifest.head.seq))
      this.#compare(backup)
    }
    if (this.#machine.appliedSeq < seq) throw unavailable(this.#chain, seq)
  }

  async #install({ directory, manifest }: FoundBackup): Promise<void> {
    const path = `${directory}/${IMAGES}`
    const sink = await this.#machine.beginInstall(snapshotOf(manifest))
    try {
      for await (const bytes of readRecords(this.#files, path, manifest.files.images)) {
        await sink.write({ bytes, fence: NO_FENCE })
      }
      await sink.commit()
    } catch (error) {
      throw asDamagedBackup(path, error)
    }
  }

  /** The entries of one backup that follow what there is, through `seq`. */
  async #apply({ directory, manifest }: FoundBackup, seq: number): Promise<void> {
    const machine = this.#machine
    if (machine.appliedSeq >= seq) return
    const path = `${directory}/${ENTRIES}`
    for await (const bytes of readRecords(this.#files, path, manifest.files.entries)) {
      try {
        const batch = cut(bytes, seq)
        if (batch === undefined) return
        if (batch.lastSeq <= machine.appliedSeq) continue
        if (batch.firstSeq > machine.appliedSeq + 1) throw unavailable(this.#chain, seq)
        await applyBatch(machine, batch)
      } catch (error) {
        throw asDamagedBackup(path, error)
      }
    }
  }

  /** Where a backup ends, the state must be the one that it was taken of. */
  #compare({ directory, manifest: { head } }: FoundBackup): void {
    const { appliedSeq, appliedChain, digest } = this.#machine
    if (appliedSeq !== head.seq) return
    const path = `${directory}/${ENTRIES}`
    if (head.chain !== appliedChain) throw damaged(path, 'the entries are not those that led to this state')
    if (head.sum === undefined) return
    const isSame =
      head.effectChain === digest.effectChain && equalDigests({ lo: head.sum[0], hi: head.sum[1] }, digest.sum)
    if (!isSame) throw damaged(path, `the state after entry ${head.seq} is not the one that was backed up`)
  }
}

/** Bytes that hold their sums and are none of what was written: another program's, or of a version that this one does not know. */
export function asDamagedBackup(path: string, error: unknown): unknown {
  const isMisfit =
    error instanceof SnapshotMismatch || error instanceof MalformedBytes || error instanceof InvariantError
  return isMisfit ? damaged(path, error.message, 0, error) : error
}

/** The entries of a record through `seq`; undefined if all are later. */
function cut(bytes: Uint8Array, seq: number): EntryBatch | undefined {
  let at = 0
  let [firstSeq, lastSeq] = [0, 0]
  while (at < bytes.length) {
    const header = readEntryHeader(bytes, at, bytes.length)
    if (header.seq > seq) break
    if (firstSeq === 0) firstSeq = header.seq
    lastSeq = header.seq
    at += header.length
  }
  return firstSeq === 0 ? undefined : { firstSeq, lastSeq, bytes: bytes.subarray(0, at) }
}
