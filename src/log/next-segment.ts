import { FileError } from '../platform/index.ts'
import type { File } from '../platform/index.ts'
import { segmentName } from './file-names.ts'
import { segmentBytesAt } from './log-settings.ts'
import type { LogSettings } from './log-settings.ts'
import { createSegmentFile } from './segment-files.ts'

/** What happens to a prepared segment's file: `onReady` takes it over, or says (false) that nobody wants it any more. */
export interface NextSegmentEvents {
  onReady(segment: number, file: File): boolean
  onFailed(error: unknown): void
}

/**
 * The segment after the present one: created, zero-filled and synced in the background, so that rolling over costs no more
 * than a write. A full disk is tried again after the present segment has grown by a sixteenth; any other failure is final.
 */
export class NextSegment {
  readonly #settings: LogSettings
  readonly #events: NextSegmentEvents
  #highest: number
  #prepared: number | undefined
  #preparing: Promise<void> | undefined
  #notBefore = 0

  constructor(settings: LogSettings, highest: number, events: NextSegmentEvents) {
    this.#settings = settings
    this.#highest = highest
    this.#events = events
  }

  /** The number of the prepared segment; undefined while there is none. */
  get prepared(): number | undefined {
    return this.#prepared
  }

  /** Bytes that a segment is given beforehand; it may grow beyond. */
  bytesOf(segment: number): number {
    return segmentBytesAt(this.#settings, segment)
  }

  /** Segments after `highest` are free to be created. */
  restartAfter(highest: number): void {
    this.#highest = highest
    this.#prepared = undefined
  }

  /** Takes the prepared segment into use. */
  take(): number | undefined {
    const segment = this.#prepared
    this.#prepared = undefined
    this.#notBefore = 0
    return segment
  }

  /** Has the next segment prepared, unless it is, or the disk was full until lately. `grown`: bytes of the present one. */
  prepare(grown: number): void {
    if (this.#preparing !== undefined || this.#prepared !== undefined || grown < this.#notBefore) return
    const segment = this.#highest + 1
    this.#preparing = this.#create(segment).then(
      file => this.#onReady(segment, file),
      (error: unknown) => this.#onFailed(segment, error, grown),
    )
  }

  /** Creates the next segment and waits for it; rejects with what prevents it. */
  async prepareNow(): Promise<void> {
    await this.settled()
    if (this.#prepared !== undefined) return
    const segment = this.#highest + 1
    await this.#onReady(segment, await this.#create(segment))
  }

  #create(segment: number): Promise<File> {
    const { files, directory } = this.#settings
    return createSegmentFile(files, directory, segment, this.bytesOf(segment))
  }

  /** Resolves when nothing is being prepared. */
  async settled(): Promise<void> {
    await this.#preparing
  }

  async #onReady(segment: number, file: File): Promise<void> {
    this.#preparing = undefined
    if (!this.#events.onReady(segment, file)) return file.close()
    this.#highest = segment
    this.#prepared = segment
  }

  async #onFailed(segment: number, error: unknown, grown: number): Promise<void> {
    const { files, directory } = this.#settings
    if (error instanceof FileError && error.code === 'no_space') {
      await files.remove(`${directory}/${segmentName(segment)}`).catch(() => undefined)
      this.#notBefore = grown + this.bytesOf(segment) / 16
    } else this.#events.onFailed(error)
    this.#preparing = undefined
  }
}
