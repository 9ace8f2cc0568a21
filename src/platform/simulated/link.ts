import type { FrameLink } from '../index.ts'
import type { EventOwner } from './event-queue.ts'
import type { NetworkPaths, NetworkProfile } from './network-paths.ts'
import type { SeededRandom } from './random.ts'
import type { SimulatedWorld } from './world.ts'

/** The close code of a link that broke (RFC 6455, 7.1.5). */
export const BROKEN = 1006
const TOO_LARGE = 1009

/** Who owns an end of a link: a process on a host. */
export interface NetworkOwner extends EventOwner {
  /** The host name. */
  readonly name: string
  onDeath(watcher: (kind: 'power' | 'process') => void): void
}

/** What the ends of a link share with their network. */
export interface LinkSurroundings {
  readonly world: SimulatedWorld
  readonly paths: NetworkPaths
  readonly profile: NetworkProfile
  forget(end: LinkEnd): void
}

/** What is under way to the other end: a frame, or the news that the link is closed. */
type Parcel = Uint8Array | { code: number; reason: string }

/**
 * One end of a link. Frames reach the other end whole and in order, after the delays of their path. On a blocked path they are
 * held, as TCP would send them again, until the path is free or the sender gives up; the other end learns of that when it can,
 * so that links may be half open for a while.
 */
export class LinkEnd implements FrameLink {
  readonly owner: NetworkOwner
  readonly remoteAddress: string
  onFrame: ((frame: Uint8Array) => void) | undefined = undefined
  onClose: ((code: number, reason: string) => void) | undefined = undefined
  /** The other end; set once, by whoever makes the pair. */
  peer!: LinkEnd
  readonly #surroundings: LinkSurroundings
  readonly #random: SeededRandom
  readonly #maxFrameBytes: number
  readonly #delayFactor: number
  #isClosed = false
  /** Nothing sent after the break arrives, though this end may hear of it later. */
  #isBroken = false
  #underWayBytes = 0
  #lineFreeAtMs = 0
  #lastArrivalMs = 0
  #held: Parcel[] = []
  /** Parcels sent and not arrived, held ones among them. */
  #underWayCount = 0
  /** Parcels that arrived while this end's process was paused and that it has not taken yet. */
  #waitingCount = 0

  constructor(
    owner: NetworkOwner,
    remoteAddress: string,
    surroundings: LinkSurroundings,
    random: SeededRandom,
    maxFrameBytes: number,
  ) {
    this.owner = owner
    this.remoteAddress = remoteAddress
    this.#surroundings = surroundings
    this.#random = random
    this.#maxFrameBytes = maxFrameBytes
    this.#delayFactor = random.uniform(1, surroundings.profile.linkSpread)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#underWayBytes - this.#surroundings.profile.socketBufferBytes)
  }

  // hot path: one call, one event and one allocation per frame
  send(frame: Uint8Array): void {
    if (this.#isClosed || this.#isBroken || this.owner.state === 'dead') return
    const { profile } = this.#surroundings
    if (profile.breakChance > 0 && this.#random.chance(profile.breakChance)) {
      this.break('reset')
      return
    }
    this.#underWayBytes += frame.length
    this.#dispatch(frame, frame.length)
  }

  close(code = 1000, reason = ''): void {
    if (this.#isClosed || this.owner.state === 'dead') return
    this.#dispatch({ code, reason }, 0)
    this.#closeSoon(0, code, reason)
  }

  /** Breaks the link: each end sees it by itself, and what is under way may be lost. */
  break(reason: string): void {
    const { minDelayMs, meanDelayMs } = this.#surroundings.profile
    for (const end of [this, this.peer]) {
      end.#isBroken = true
      end.#closeSoon(this.#random.chance(0.5) ? 0 : minDelayMs + this.#random.exponential(meanDelayMs), BROKEN, reason)
    }
  }

  /** The process at this end died. The kernel says so to the other end if it lives; without power that end finds out late. */
  ownerDied(kind: 'power' | 'process'): void {
    if (this.#isClosed) return
    if (kind === 'process') this.#dispatch({ code: BROKEN, reason: 'connection reset' }, 0)
    else this.peer.#closeSoon(this.#giveUpMs(), BROKEN, 'timed out')
    this.#isClosed = true
    this.#forgetWhenDone()
  }

  /** Nothing that this end sends arrives before then: the other end is not open yet. */
  arriveNotBefore(atMs: number): void {
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, atMs)
  }

  /** The path from here to the other end is free again: what was held arrives, before anything that was sent after it. */
  releaseHeld(): void {
    if (this.#held.length > 0) this.#surroundings.world.schedule(0, () => this.#deliverHeld())
  }

  #deliverHeld(): void {
    const { paths } = this.#surroundings
    while (this.#held.length > 0 && !paths.isBlocked(this.owner.name, this.peer.owner.name)) {
      this.#deliver(this.#held.shift()!)
    }
  }

  #dispatch(parcel: Parcel, bytes: number): void {
    this.#underWayCount++
    const { world, paths, profile } = this.#surroundings
    const nowMs = world.nowMs
    this.#lineFreeAtMs = Math.max(this.#lineFreeAtMs, nowMs) + bytes / profile.bytesPerMs
    const [from, to] = [this.owner.name, this.peer.owner.name]
    const delayMs = paths.delayMs(from, to, nowMs, profile, this.#delayFactor, this.#random)
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, this.#lineFreeAtMs + delayMs)
    // Not owned by the receiver: whether the path is blocked is the network's matter even while that process is paused.
    world.schedule(this.#lastArrivalMs - nowMs, () => this.#arrive(parcel))
  }

  #arrive(parcel: Parcel): void {
    const { paths } = this.#surroundings
    const receiver = this.peer
    if (this.#held.length > 0 || paths.isBlocked(this.owner.name, receiver.owner.name)) {
      this.#held.push(parcel)
      if (this.#held.length === 1) this.#giveUpLater()
      return
    }
    this.#deliver(parcel)
  }

  #deliver(parcel: Parcel): void {
    const receiver = this.peer
    this.#underWayCount--
    if (parcel instanceof Uint8Array) this.#underWayBytes -= parcel.length
    if (this.#isClosed) this.#forgetWhenDone()
    receiver.#receive(parcel)
  }

  #receive(parcel: Parcel): void {
    const isBusy = (this.owner.busyUntilMs ?? 0) > this.#surroundings.world.nowMs
    if (this.owner.state === 'running' && !isBusy && this.#waitingCount === 0) {
      this.#take(parcel)
      return
    }
    this.#waitingCount++
    const takeLate = (): void => {
      this.#waitingCount--
      this.#take(parcel)
    }
    this.#surroundings.world.schedule(0, takeLate, this.owner)
  }

  #take(parcel: Parcel): void {
    if (this.#isClosed) return
    if (!(parcel instanceof Uint8Array)) {
      this.#finish(parcel.code, parcel.reason)
    } else if (parcel.length > this.#maxFrameBytes) {
      this.peer.#closeSoon(0, TOO_LARGE, 'frame too large')
      this.#closeSoon(0, TOO_LARGE, 'frame too large')
    } else {
      if (this.onFrame === undefined) throw new Error('a frame arrived before the owner of the link listened')
      this.onFrame(parcel)
    }
  }

  /** Breaks this end if the path to the other one stays blocked; the other end gives up some time later. */
  #giveUpLater(): void {
    const { world } = this.#surroundings
    const waitMs = this.#giveUpMs()
    world.schedule(waitMs, () => {
      if (this.#held.length === 0) return
      this.#underWayCount -= this.#held.length
      this.#held = [] // never sent again, even if the path is free before this end has noticed
      if (this.#isClosed) this.#forgetWhenDone()
      this.#closeSoon(0, BROKEN, 'timed out')
      this.peer.#closeSoon(this.#giveUpMs(), BROKEN, 'timed out')
    })
  }

  #giveUpMs(): number {
    const [low, high] = this.#surroundings.profile.giveUpMs
    return this.#random.uniform(low, high)
  }

  #closeSoon(delayMs: number, code: number, reason: string): void {
    if (this.#isClosed) return
    this.#surroundings.world.schedule(delayMs, () => this.#finish(code, reason), this.owner)
  }

  #finish(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#forgetWhenDone()
    this.onClose?.(code, reason)
  }
  /** A closed end is of interest for as long as something that it sent may have to wait for its path. */
  #forgetWhenDone(): void {
    if (this.#underWayCount === 0) this.#surroundings.forget(this)
  }
}
