import { equalBytes } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { SnapshotBase, SnapshotSource } from '../../model/index.ts'
import type { Timer } from '../../platform/index.ts'
import type { NodeId, Seq, SnapshotOffer, Term } from '../core/index.ts'
import { manifestHash } from '../wire/index.ts'
import { ChunkWindow } from './chunk-window.ts'
import { metaOf } from './manifest-check.ts'
import type { ShippingContext, SnapshotMessage } from './options.ts'
import type { TransferProgress } from './progress.ts'
import { describeError, endOfTurn } from './turns.ts'

/** How often silence is looked for. */
const CHECK_MS = 500
/** When the link takes nothing: how soon to try again, unless an acknowledgement comes first. */
const RETRY_MS = 10

export interface OutgoingOptions {
  readonly to: NodeId
  readonly minSeq: Seq
  readonly term: Term
  readonly isLinked: boolean
  readonly offer: (message: SnapshotOffer) => void
  /** Called once, unless it was abandoned. `seq` is the snapshot's. */
  readonly onEnd: (seq: Seq, end: OutgoingEnd) => void
}

/** `misfit`: the receiver had all that it was sent, from nothing, and that does not make the state that was announced. */
export type OutgoingEnd = 'installed' | 'failed' | 'misfit'

/** A pinned state and what is known of it without reading. */
interface Pinned {
  readonly source: SnapshotSource
  readonly hash: Uint8Array
  /** What the receiver asked to start from when it was pinned. */
  readonly base: SnapshotBase | undefined
  /** Chunks were read from it: to begin again it has to be wound back. */
  isRead: boolean
}

/** The side that has the state: pins it, offers it, and sends what the receiver asks for. */
export class Outgoing {
  readonly to: NodeId
  readonly minSeq: Seq
  readonly #context: ShippingContext
  #wanted: OutgoingOptions
  #pinned: Pinned | undefined
  /** Of the receiver's newest request; 0 = it has not asked yet. */
  #transferId = 0
  #base: SnapshotBase | undefined
  /** The receiver has to hear the manifest; the source may have to be pinned anew before. */
  #isManifestOwed = false
  /** Set by a resume: where the source has to go before anything is read from it. */
  #seek: { after: Uint8Array | undefined } | undefined
  /** From the first resume of a transfer. */
  #window: ChunkWindow | undefined
  #isAtEnd = false
  #isEndSent = false
  #isOver = false
  #isPumping = false
  /** Something happened since the loop last looked. */
  #isWoken = false
  #isLinked: boolean
  #heardAtMs: number
  #offeredAtMs = 0
  #check: Timer | undefined
  #retry: Timer | undefined

  constructor(context: ShippingContext, wanted: OutgoingOptions) {
    this.#context = context
    this.#wanted = wanted
    this.to = wanted.to
    this.minSeq = wanted.minSeq
    this.#isLinked = wanted.isLinked
    this.#heardAtMs = this.#now()
    this.#armCheck()
    this.#pump()
  }

  get progress(): TransferProgress {
    const manifest = this.#pinned?.source.manifest
    return {
      direction: 'outgoing',
      peer: this.to,
      seq: manifest?.seq ?? 0,
      sinceSeq: manifest?.sinceSeq ?? 0,
      stage: this.#stage(),
      chunks: this.#window?.acknowledgedChunks ?? 0,
      bytes: this.#window?.acknowledgedBytes ?? 0,
    }
  }

  #stage(): TransferProgress['stage'] {
    if (this.#pinned === undefined) return 'preparing'
    if (this.#window === undefined) return this.#transferId === 0 ? 'offered' : 'requested'
    return this.#isEndSent && this.#window.acknowledgedChunks === this.#window.pushed ? 'committing' : 'shipping'
  }

  /** The core asks for the same again: the transfer goes on, offered in the newer term. */
  renew(wanted: OutgoingOptions): void {
    this.#wanted = wanted
    this.#sendOffer()
  }

  /** A resume of another transfer is one of a life before: its receiver waits for what nobody here knows. */
  knows({ type, transferId }: SnapshotMessage): boolean {
    return type !== 'snapshotResume' || transferId === this.#transferId
  }

  onMessage(message: SnapshotMessage): void {
    if (this.#isOver) return
    if (message.type === 'snapshotRequest') return this.#onRequest(message.transferId, message.base)
    if (message.type === 'snapshotInstalled' && message.seq >= this.minSeq) return this.#end(message.seq, 'installed') // S6
    if (message.transferId !== this.#transferId) return
    this.#heardAtMs = this.#now()
    if (message.type === 'snapshotFailed') return this.#refused(message.isMismatch)
    if (message.type === 'snapshotResume') this.#onResume(message.manifestHash, message.afterFence)
    else if (message.type === 'snapshotChunkAck' && this.#window?.acknowledge(message.number) === false) {
      return this.fail(`chunk ${message.number} was acknowledged and never sent`)
    }
    this.#pump()
  }

  linkChanged(isOpen: boolean): void {
    this.#isLinked = isOpen
    this.#heardAtMs = this.#now()
    if (!isOpen || this.#pinned === undefined) return
    // A receiver that has begun anew knows of no offer; one that goes on refuses this one and resumes (S4).
    this.#sendOffer()
    this.#pump()
  }

  /** Tells the receiver, and reports failure. */
  fail(reason: string): void {
    if (this.#isOver) return
    this.#sayFailed(reason)
    this.#end(this.#seq, 'failed')
  }

  /** Ends without a report. */
  abandon(reason: string): void {
    if (this.#isOver) return
    this.#sayFailed(reason)
    this.#close()
  }

  get #seq(): Seq {
    return this.#pinned?.source.manifest.seq ?? 0
  }

  #onRequest(transferId: number, base: SnapshotBase | undefined): void {
    this.#heardAtMs = this.#now()
    if (transferId !== this.#transferId) {
      this.#transferId = transferId
      this.#window = undefined
      this.#seek = undefined
    }
    this.#base = base
    this.#isManifestOwed = true
    this.#pump()
  }

  #onResume(hash: Uint8Array, after: Uint8Array | undefined): void {
    if (this.#pinned === undefined) return
    if (!equalBytes(hash, this.#pinned.hash)) {
      // Of a manifest that is being replaced: the newer one is about to leave.
      if (this.#isManifestOwed) return
      return this.fail('another snapshot is shipped than the one to be resumed')
    }
    this.#isManifestOwed = false
    this.#isEndSent = false
    if (this.#window === undefined) {
      this.#window = new ChunkWindow(this.#context.limits.windowBytes, after)
      this.#seek = { after }
      this.#isAtEnd = false
    } else if (!this.#window.rewindAfter(after)) this.fail('the receiver resumes where it has not been')
  }

  /** One caller at a time touches the source: whatever happens meanwhile is a wish that the loop finds. */
  #pump(): void {
    this.#isWoken = true
    if (this.#isPumping || this.#isOver) return
    this.#isPumping = true
    void this.#run()
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isOver && this.#isWoken) {
        this.#isWoken = false
        while (!this.#isOver && (await this.#step()));
      }
    } catch (error) {
      this.fail(describeError(error))
    } finally {
      this.#isPumping = false
      if (this.#isOver) this.#pinned?.source.close()
    }
  }

  /** Does the next thing there is to do; false if there is nothing. */
  async #step(): Promise<boolean> {
    const pinned = this.#pinned
    if (pinned === undefined) return this.#pinFirst()
    if (this.#isManifestOwed) return this.#sendManifest(pinned)
    const window = this.#window
    if (window === undefined) return false
    if (this.#seek !== undefined) {
      const { after } = this.#seek
      this.#seek = undefined
      if (pinned.isRead || after !== undefined) pinned.source.seek(after)
      return true
    }
    if (window.next !== undefined) return this.#sendChunk(window)
    if (!this.#isAtEnd) return this.#read(pinned, window)
    if (!this.#isEndSent) this.#isEndSent = this.#say({ type: 'snapshotEnd', chunks: window.pushed })
    return false
  }

  async #pinFirst(): Promise<boolean> {
    await this.#pin(undefined)
    if (this.#isOver) return false
    if (this.#seq < this.minSeq)
      throw new QuorateError('unavailable', `applied is ${this.#seq}, not yet ${this.minSeq}`)
    this.#heardAtMs = this.#now()
    this.#sendOffer()
    return true
  }

  async #pin(base: SnapshotBase | undefined): Promise<void> {
    const source = await this.#context.options.machine.snapshotSource(base)
    this.#pinned?.source.close()
    this.#pinned = { source, hash: manifestHash(source.manifest), base, isRead: false }
  }

  /** Where a snapshot for this base would start from. */
  #sinceSeq(base: SnapshotBase | undefined): Seq {
    if (base === undefined) return 0
    return this.#context.options.machine.digests.some(own => isSameBase(own, base)) ? base.seq : 0
  }

  async #sendManifest(pinned: Pinned): Promise<boolean> {
    const base = this.#base
    // A receiver that has begun anew may name another base, or none, and still need the same: then it can go on where it was.
    if (!isSameBase(pinned.base, base) && this.#sinceSeq(base) !== pinned.source.manifest.sinceSeq) {
      await this.#pin(base)
      return true
    }
    if (!this.#say({ type: 'snapshotManifest', manifest: pinned.source.manifest })) return false
    this.#isManifestOwed = false
    return true
  }

  async #read(pinned: Pinned, window: ChunkWindow): Promise<boolean> {
    if (window.isFull) return false
    pinned.isRead = true
    const chunk = await pinned.source.next(this.#context.limits.chunkBytes)
    // The receiver began again meanwhile: what was read is of the transfer before.
    if (window !== this.#window || this.#seek !== undefined) return true
    if (chunk === undefined) this.#isAtEnd = true
    else window.push(chunk)
    await endOfTurn(this.#context.options.timers)
    return true
  }

  #sendChunk(window: ChunkWindow): boolean {
    const { options, limits } = this.#context
    const { number, fence, bytes } = window.next!
    if (options.bufferedBytes(this.to) >= limits.bufferedBytesMax) {
      this.#retrySoon()
      return false
    }
    if (!this.#say({ type: 'snapshotChunk', number, fence, bytes })) return false
    window.markSent()
    return true
  }

  #sendOffer(): void {
    if (this.#pinned === undefined) return
    this.#offeredAtMs = this.#now()
    const { term, offer } = this.#wanted
    const meta = metaOf(this.#pinned.source.manifest)
    offer({ type: 'snapshotOffer', from: this.#context.options.self(), to: this.to, term, meta })
  }

  #say(body: OutgoingBody): boolean {
    const { options } = this.#context
    const header = { from: options.self(), to: this.to, term: this.#wanted.term, transferId: this.#transferId }
    const isSent = options.send(this.to, { ...header, ...body })
    if (!isSent) this.#retrySoon()
    return isSent
  }

  #sayFailed(reason: string): void {
    if (this.#transferId === 0) return
    const { options } = this.#context
    const header = { from: options.self(), to: this.to, term: this.#wanted.term, transferId: this.#transferId }
    const error = new QuorateError('unavailable', reason)
    options.send(this.to, { type: 'snapshotFailed', ...header, isMismatch: false, error })
  }

  #retrySoon(): void {
    if (!this.#isLinked || this.#retry !== undefined) return
    this.#retry = this.#context.options.timers.after(RETRY_MS, () => {
      this.#retry = undefined
      this.#pump()
    })
  }

  #armCheck(): void {
    this.#check = this.#context.options.timers.after(CHECK_MS, () => {
      this.#armCheck()
      this.#lookForSilence()
    })
  }

  #lookForSilence(): void {
    const { silenceMsMax, unlinkedMsMax, repeatMs } = this.#context.limits
    const nowMs = this.#now()
    const silentMs = nowMs - this.#heardAtMs
    if (silentMs >= (this.#isLinked ? silenceMsMax : unlinkedMsMax)) {
      return this.fail(`nothing heard for ${Math.round(silentMs)} ms`)
    }
    // An offer may be lost with its link, and a receiver that has begun anew knows of none: silence has it repeated.
    const isUnheard = this.#stage() === 'offered' || silentMs >= repeatMs
    if (isUnheard && this.#isLinked && nowMs - this.#offeredAtMs >= repeatMs) this.#sendOffer()
    this.#pump()
  }

  /** What an incremental one makes depends on what the receiver had; it asks for a full one next. */
  #refused(isMismatch: boolean): void {
    const isFull = this.#pinned?.source.manifest.sinceSeq === 0
    this.#end(this.#seq, isMismatch && isFull ? 'misfit' : 'failed')
  }

  #end(seq: Seq, end: OutgoingEnd): void {
    this.#close()
    this.#wanted.onEnd(seq, end)
  }

  /** A source that is being read is closed by its reader. */
  #close(): void {
    this.#isOver = true
    this.#check?.cancel()
    this.#retry?.cancel()
    if (!this.#isPumping) this.#pinned?.source.close()
  }

  #now(): number {
    return this.#context.options.clock.monotonicMs()
  }
}

type WithoutHeader<M> = M extends SnapshotMessage ? Omit<M, 'from' | 'to' | 'term' | 'transferId'> : never
type OutgoingBody = WithoutHeader<
  Extract<SnapshotMessage, { type: 'snapshotManifest' | 'snapshotChunk' | 'snapshotEnd' }>
>

function isSameBase(a: SnapshotBase | undefined, b: SnapshotBase | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.seq === b.seq && a.effectChain === b.effectChain && a.sum.lo === b.sum.lo && a.sum.hi === b.sum.hi
}
