import type { PeerChannel, PeerIdentity } from '../../model/index.ts'
import type { FrameLink } from '../../platform/index.ts'

/** Whether this node dialled the link or the peer did. */
export type PipeDirection = 'dialled' | 'accepted'

/** An open link whose other side has proved who it is. */
export interface Pipe {
  readonly peer: string
  readonly channel: PeerChannel
  readonly direction: PipeDirection
  readonly link: FrameLink
  readonly identity: PeerIdentity
  /** Counts links of this transport; the highest is the newest. */
  readonly number: number
  /** Monotonic ms of the last frame that came, and of the last that left. */
  heardAtMs: number
  spokeAtMs: number
  /** Closed or replaced: what still arrives is dropped. */
  isOver: boolean
}

/** Says "still here". Nothing else is empty: every frame of the peer wire has a header. */
export const KEEPALIVE: Uint8Array = new Uint8Array(0)

export const PEER_CHANNELS: readonly PeerChannel[] = ['control', 'log', 'snapshot']

/** What went over all links of one peer since the start. */
export interface PeerCounters {
  sentFrames: number
  sentBytes: number
  receivedFrames: number
  receivedBytes: number
  /** Frames that were not taken because the queue was full. */
  fullQueues: number
  /** Links that opened; beyond the first of each channel and direction these are reconnections. */
  opened: number
  /** Links that were closed because nothing was heard. */
  silent: number
  /** Refusals, in both directions. */
  refused: number
}

export function newPeerCounters(): PeerCounters {
  return {
    sentFrames: 0,
    sentBytes: 0,
    receivedFrames: 0,
    receivedBytes: 0,
    fullQueues: 0,
    opened: 0,
    silent: 0,
    refused: 0,
  }
}

type ByChannel = Record<PeerChannel, Pipe | undefined>

/**
 * The open links of one peer. Bulk travels towards whoever dialled, so `log` and `snapshot` have two links per pair, one for each
 * way; `control` has one, dialled by the later of the two in the list.
 */
export class Pipes {
  readonly #accepted: ByChannel = { control: undefined, log: undefined, snapshot: undefined }
  readonly #dialled: ByChannel = { control: undefined, log: undefined, snapshot: undefined }

  /** Puts a new one in its place and gives the one that was there: the newest link is the one that the peer means. */
  add(pipe: Pipe): Pipe | undefined {
    const side = this.#side(pipe)
    const before = side[pipe.channel]
    side[pipe.channel] = pipe
    return before
  }

  /** False if it is not there, or another one has taken its place. */
  remove(pipe: Pipe): boolean {
    const side = this.#side(pipe)
    if (side[pipe.channel] !== pipe) return false
    side[pipe.channel] = undefined
    return true
  }

  /** The link that frames for the peer leave on. */
  outgoing(channel: PeerChannel): Pipe | undefined {
    const accepted = this.#accepted[channel]
    return accepted === undefined && channel === 'control' ? this.#dialled.control : accepted
  }

  /** Whether the channel can be used both ways. */
  isOpen(channel: PeerChannel): boolean {
    const isAccepted = this.#accepted[channel] !== undefined
    const isDialled = this.#dialled[channel] !== undefined
    return channel === 'control' ? isAccepted || isDialled : isAccepted && isDialled
  }

  /** From the oldest to the newest. */
  all(): Pipe[] {
    return [this.#accepted, this.#dialled]
      .flatMap(side => PEER_CHANNELS.map(channel => side[channel]))
      .filter(pipe => pipe !== undefined)
      .sort((left, right) => left.number - right.number)
  }

  #side(pipe: Pipe): ByChannel {
    return pipe.direction === 'accepted' ? this.#accepted : this.#dialled
  }
}
