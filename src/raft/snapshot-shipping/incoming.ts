import { equalBytes } from '../../encoding/index.ts'
import { QuorateError, SnapshotMismatch } from '../../model/index.ts'
import type { SnapshotBase, SnapshotManifest, SnapshotSink } from '../../model/index.ts'
import type { Timer } from '../../platform/index.ts'
import type { NodeId, SnapshotMeta } from '../core/index.ts'
import { manifestHash, type SnapshotChunkMessage } from '../wire/index.ts'
import { findManifestObstacle, metaOf } from './manifest-check.ts'
import type { ShippingContext, SnapshotMessage } from './options.ts'
import type { TransferProgress } from './progress.ts'
import { describeError, endOfTurn } from './turns.ts'

/** How often silence is looked for. */
const CHECK_MS = 500
/** A sender that keeps to its window never comes near; more is a broken one. */
const WINDOWS_MAX = 4
/** An acknowledgement is for several chunks: each costs both sides a message. */
const ACKS_A_WINDOW = 8

const PUBLIC_STAGES = {
  requested: 'requested',
  opening: 'preparing',
  receiving: 'shipping',
  committing: 'committing',
  over: 'committing',
} as const

export interface IncomingOptions {
  readonly from: NodeId
  /** What the core agreed to install. */
  readonly offered: SnapshotMeta
  readonly transferId: number
  /** What an incremental snapshot may start from. */
  readonly base: SnapshotBase | undefined
  readonly isLinked: boolean
  /** Resolves when an earlier install no longer touches the state machine. */
  readonly previous: Promise<void> | undefined
  /** Called once, unless it was abandoned. */
  readonly onInstalled: (meta: SnapshotMeta) => void
  /** Called once, when the state machine is no longer touched. */
  readonly onFailed: (failure: IncomingFailure) => void
}

export interface IncomingFailure {
  readonly reason: string
  readonly mustReopen: boolean
  /** What was incremental did not make the sender's state: a full one may do. */
  readonly isFullWanted: boolean
}

/** What is being installed, from the moment that the manifest was found good. */
interface Opened {
  readonly manifest: SnapshotManifest
  readonly hash: Uint8Array
  readonly meta: SnapshotMeta
}

/**
 * The side that needs the state: asks, checks what it is going to get, hands chunk after chunk to the state machine, and commits.
 * `requested` -> `opening` -> `receiving` -> `committing` -> `over`.
 */
export class Incoming {
  readonly from: NodeId
  readonly transferId: number
  readonly #context: ShippingContext
  readonly #wanted: IncomingOptions
  #stage: keyof typeof PUBLIC_STAGES = 'requested'
  #opened: Opened | undefined
  #sink: SnapshotSink | undefined
  /** The state machine was asked to begin: from then on only the end of the sink gets it going again. */
  #hasBegun = false
  /** It did not take a chunk, or did not commit. */
  #hasSinkFailed = false
  /** Because what came is not what was announced. */
  #isMismatch = false
  #isMuted = false
  /** Taken over from the link, not yet installed. */
  readonly #queue: SnapshotChunkMessage[] = []
  #queuedBytes = 0
  /** Number of the next chunk to take over, and the fence before it. */
  #expected = 0
  #fence: Uint8Array | undefined
  /** Chunks in the sink. */
  #written = 0
  #writtenBytes = 0
  /** Installed, and the sender has not been told. */
  #unacknowledgedBytes = 0
  /** How many chunks there are; undefined until the sender has said. */
  #chunks: number | undefined
  /** The loop that installs; resolves when it no longer touches the sink. */
  #work: Promise<void> | undefined
  #isDraining = false
  #isLinked: boolean
  #heardAtMs: number
  #spokeAtMs: number
  #check: Timer | undefined

  constructor(context: ShippingContext, wanted: IncomingOptions) {
    this.#context = context
    this.#wanted = wanted
    this.from = wanted.from
    this.transferId = wanted.transferId
    this.#isLinked = wanted.isLinked
    this.#heardAtMs = this.#spokeAtMs = this.#now()
    this.#armCheck()
    this.#speak()
  }

  get progress(): TransferProgress {
    return {
      direction: 'incoming',
      peer: this.from,
      seq: this.#opened?.meta.seq ?? this.#wanted.offered.seq,
      sinceSeq: this.#opened?.manifest.sinceSeq ?? 0,
      stage: PUBLIC_STAGES[this.#stage],
      chunks: this.#written,
      bytes: this.#writtenBytes,
    }
  }

  onMessage(message: SnapshotMessage): void {
    if (this.#stage === 'over') return
    this.#heardAtMs = this.#now()
    switch (message.type) {
      case 'snapshotManifest':
        return this.#onManifest(message.manifest)
      case 'snapshotChunk':
        return this.#onChunk(message)
      case 'snapshotEnd':
        return this.#onEnd(message.chunks)
      case 'snapshotFailed':
        return this.fail(`the sender gave up: ${message.error.message}`, { isHeard: true })
      default:
    }
  }

  linkChanged(isOpen: boolean): void {
    this.#isLinked = isOpen
    this.#heardAtMs = this.#now()
    if (isOpen) this.#speak()
  }

  /** Nothing is committed. A commit that is under way is no longer to be stopped. */
  fail(reason: string, { isHeard = false }: { isHeard?: boolean } = {}): void {
    if (this.#stage === 'over' || this.#stage === 'committing') return
    void this.#giveUp(reason, isHeard)
  }

  /**
   * Another node, the leader by now, offers its state: a sender that has fallen silent, or to which there is no link, is not waited for any
   * longer. What still moves goes on, whoever leads.
   */
  yieldToAnother(): void {
    const isWaiting = (this.#stage === 'requested' || this.#stage === 'receiving') && this.#queue.length === 0
    const silentMs = this.#now() - this.#heardAtMs
    if (!isWaiting || (this.#isLinked && silentMs < this.#context.limits.repeatMs)) return
    this.fail('another sender took its place')
  }

  /** Ends without a report; resolves when the state machine is no longer touched. */
  async abandon(reason: string): Promise<void> {
    this.#isMuted = true
    if (this.#stage !== 'over' && this.#stage !== 'committing') {
      this.#sayFailed(reason)
      this.#close()
      await this.#work
      await this.#abort()
    }
    await this.#work
  }

  /** Why the state machine cannot go on from what it was before, if it cannot. */
  async #abort(): Promise<string | undefined> {
    if (this.#sink === undefined) return this.#hasBegun ? 'the install did not begin' : undefined
    try {
      await this.#sink.abort()
      return undefined
    } catch (error) {
      return describeError(error)
    }
  }

  #onManifest(manifest: SnapshotManifest): void {
    if (this.#stage !== 'requested') {
      // Said twice; or, when the sender lost its pinned state, another one.
      if (this.#opened !== undefined && !equalBytes(manifestHash(manifest), this.#opened.hash)) {
        this.fail('the sender has no longer the snapshot that is being installed')
      }
      return
    }
    this.#stage = 'opening'
    this.#work = this.#open(manifest)
  }

  async #open(manifest: SnapshotManifest): Promise<void> {
    const { machine, beforeCommit, beforeInstall = beforeCommit } = this.#context.options
    try {
      await this.#wanted.previous
      const opened = { manifest, hash: manifestHash(manifest), meta: metaOf(manifest) }
      this.#requireGood(opened)
      await beforeInstall(manifest.sinceSeq)
      if (this.#stage !== 'opening') return
      // What was still to be applied when the manifest came is applied by now.
      this.#requireGood(opened)
      this.#opened = opened
      this.#hasBegun = true
      this.#sink = await machine.beginInstall(manifest)
    } catch (error) {
      return this.fail(describeError(error))
    }
    if (this.#stage !== 'opening') return
    this.#fence = this.#sink.resumeAfter
    this.#stage = 'receiving'
    this.#speak()
  }

  #requireGood({ manifest, meta }: Opened): void {
    const { machine, self, minSeq = () => machine.appliedSeq + 1 } = this.#context.options
    const { offered, base } = this.#wanted
    const expected = { self: self(), offered, baseSeq: base?.seq ?? 0, minSeq: minSeq() }
    const obstacle = findManifestObstacle(manifest, meta, expected)
    if (obstacle !== undefined) throw new QuorateError('damaged', `the snapshot is refused: ${obstacle}`)
  }

  #onChunk(chunk: SnapshotChunkMessage): void {
    if (this.#stage !== 'receiving') return
    // Sent again after a resume. A gap is closed when the sender, hearing nothing, is asked again.
    if (chunk.number !== this.#expected) return
    this.#queue.push(chunk)
    this.#queuedBytes += chunk.bytes.length
    if (this.#queuedBytes - chunk.bytes.length > WINDOWS_MAX * this.#context.limits.windowBytes) {
      return this.fail('the sender does not keep to its window')
    }
    this.#expected++
    this.#fence = chunk.fence.slice()
    this.#install()
  }

  #onEnd(chunks: number): void {
    if (this.#stage !== 'receiving' || chunks !== this.#expected) return
    this.#chunks = chunks
    this.#install()
  }

  #install(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#work = this.#drain().then(
      isInstalled => {
        if (isInstalled) this.#finish()
      },
      (error: unknown) => this.#sinkFailed(error),
    )
  }

  /** One chunk a turn, and the commit after the last. True if that is done. */
  async #drain(): Promise<boolean> {
    const { options } = this.#context
    for (let chunk = this.#queue[0]; chunk !== undefined && this.#stage === 'receiving'; chunk = this.#queue[0]) {
      await this.#sink!.write({ bytes: chunk.bytes, fence: chunk.fence })
      this.#queue.shift()
      this.#queuedBytes -= chunk.bytes.length
      this.#written++
      this.#writtenBytes += chunk.bytes.length
      this.#unacknowledgedBytes += chunk.bytes.length
      const isDue = this.#unacknowledgedBytes >= this.#context.limits.windowBytes / ACKS_A_WINDOW
      if (isDue && this.#stage === 'receiving') this.#acknowledge()
      await endOfTurn(options.timers)
    }
    this.#isDraining = false
    if (this.#stage !== 'receiving' || this.#chunks !== this.#written) return false
    if (this.#unacknowledgedBytes > 0) this.#acknowledge()
    this.#stage = 'committing'
    await options.beforeCommit()
    await this.#sink!.commit()
    return true
  }

  #finish(): void {
    const { meta } = this.#opened!
    this.#close()
    if (this.#isMuted) return
    this.#wanted.onInstalled(meta)
    this.#say({ type: 'snapshotInstalled', seq: meta.seq })
  }

  #sinkFailed(error: unknown): void {
    this.#isDraining = false
    if (this.#stage === 'over') return
    this.#stage = 'receiving'
    this.#hasSinkFailed = true
    this.#isMismatch = error instanceof SnapshotMismatch
    this.fail(describeError(error))
  }

  /** What the sender has to know to go on; said again when nothing comes. */
  #speak(): void {
    switch (this.#stage) {
      case 'requested':
      case 'opening':
        return this.#say({ type: 'snapshotRequest', seq: this.#wanted.offered.seq, base: this.#wanted.base })
      case 'receiving':
        this.#say({ type: 'snapshotResume', manifestHash: this.#opened!.hash, afterFence: this.#fence })
        return this.#acknowledge()
      case 'committing':
        return this.#acknowledge()
      case 'over':
        return
      default:
        this.#stage satisfies never
    }
  }

  #acknowledge(): void {
    this.#unacknowledgedBytes = 0
    if (this.#written > 0) this.#say({ type: 'snapshotChunkAck', number: this.#written - 1 })
  }

  #say(body: IncomingBody): void {
    const { options } = this.#context
    this.#spokeAtMs = this.#now()
    const header = { from: options.self(), to: this.from, term: 0, transferId: this.transferId }
    options.send(this.from, { ...header, ...body })
  }

  #sayFailed(reason: string): void {
    const error = new QuorateError('unavailable', reason)
    this.#say({ type: 'snapshotFailed', isMismatch: this.#isMismatch, error })
  }

  async #giveUp(reason: string, isHeard: boolean): Promise<void> {
    const work = this.#work
    if (!isHeard) this.#sayFailed(reason)
    this.#close()
    await work
    const obstacle = await this.#abort()
    const isFullWanted = this.#hasSinkFailed && this.#opened?.manifest.sinceSeq !== 0
    if (this.#isMuted) return
    const whole = obstacle === undefined ? reason : `${reason}; ${obstacle}`
    this.#wanted.onFailed({ reason: whole, mustReopen: obstacle !== undefined, isFullWanted })
  }

  #close(): void {
    this.#stage = 'over'
    this.#check?.cancel()
  }

  #armCheck(): void {
    this.#check = this.#context.options.timers.after(CHECK_MS, () => {
      this.#armCheck()
      this.#lookForSilence()
    })
  }

  /** Only the sender's silence ends a transfer: while this side has work of its own it says so, and the sender waits. */
  #lookForSilence(): void {
    const { silenceMsMax, unlinkedMsMax, repeatMs } = this.#context.limits
    const nowMs = this.#now()
    const isBusy = this.#stage === 'opening' || this.#stage === 'committing' || this.#queue.length > 0
    if (isBusy) this.#heardAtMs = nowMs
    const silentMs = nowMs - this.#heardAtMs
    if (silentMs >= (this.#isLinked ? silenceMsMax : unlinkedMsMax)) {
      return this.fail(`nothing heard for ${Math.round(silentMs)} ms`)
    }
    if (!this.#isLinked || nowMs - this.#spokeAtMs < repeatMs) return
    if (isBusy && this.#written > 0) this.#acknowledge()
    else this.#speak()
  }

  #now(): number {
    return this.#context.options.clock.monotonicMs()
  }
}

type WithoutHeader<M> = M extends SnapshotMessage ? Omit<M, 'from' | 'to' | 'term' | 'transferId'> : never
type IncomingBody = WithoutHeader<
  Extract<
    SnapshotMessage,
    { type: 'snapshotRequest' | 'snapshotResume' | 'snapshotChunkAck' | 'snapshotInstalled' | 'snapshotFailed' }
  >
>
