import type { PeerRefusal } from '../../model/index.ts'
import type { FrameLink, Timers } from '../../platform/index.ts'
import type { Handshake, HandshakeStep, OpenedPeer } from './handshake.ts'

/** Close codes of our own (RFC 6455, 7.4.2: 4000-4999). The reason text is for people. */
export const CLOSE_REFUSED = 4001
export const CLOSE_IDENTITY_CHANGED = 4002
export const CLOSE_SILENT = 4003
export const CLOSE_REPLACED = 4004
export const CLOSE_PROTOCOL_ERROR = 1002

export interface ShakeHandsOptions {
  readonly timers: Timers
  readonly timeoutMs: number
  /** The other side has proved itself: takes over the link and sets its listeners. */
  readonly onOpened: (opened: OpenedPeer) => void
  readonly onRefused: (reason: PeerRefusal, detail: string, peer: string | undefined) => void
  /** Closed, too slow or not the protocol. */
  readonly onFailed: (reason: string) => void
}

/** A handshake that is under way on a link. */
export interface HandshakeUnderWay {
  /** Ends it without a callback. */
  cancel(code: number, reason: string): void
}

/** Runs a handshake over a link until it opens, is refused or fails: exactly one of the callbacks, once. */
export function shakeHands(link: FrameLink, handshake: Handshake, options: ShakeHandsOptions): HandshakeUnderWay {
  let isOver = false
  const timer = options.timers.after(options.timeoutMs, () => {
    finish()
    link.close(CLOSE_PROTOCOL_ERROR, 'the handshake took too long')
    options.onFailed('the handshake took too long')
  })
  const finish = (): void => {
    isOver = true
    timer.cancel()
  }
  const take = ({ send, opened, refused, broken }: HandshakeStep): void => {
    for (const frame of send) link.send(frame)
    if (opened === undefined && refused === undefined && broken === undefined) return
    finish()
    if (opened !== undefined) {
      options.onOpened(opened)
    } else if (refused !== undefined) {
      link.close(CLOSE_REFUSED, `refused: ${refused.reason}`)
      options.onRefused(refused.reason, refused.detail, refused.peer)
    } else {
      link.close(CLOSE_PROTOCOL_ERROR, broken)
      options.onFailed(broken ?? '')
    }
  }
  link.onFrame = frame => {
    if (!isOver) take(handshake.receive(frame))
  }
  link.onClose = (code, reason) => {
    if (isOver) return
    finish()
    options.onFailed(`closed: ${code} ${reason}`)
  }
  return {
    cancel(code, reason) {
      if (isOver) return
      finish()
      link.close(code, reason)
    },
  }
}
