import type { File, Thread, Threads } from '../platform/index.ts'
import { assertLog } from './errors.ts'
import { SECTOR_BYTES } from './frame.ts'
import type { Lane, LaneEvents } from './lane.ts'
import { Control, Field, RING_DESCRIPTORS, RingKind, createRing, descriptorAt, syncTimeAt } from './ring.ts'
import type { Ring } from './ring.ts'
import type { LogWriterInit, LogWriterMessage } from './log-writer.ts'
import { isMutant } from './mutants.ts'

/** The name under which whoever composes a node binds `startLogWriter` in its Threads. */
export const LOG_WRITER_JOB = 'log-writer'

/** What found no room in the ring, in order. `bytes` is empty for what is not a write. */
interface Waiting {
  kind: number
  readonly file: number
  offset: number
  bytes: Uint8Array
  ioSeq: number
}

export interface WorkerLaneOptions {
  readonly threads: Threads
  readonly directory: string
  /** The segment that is written to first; undefined if it is one still to be opened. */
  readonly segment: number | undefined
  readonly ringBytes: number
}

/**
 * Hands bytes to the writer thread through a shared ring. Frames are laid straight into the ring; what finds no room waits
 * in memory and follows in order. Group commit adapts by itself: the thread writes all that is there when it wakes.
 */
export class WorkerLane implements Lane {
  target: Uint8Array
  at = 0
  readonly #ring: Ring
  readonly #thread: Thread
  readonly #events: LaneEvents
  #waiting: Waiting[] = []
  #isPrivate = false
  /** Descriptors filled, and those given to the thread. */
  #filled = 0
  #published = 0
  #reclaimed = 0
  #head = 0
  #tail = 0
  #submitted = 0
  #completed = 0
  #reported = 0
  #isWakeOwed = false
  /** Whether the log wants to be told of completions, and whether the thread knows that somebody wants to be. */
  #isLogTold = true
  #isWanted = false
  #hasFailed = false
  #isClosing = false
  #drained: (() => void) | undefined

  constructor(events: LaneEvents, options: WorkerLaneOptions) {
    this.#events = events
    this.#ring = createRing(options.ringBytes)
    this.target = this.#ring.bytes
    this.#followWishes()
    const init: LogWriterInit = {
      memory: this.#ring.memory,
      directory: options.directory,
      segment: options.segment,
    }
    this.#thread = options.threads.start(LOG_WRITER_JOB, init)
    this.#thread.onMessage(message => this.#onMessage(message as LogWriterMessage))
    this.#thread.onExit(error => {
      if (error !== undefined || !this.#isClosing) this.#fail(error ?? new Error('the thread of the log ended'))
    })
  }

  reserve(bytes: number): void {
    this.#isPrivate = this.#waiting.length > 0 || !this.#findRoom(bytes)
    if (this.#isPrivate) {
      this.target = new Uint8Array(bytes)
      this.at = 0
    } else {
      this.target = this.#ring.bytes
      this.at = this.#head
    }
  }

  write(file: number, offset: number, length: number): void {
    if (this.#isPrivate) {
      const bytes = this.target.subarray(this.at, this.at + length)
      this.#waiting.push({ kind: RingKind.write, file, offset, bytes, ioSeq: 0 })
      return
    }
    this.#fill(RingKind.write, file, offset, length, this.#head)
    this.#head += length
  }

  submit(ioSeq: number): void {
    this.#submitted = ioSeq
    const last = this.#waiting.at(-1)
    if (last !== undefined) {
      last.kind |= RingKind.submit
      last.ioSeq = ioSeq
      this.#awaitRoom()
      return
    }
    assertLog(this.#filled !== this.#published, 'something was written before a submit')
    const at = descriptorAt(this.#filled - 1)
    this.#ring.descriptors[at + Field.kind]! |= RingKind.submit
    this.#ring.descriptors[at + Field.ioSeq] = ioSeq | 0
    this.#publish()
  }

  wake(): void {
    if (!this.#isWakeOwed) return
    this.#isWakeOwed = false
    this.#thread.ringDoorbell()
  }

  completedIoSeq(): number {
    const low = Atomics.load(this.#ring.control, Control.completed)
    this.#completed += (low - this.#completed) | 0
    return this.#completed
  }

  syncedAtMs(ioSeq: number): number {
    return this.#ring.syncTimes[syncTimeAt(ioSeq)]!
  }

  tell(isWanted: boolean): void {
    if (isWanted === this.#isLogTold) return
    this.#isLogTold = isWanted
    if (isWanted && isMutant('looks_before_it_wishes')) this.look()
    this.#followWishes()
    if (isWanted && !isMutant('looks_before_it_wishes')) this.look()
  }

  /** Has the thread know whether somebody wants a message. Whoever wishes for one looks at the counters afterwards. */
  #followWishes(): void {
    const isWanted = this.#isLogTold || this.#waiting.length > 0 || this.#drained !== undefined
    if (isWanted === this.#isWanted) return
    this.#isWanted = isWanted
    Atomics.store(this.#ring.control, Control.wanted, isWanted ? 1 : 0)
  }

  /** The thread opens its own handle; this one is only closed. */
  openSegment(segment: number, file: File): void {
    file.close().catch(() => undefined)
    this.#command(RingKind.openSegment, segment)
  }

  finishSegment(segment: number): void {
    this.#command(RingKind.finishSegment, segment)
  }

  flush(): void {}

  syncBeside(): void {}

  async close(): Promise<void> {
    this.wake()
    if (!this.#hasFailed && this.completedIoSeq() !== this.#submitted) {
      await new Promise<void>(resolve => {
        this.#drained = resolve
        this.#followWishes()
        this.look()
      })
    }
    this.#isClosing = true
    await this.#thread.stop()
  }

  #command(kind: number, segment: number): void {
    if (this.#waiting.length > 0 || !this.#findRoom(0)) {
      this.#waiting.push({ kind, file: segment, offset: 0, bytes: new Uint8Array(0), ioSeq: 0 })
      this.#awaitRoom()
      return
    }
    this.#fill(kind, segment, 0, 0, this.#head)
    this.#publish()
    this.wake()
  }

  #fill(kind: number, file: number, offset: number, length: number, place: number): void {
    const descriptors = this.#ring.descriptors
    const at = descriptorAt(this.#filled)
    descriptors[at + Field.kind] = kind
    descriptors[at + Field.file] = file
    descriptors[at + Field.offset] = offset
    descriptors[at + Field.length] = length
    descriptors[at + Field.place] = place
    this.#filled = (this.#filled + 1) | 0
  }

  #publish(): void {
    this.#published = this.#filled
    Atomics.store(this.#ring.control, Control.published, this.#published)
    this.#isWakeOwed = true
  }

  /** Sets `#head` to `bytes` contiguous free bytes, with a free descriptor; false if there is no such room now. */
  #findRoom(bytes: number): boolean {
    this.#reclaim()
    const size = this.#ring.bytes.length
    if (((this.#filled - this.#reclaimed) | 0) >= RING_DESCRIPTORS - 1) return false
    if (this.#filled === this.#reclaimed) this.#head = this.#tail = 0
    if (this.#head < this.#tail) return this.#head + bytes < this.#tail
    if (this.#head + bytes <= size) return true
    if (bytes >= this.#tail) return false
    this.#head = 0
    return true
  }

  #reclaim(): void {
    const consumed = Atomics.load(this.#ring.control, Control.consumed)
    while (this.#reclaimed !== consumed) {
      const at = descriptorAt(this.#reclaimed)
      const length = this.#ring.descriptors[at + Field.length]!
      if (length > 0) this.#tail = this.#ring.descriptors[at + Field.place]! + length
      this.#reclaimed = (this.#reclaimed + 1) | 0
    }
  }

  /** Something waits for room: it goes into the ring now, or when the thread says that it has made some. */
  #awaitRoom(): void {
    this.#followWishes()
    this.#pump()
    this.#followWishes()
  }

  /** Moves what waits into the ring as far as there is room, long writes in pieces. */
  #pump(): void {
    const pieceBytes = this.#ring.bytes.length >>> 2
    let moved = 0
    for (const item of this.#waiting) {
      while (item.bytes.length > pieceBytes && this.#findRoom(pieceBytes)) {
        // Pieces end where sectors do: a sector that a crash cuts in two could not be told from damage.
        const length = pieceBytes - ((item.offset + pieceBytes) % SECTOR_BYTES)
        this.#copyIn(RingKind.write, item, length)
        item.offset += length
        item.bytes = item.bytes.subarray(length)
      }
      if (item.bytes.length > pieceBytes || !this.#findRoom(item.bytes.length)) break
      this.#copyIn(item.kind, item, item.bytes.length)
      moved++
    }
    this.#waiting = this.#waiting.slice(moved)
    if (this.#filled !== this.#published) this.#publish()
    this.wake()
  }

  #copyIn(kind: number, item: Waiting, length: number): void {
    this.#ring.bytes.set(item.bytes.subarray(0, length), this.#head)
    this.#ring.descriptors[descriptorAt(this.#filled) + Field.ioSeq] = item.ioSeq | 0
    this.#fill(kind, item.file, item.offset, length, this.#head)
    this.#head += length
  }

  #onMessage(message: LogWriterMessage): void {
    if (message.failed !== undefined) {
      this.#fail(Object.assign(new Error(message.failed.message), message.failed))
      return
    }
    if (this.#waiting.length > 0) {
      this.#pump()
      this.#followWishes()
    }
    this.look()
  }

  look(): void {
    const completed = this.completedIoSeq()
    if (completed === this.#reported) return
    this.#reported = completed
    this.#events.onCompleted(completed)
    if (completed === this.#submitted) this.#drained?.()
  }

  #fail(error: Error): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#events.onFailed(error)
    this.#drained?.()
  }
}
