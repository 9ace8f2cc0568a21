import { QuorateError } from '../../model/index.ts'
import type { SnapshotBase } from '../../model/index.ts'
import type { NodeId, Seq, SnapshotMeta, SnapshotOffer, Term } from '../core/index.ts'
import { Incoming } from './incoming.ts'
import { DEFAULT_LIMITS, type ShippingContext, type ShippingOptions, type SnapshotMessage } from './options.ts'
import { Outgoing, type OutgoingEnd, type OutgoingOptions } from './outgoing.ts'
import type { TransferProgress } from './progress.ts'

/** All transfers of a replica. */
export interface ShippingProgress {
  readonly outgoing: readonly TransferProgress[]
  readonly incoming: TransferProgress | undefined
  readonly ended: Readonly<EndedTransfers>
}

/** Transfers that have ended since the start; one that was given up for another is not counted. */
export interface EndedTransfers {
  sent: number
  sendFailed: number
  installed: number
  installFailed: number
}

/** What the messages of a transfer travel on. */
type ShippingChannel = 'control' | 'snapshot'

/** Ships snapshots to peers, one to each, and installs one from a peer. The driver of the core's snapshot effects. */
export class SnapshotShipping {
  readonly #context: ShippingContext
  readonly #outgoing: Map<NodeId, Outgoing> = new Map()
  readonly #ended: EndedTransfers = { sent: 0, sendFailed: 0, installed: 0, installFailed: 0 }
  #incoming: Incoming | undefined
  /** Channels that are down, by peer: the sender speaks on `snapshot`, the receiver on `control`. */
  readonly #down: Map<NodeId, Set<ShippingChannel>> = new Map()
  /** The newest install, said again when its sender comes back: the first word may have been lost (S6). */
  #installed: { from: NodeId; transferId: number; seq: Seq } | undefined
  /** Peers that a snapshot did not fit: until when none is shipped to them. */
  readonly #misfits: Map<NodeId, { waitMs: number; untilMs: number }> = new Map()
  /** An incremental one did not lead to the sender's state: the records here are not what they should be. */
  #isFullWanted = false
  #closed: Promise<void> | undefined

  constructor(options: ShippingOptions) {
    this.#context = { options, limits: { ...DEFAULT_LIMITS, ...options.limits } }
  }

  /**
   * Effect `sendSnapshot`: pins a state at or after `minSeq`, hands its offer to `offer` (again after a lost link), ships it when the
   * receiver asks. Ends with `onSent`, once for the newest call, unless it is abandoned: where the last one did not fit, for some time
   * at once.
   */
  ship(to: NodeId, minSeq: Seq, term: Term, offer: (message: SnapshotOffer) => void): void {
    if (this.#closed !== undefined) return
    const { clock, timers, onSent } = this.#context.options
    const misfit = this.#misfits.get(to)
    if (misfit !== undefined && clock.monotonicMs() < misfit.untilMs) {
      timers.endOfTurn(() => onSent(to, 0, false))
      return
    }
    const wanted: OutgoingOptions = {
      to,
      minSeq,
      term,
      offer,
      isLinked: this.#isLinked(to),
      onEnd: (seq, end) => {
        this.#outgoing.delete(to)
        this.#ended[end === 'installed' ? 'sent' : 'sendFailed']++
        this.#noteEnd(to, end)
        onSent(to, seq, end === 'installed')
      },
    }
    const current = this.#outgoing.get(to)
    if (current !== undefined && current.minSeq >= minSeq) return current.renew(wanted)
    current?.abandon('a newer snapshot is needed')
    this.#outgoing.set(to, new Outgoing(this.#context, wanted))
  }

  #noteEnd(to: NodeId, end: OutgoingEnd): void {
    const { options, limits } = this.#context
    if (end === 'installed') this.#misfits.delete(to)
    if (end !== 'misfit') return
    const waitMs = Math.min((this.#misfits.get(to)?.waitMs ?? limits.misfitMsMin / 2) * 2, limits.misfitMsMax)
    this.#misfits.set(to, { waitMs, untilMs: options.clock.monotonicMs() + waitMs })
    options.onMisfit()
  }

  /** Effect `installSnapshot`: fetches and installs. Ends with `onInstalled` or `onFailed`, unless it is abandoned. */
  install(from: NodeId, meta: SnapshotMeta): void {
    if (this.#closed !== undefined) return
    const { random } = this.#context.options
    // The core asks for one at a time (S4): what may still be here was given up by it.
    const previous = this.#incoming?.abandon('replaced by another snapshot')
    const incoming = new Incoming(this.#context, {
      from,
      offered: meta,
      transferId: 1 + random.u32() * 0x100000 + (random.u32() >>> 12),
      base: this.#base(meta.seq),
      isLinked: this.#isLinked(from),
      previous,
      onInstalled: installed => {
        this.#incoming = undefined
        this.#isFullWanted = false
        this.#ended.installed++
        this.#installed = { from, transferId: incoming.transferId, seq: installed.seq }
        this.#context.options.onInstalled(installed)
      },
      onFailed: ({ reason, mustReopen, isFullWanted }) => {
        if (this.#incoming === incoming) this.#incoming = undefined
        this.#isFullWanted ||= isFullWanted
        this.#ended.installFailed++
        this.#context.options.onFailed(reason, mustReopen)
      },
    })
    this.#incoming = incoming
  }

  /** The core refused an offer because an install is under way. */
  offerRefused(from: NodeId): void {
    if (this.#incoming !== undefined && this.#incoming.from !== from) this.#incoming.yieldToAnother()
  }

  /**
   * The own state is not what it should be: nothing of it goes out any more, and the next install takes nothing from it. What was on its
   * way is reported as not sent at the end of the turn.
   */
  distrustState(): void {
    this.#isFullWanted = true
    for (const outgoing of this.#outgoing.values())
      this.#endOutgoing(outgoing, 'the state of the sender is not trusted')
  }

  #endOutgoing(outgoing: Outgoing, reason: string): void {
    const { timers, onSent } = this.#context.options
    const { peer, seq } = outgoing.progress
    this.#outgoing.delete(peer)
    outgoing.abandon(reason)
    this.#ended.sendFailed++
    timers.endOfTurn(() => onSent(peer, seq, false))
  }

  /** A message of the snapshot channel. Chunks are views of their frame, which must not change afterwards. */
  onMessage(message: SnapshotMessage): void {
    if (this.#closed !== undefined || message.to !== this.#context.options.self()) return
    switch (message.type) {
      case 'snapshotRequest':
      case 'snapshotResume':
      case 'snapshotChunkAck':
      case 'snapshotInstalled':
        return this.#toSender(message)
      case 'snapshotManifest':
      case 'snapshotChunk':
      case 'snapshotEnd':
        return this.#toReceiver(message)
      case 'snapshotFailed':
        return this.#isIncoming(message) ? this.#toReceiver(message) : this.#toSender(message)
      default:
        message satisfies never
    }
  }

  /** A channel to a peer opened or closed: what was on it may be lost. Transfers go on where they were. */
  linkChanged(peer: NodeId, isOpen: boolean, channel: ShippingChannel = 'snapshot'): void {
    const down = this.#down.get(peer) ?? new Set()
    this.#down.set(peer, down)
    if (isOpen) down.delete(channel)
    else down.add(channel)
    const isLinked = this.#isLinked(peer)
    this.#outgoing.get(peer)?.linkChanged(isLinked)
    if (this.#incoming?.from === peer) this.#incoming.linkChanged(isLinked)
    if (isLinked && this.#installed?.from === peer) this.#sayInstalled()
  }

  #isLinked(peer: NodeId): boolean {
    const down = this.#down.get(peer)
    return down === undefined || down.size === 0
  }

  /**
   * Term, leader or role changed: what is only offered ends, reported as not sent at the end of the turn. What is under way goes on:
   * a committed state stays so whoever leads, and a receiver that has begun cannot go back.
   */
  abandon(): void {
    for (const outgoing of this.#outgoing.values()) {
      const { stage } = outgoing.progress
      if (stage === 'preparing' || stage === 'offered') this.#endOutgoing(outgoing, 'the sender leads no more')
    }
  }

  /** Shutdown: ends everything without reports. Resolves when the state machine is not touched any more; a commit comes to its end. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    for (const outgoing of this.#outgoing.values()) outgoing.abandon('the sender stops')
    this.#outgoing.clear()
    const incoming = this.#incoming
    this.#incoming = undefined
    await incoming?.abandon('the receiver stops')
  }

  get progress(): ShippingProgress {
    return {
      outgoing: Array.from(this.#outgoing.values(), outgoing => outgoing.progress),
      incoming: this.#incoming?.progress,
      ended: { ...this.#ended },
    }
  }

  /** The newest own record that the sender may have too (DESIGN 5). */
  #base(seqMax: Seq): SnapshotBase | undefined {
    if (this.#isFullWanted) return undefined
    const record = this.#context.options.machine.digests.findLast(({ seq }) => seq <= seqMax)
    return record === undefined ? undefined : { seq: record.seq, sum: record.sum, effectChain: record.effectChain }
  }

  #isIncoming(message: SnapshotMessage): boolean {
    return this.#incoming?.from === message.from && this.#incoming.transferId === message.transferId
  }

  #toSender(message: SnapshotMessage): void {
    const outgoing = this.#outgoing.get(message.from)
    if (outgoing?.knows(message) === true) outgoing.onMessage(message)
    else if (message.type === 'snapshotRequest' || message.type === 'snapshotResume') this.#refuse(message)
  }

  #toReceiver(message: SnapshotMessage): void {
    if (this.#isIncoming(message)) this.#incoming!.onMessage(message)
    else if (this.#installed?.transferId === message.transferId) this.#sayInstalled()
  }

  #sayInstalled(): void {
    const { from, transferId, seq } = this.#installed!
    const { options } = this.#context
    options.send(from, { type: 'snapshotInstalled', from: options.self(), to: from, term: 0, transferId, seq })
  }

  #refuse({ from, transferId }: SnapshotMessage): void {
    const { options } = this.#context
    const error = new QuorateError('unavailable', 'this transfer is not known here')
    const header = { from: options.self(), to: from, term: 0, transferId }
    options.send(from, { type: 'snapshotFailed', ...header, isMismatch: false, error })
  }
}
