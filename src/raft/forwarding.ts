import { EntryKind, requestCopy } from '../encoding/index.ts'
import type { SessionOpening } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { OutcomeHandler } from '../model/index.ts'
import type { Random } from '../platform/index.ts'
import { isMutant } from './mutants.ts'
import { DEFAULT_REQUEST_LIMITS } from './options.ts'
import type { RequestLimits } from './options.ts'
import type { Peers } from './peers.ts'
import type { Proposal } from './proposer.ts'
import type { RequestTable } from './requests.ts'
import type { ForwardedRequest, ForwardMessage, ForwardResultsMessage, OpenSessionMessage } from './wire/index.ts'

export interface ForwardingOptions {
  peers: Peers
  random: Random
  requests: RequestTable
  /** This node, and its term now. */
  own: { readonly id: number; readonly term: number }
  /** At the leader: takes a request in, for the turn that follows. */
  offer: (proposal: Proposal) => unknown
  openSession: (opening: SessionOpening, handler: OutcomeHandler) => void
  /** Something is to be sent, or to be placed in another turn. */
  onPlaceAgain: () => void
  limits?: Partial<RequestLimits> | undefined
}

/** Messages that a full link did not take, kept to be sent again; what is above that is left to its own time limit. */
const UNSENT_MAX = 65_536
/** Names of requests that one process may use up before it comes near those of another. */
const FORWARD_IDS = 2 ** 20

/**
 * A follower's way to the leader and back (DESIGN 7.2). Outcomes of applied requests come from the own apply; the leader answers what did
 * not become an entry, and session openings.
 */
export class Forwarding {
  readonly #options: ForwardingOptions
  readonly #limits: RequestLimits
  /** Begins elsewhere in each process: a leader may still answer what an earlier one asked. */
  #nextId: number
  /** Openings sent to the leader. */
  readonly #openings = new Map<number, OutcomeHandler>()
  /** What links did not take, in order. */
  #unsent: (OpenSessionMessage | ForwardResultsMessage)[] = []
  /** The link to the leader did not take the last frame: nothing is placed before `tryAgain`. */
  #isRefused = false

  constructor(options: ForwardingOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_REQUEST_LIMITS, ...options.limits }
    this.#nextId = options.random.u32() * FORWARD_IDS + 1
  }

  /**
   * Sends what waits to the leader, in order: one frame a turn, and only while the link is not full of earlier ones. What is left, and
   * what is in a frame that the link does not take, stays unplaced for a later turn. When a link has opened again, what was lost with
   * the one before comes first: until the replica has been told of it, nothing is placed.
   */
  place(leader: number, term: number): void {
    const { peers, requests, own, onPlaceAgain } = this.#options
    if (!requests.hasUnplaced || this.#isRefused || !peers.hasLog(leader)) return
    const { frameBytes, queuedBytes } = this.#limits
    if (peers.bufferedBytes(leader, 'log') >= queuedBytes && !isMutant('forwarding_unbounded')) return
    const batch: ForwardedRequest[] = []
    const placed = requests.takeUnplaced(term, frameBytes)
    for (const waiting of placed) {
      requests.nameForwarded(waiting, this.#nextId++)
      batch.push({ forwardId: waiting.forwardId, request: waiting.request })
    }
    peers.send({ type: 'forward', from: own.id, to: leader, term, requests: batch }, () => {
      this.#isRefused = true
      requests.putBack(placed)
    })
    if (requests.hasUnplaced) onPlaceAgain()
  }

  openSession(leader: number, term: number, opening: SessionOpening, handler: OutcomeHandler): void {
    const forwardId = this.#nextId++
    this.#openings.set(forwardId, handler)
    this.#send({ type: 'openSession', from: this.#options.own.id, to: leader, term, forwardId, opening })
  }

  /** To be called now and then: links that were full may have drained. What they did not take is sent, as far as it is still of use. */
  tryAgain(): void {
    this.#isRefused = false
    if (this.#unsent.length === 0) return
    const unsent = this.#unsent
    this.#unsent = []
    for (const message of unsent) {
      if (message.type === 'forwardResults' || this.#openings.has(message.forwardId)) this.#send(message)
    }
  }

  /** Openings on their way to an old leader are in doubt; their makers try again with the same nonce. */
  failOpenings(error: QuorateError): void {
    const handlers = [...this.#openings.values()]
    this.#openings.clear()
    for (const handler of handlers) handler(undefined, error)
  }

  onMessage(message: ForwardMessage | OpenSessionMessage | ForwardResultsMessage): void {
    switch (message.type) {
      case 'forward':
        // Sent to the leader of an earlier term: all of it comes again, in order, and a part of it now would overtake the rest.
        if (message.term !== this.#options.own.term) return
        for (const { forwardId, request } of message.requests) {
          const { from, term } = message
          // The entry outlives the frame: its bytes are copied when it is encoded.
          const refused = (error: QuorateError): void => this.#answerError(from, term, forwardId, error)
          this.#options.offer({ kind: EntryKind.transaction, payload: request, refused })
        }
        return
      case 'openSession':
        this.#options.openSession(message.opening, (outcome, error) => {
          const { from: to, term, forwardId } = message
          const result = outcome === undefined ? { forwardId, error: error! } : { forwardId, outcome }
          this.#answer({ type: 'forwardResults', from: this.#options.own.id, to, term, results: [result] })
        })
        return
      case 'forwardResults':
        for (const result of message.results) {
          const opening = this.#openings.get(result.forwardId)
          if (opening !== undefined) {
            this.#openings.delete(result.forwardId)
            if ('outcome' in result) opening(result.outcome, undefined)
            else opening(undefined, result.error)
          } else if ('error' in result) this.#refused(result.forwardId, result.error)
        }
        return
      default:
        throw new Error(`not a message of forwarding: ${String((message as { type: unknown }).type)}`)
    }
  }

  #answerError(to: number, term: number, forwardId: number, error: QuorateError): void {
    this.#answer({ type: 'forwardResults', from: this.#options.own.id, to, term, results: [{ forwardId, error }] })
  }

  #answer(message: ForwardResultsMessage): void {
    this.#send(message)
    this.#options.onPlaceAgain()
  }

  #send(message: OpenSessionMessage | ForwardResultsMessage): void {
    this.#options.peers.send(message, () => {
      if (this.#unsent.length < UNSENT_MAX) this.#unsent.push(message)
    })
  }

  /**
   * The leader refused a forwarded request. A "no" out of its state was for the first sending (DESIGN 7.3): if a copy has joined that
   * since, one may have been applied elsewhere, and the log decides.
   */
  #refused(forwardId: number, error: QuorateError): void {
    const { requests, onPlaceAgain } = this.#options
    const refused = requests.byForwardId(forwardId)
    if (refused === undefined) return
    const { session, serial, request } = refused
    const isCopy = requestCopy(request) > 0
    if (isCopy && error.applied === 'no' && !error.retryable) {
      requests.placeAgain(refused)
      return onPlaceAgain()
    }
    const isCertain = error.applied === 'no' && !isCopy
    requests.fail(session, serial, isCertain || error.applied === 'unknown' ? error : inDoubt(error, session, serial))
  }
}

function inDoubt(error: QuorateError, session: number, serial: number): QuorateError {
  const { code, message, retryable, backoffMs, detail } = error
  return new QuorateError(code, message, {
    retryable,
    applied: 'unknown',
    reference: { session, serial },
    ...(backoffMs !== undefined && { backoffMs }),
    ...(detail !== undefined && { detail }),
  })
}
