import { FileError } from '../platform/index.ts'
import type { File, Files, Job, JobContext } from '../platform/index.ts'
import { assertLog } from './errors.ts'
import { segmentName, VOTES_NAME } from './file-names.ts'
import { VOTES_FILE } from './lane.ts'
import { Control, Field, RingKind, attachRing, descriptorAt, syncTimeAt } from './ring.ts'
import type { Ring } from './ring.ts'
import { isMutant } from './mutants.ts'
import { RunWriter, asError } from './run-writer.ts'

/** What the thread is started with. */
export interface LogWriterInit {
  readonly memory: SharedArrayBuffer
  /** The log's own directory. */
  readonly directory: string
  /** The segment that is written to first. */
  readonly segment: number | undefined
}

/** What the thread tells, if it is wanted: something was written or synced (the counters say what). And always: everything is over. */
export interface LogWriterMessage {
  readonly failed?: {
    readonly message: string
    readonly code: string
    readonly path: string
    readonly systemCode: string
  }
}

/** The code of the worker lane's thread; bind it to `LOG_WRITER_JOB`. */
export function startLogWriter(context: JobContext): Job {
  const init = context.init as LogWriterInit
  const writer = new LogWriter(context, init)
  writer.openFirst(init.segment)
  return writer
}

class LogWriter implements Job {
  readonly #ring: Ring
  readonly #files: Files
  readonly #directory: string
  readonly #context: JobContext
  readonly #writer = new RunWriter()
  readonly #open = new Map<number, File>()
  #consumed = 0
  #completed = 0
  /** The run of contiguous bytes that is being gathered. */
  #runFile: number = VOTES_FILE
  #runOffset = 0
  #runPlace = 0
  #runLength = 0

  constructor(context: JobContext, init: LogWriterInit) {
    this.#context = context
    this.#files = context.files
    this.#directory = init.directory
    this.#ring = attachRing(init.memory)
  }

  openFirst(segment: number | undefined): void {
    try {
      this.#open.set(VOTES_FILE, this.#files.openSync(`${this.#directory}/${VOTES_NAME}`, 'readWrite'))
      if (segment !== undefined) this.#openSegment(segment)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** One write run over all that is present, one sync per file, one message if one is wanted. */
  onDoorbell(): void {
    if (this.#writer.hasFailed) return
    const { control } = this.#ring
    const published = Atomics.load(control, Control.published)
    if (published === this.#consumed) return
    try {
      const completed = this.#writeRun(published)
      this.#writeGathered()
      Atomics.store(control, Control.consumed, this.#consumed)
      this.#writer.sync()
      this.#noteSynced(completed)
      Atomics.store(control, Control.completed, completed)
      // Looked at after the counters are written, as the log looks at the counters after it has written that: one of the two sees the other.
      if (Atomics.load(control, Control.wanted) !== 0) this.#context.post({})
    } catch (error) {
      this.#fail(error)
    }
  }

  #noteSynced(completed: number): void {
    const { syncTimes } = this.#ring
    const nowMs = this.#context.clock.monotonicMs()
    for (let ioSeq = this.#completed; ioSeq !== completed;) {
      ioSeq = (ioSeq + 1) | 0
      syncTimes[syncTimeAt(ioSeq)] = nowMs
    }
    this.#completed = completed
  }

  /** Goes through the descriptors up to `published`; returns the newest whole ioSeq. */
  #writeRun(published: number): number {
    const { descriptors } = this.#ring
    let completed = this.#completed
    for (; this.#consumed !== published; this.#consumed = (this.#consumed + 1) | 0) {
      const at = descriptorAt(this.#consumed)
      const kind = descriptors[at + Field.kind]!
      const file = descriptors[at + Field.file]!
      if ((kind & ~RingKind.submit) === RingKind.openSegment) this.#openSegment(file)
      else if ((kind & ~RingKind.submit) === RingKind.finishSegment) this.#finishSegment(file)
      else
        this.#gather(
          file,
          descriptors[at + Field.offset]! >>> 0,
          descriptors[at + Field.place]!,
          descriptors[at + Field.length]!,
        )
      if ((kind & RingKind.submit) !== 0) completed = descriptors[at + Field.ioSeq]!
    }
    return completed
  }

  #gather(file: number, offset: number, place: number, length: number): void {
    const isContiguous =
      file === this.#runFile &&
      offset === this.#runOffset + this.#runLength &&
      place === this.#runPlace + this.#runLength
    if (isContiguous) {
      this.#runLength += length
      return
    }
    this.#writeGathered()
    this.#runFile = file
    this.#runOffset = offset
    this.#runPlace = place
    this.#runLength = length
  }

  #writeGathered(): void {
    if (this.#runLength === 0) return
    const bytes = this.#ring.bytes.subarray(this.#runPlace, this.#runPlace + this.#runLength)
    this.#runLength = 0
    const file = this.#open.get(this.#runFile)
    assertLog(file !== undefined, `file ${this.#runFile} is open in the log's thread`)
    this.#writer.write(file, bytes, this.#runOffset)
  }

  #openSegment(segment: number): void {
    this.#open.set(segment, this.#files.openSync(`${this.#directory}/${segmentName(segment)}`, 'readWrite'))
  }

  #finishSegment(segment: number): void {
    this.#writeGathered()
    if (!isMutant('next_segment_before_sync')) this.#writer.sync()
    this.#open.get(segment)?.closeSync()
    this.#open.delete(segment)
  }

  onStop(): void {
    for (const file of this.#open.values()) file.closeSync()
    this.#open.clear()
  }

  #fail(thrown: unknown): void {
    const error = asError(thrown)
    const { message } = error
    const isFile = error instanceof FileError
    this.#writer.abandon(error)
    const failed = {
      message,
      code: isFile ? error.code : 'io_failed',
      path: isFile ? error.path : this.#directory,
      systemCode: (isFile ? error.systemCode : undefined) ?? '',
    }
    this.#context.post({ failed } satisfies LogWriterMessage)
  }
}
