import { RecentView } from '../encoding/index.ts'
import type { File, Files } from '../platform/index.ts'
import { assertLog } from './errors.ts'
import { segmentName, VOTES_NAME } from './file-names.ts'
import { VOTES_FILE } from './lane.ts'
import type { Lane, LaneEvents } from './lane.ts'
import { RunWriter, asError } from './run-writer.ts'

const INITIAL_BYTES = 65_536

/** A file that is synced beside the thread, by a descriptor of its own: each is told of a failed write once, whichever asks first. */
interface SyncedBeside {
  readonly file: File
  readonly own: Promise<File>
}

/** Writes and syncs on the calling thread, when told to (`flush`); `syncBeside` syncs without holding it. */
export class InlineLane implements Lane {
  target: Uint8Array = new Uint8Array(INITIAL_BYTES)
  at = 0
  readonly #events: LaneEvents
  readonly #opening: Files
  readonly #files = new Map<number, File>()
  readonly #writer = new RunWriter()
  /** Runs laid in `target` and not yet written: file, offset, start in `target`, length, four numbers each; the first `#runsEnd` count. */
  readonly #runs: number[] = []
  #runsEnd = 0
  /** Commits of one writer mostly have one length. */
  readonly #run = new RecentView()
  readonly #finished: number[] = []
  #submitted = 0
  #completed = 0
  #beside: SyncedBeside | undefined
  #syncing: Promise<void> = Promise.resolve()

  private constructor(events: LaneEvents, files: Files) {
    this.#events = events
    this.#opening = files
  }

  /** Opens the votes in the log's `directory`, and the segment that goes on, if one does. Where that fails no file stays open. */
  static async open(
    events: LaneEvents,
    { files, directory, segment }: { files: Files; directory: string; segment: number | undefined },
  ): Promise<InlineLane> {
    const lane = new InlineLane(events, files)
    try {
      lane.#files.set(VOTES_FILE, await files.open(`${directory}/${VOTES_NAME}`, 'readWrite'))
      if (segment !== undefined) {
        lane.#files.set(segment, await files.open(`${directory}/${segmentName(segment)}`, 'readWrite'))
      }
      return lane
    } catch (error) {
      await lane.close().catch(() => undefined)
      throw error
    }
  }

  reserve(bytes: number): void {
    const needed = this.at + bytes
    if (needed <= this.target.length) return
    const grown = new Uint8Array(Math.max(needed, this.target.length * 2))
    grown.set(this.target.subarray(0, this.at))
    this.target = grown
  }

  write(file: number, offset: number, length: number): void {
    const runs = this.#runs
    const last = this.#runsEnd - 4
    const isSameFile = last >= 0 && runs[last] === file
    if (isSameFile && offset === runs[last + 1]! + runs[last + 3]!) runs[last + 3]! += length
    else {
      const end = this.#runsEnd
      runs[end] = file
      runs[end + 1] = offset
      runs[end + 2] = this.at
      runs[end + 3] = length
      this.#runsEnd = end + 4
    }
    this.at += length
  }

  submit(ioSeq: number): void {
    this.#submitted = ioSeq
  }

  wake(): void {}

  completedIoSeq(): number {
    return this.#completed
  }

  syncedAtMs(): undefined {}

  tell(): void {}

  look(): void {}

  openSegment(segment: number, file: File): void {
    this.#files.set(segment, file)
  }

  finishSegment(segment: number): void {
    this.#finished.push(segment)
  }

  flush(isSynced: boolean): void {
    try {
      const runs = this.#runs
      for (let i = 0; i < this.#runsEnd; i += 4) {
        const file = this.#files.get(runs[i]!)
        assertLog(file !== undefined, `file ${runs[i]} is open in the lane`)
        const start = runs[i + 2]!
        this.#writer.write(file, this.#run.of(this.target, start, start + runs[i + 3]!), runs[i + 1]!)
      }
      this.#runsEnd = 0 // a length that is set is a call into the engine of the language
      this.at = 0
      if (isSynced) this.#writer.sync()
    } catch (error) {
      this.#events.onFailed(asError(error))
      return
    }
    if (isSynced) this.#complete(this.#submitted)
  }

  /** Everything submitted through `ioSeq` is synced. */
  #complete(ioSeq: number): void {
    if (this.#runsEnd === 0) this.#closeFinished()
    if (ioSeq <= this.#completed) return
    this.#completed = ioSeq
    this.#events.onCompleted(ioSeq)
  }

  syncBeside(): void {
    this.#syncing = this.#syncing.then(() => this.#syncWritten())
  }

  async #syncWritten(): Promise<void> {
    // Only the newest file has unsynced bytes, and those of all that was submitted until now are written.
    const through = this.#submitted
    const file = this.#writer.unsynced
    try {
      const own = file === undefined ? undefined : await this.#openBeside(file, through)
      if (own !== undefined) await own.sync()
    } catch (error) {
      this.#writer.abandon(asError(error))
      this.#events.onFailed(asError(error))
      return
    }
    if (!this.#writer.hasFailed) this.#complete(through)
  }

  /** Undefined if the thread has synced everything meanwhile: then the file may be gone. */
  async #openBeside(file: File, through: number): Promise<File | undefined> {
    try {
      return await this.#descriptorFor(file)
    } catch (error) {
      this.#beside = undefined
      if (this.#completed < through) throw error
      return undefined
    }
  }

  #descriptorFor(file: File): Promise<File> {
    if (this.#beside?.file !== file) {
      this.#closeBeside()
      this.#beside = { file, own: this.#opening.open(file.path, 'readWrite') }
    }
    return this.#beside.own
  }

  #closeBeside(): void {
    // It writes nothing, so there is nothing that its end could lose.
    this.#beside?.own.then(own => own.close()).catch(() => undefined)
    this.#beside = undefined
  }

  #closeFinished(): void {
    if (this.#finished.length === 0) return
    for (const segment of this.#finished.splice(0)) {
      const file = this.#files.get(segment)
      this.#files.delete(segment)
      // A synced file that cannot be closed costs a descriptor and no byte.
      file?.close().catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    await this.#syncing
    this.#closeBeside()
    if (!this.#writer.hasFailed) this.flush(true)
    const files = [...this.#files.values()]
    this.#files.clear()
    await Promise.all(files.map(file => file.close()))
  }
}
