import { equalBytes } from '../../encoding/index.ts'
import { CLIENT_LIMITS, CLIENT_PROTOCOL_VERSION, QuorateError } from '../../model/index.ts'
import type { ClientLimits, ErrorCode, HelloMessage } from '../../model/index.ts'
import { CloseCode } from './close-code.ts'
import type { Recheck } from './options.ts'
import type { ClientChannel, Shared } from './shared.ts'

/** A session is opened through the log: while there is no leader, so long, and again so often. */
const OPENING_MS = 10_000
/** What the group answers to an opening, and answers again. */
const DECIDED: ReadonlySet<ErrorCode> = new Set(['session_limit', 'session_ended'])
const OPENING_AGAIN_MS = 50
/** A session is gone on with once its opening is applied here. */
const RESUMING_MS = 2_000

/** Who a connection is and which session it uses: what `hello` settles. */
export class Greeting {
  readonly #connection: ClientChannel
  readonly #shared: Shared
  /** Who the connection has proven to be; undefined before the first good hello. */
  #identity: string | undefined
  /** What it has proven that with. */
  #token: string | undefined
  #as = ''
  #session = 0
  #isWelcome = false
  #isOpening = false

  constructor(connection: ClientChannel, shared: Shared) {
    this.#connection = connection
    this.#shared = shared
  }

  /** A `welcome` was sent. */
  get isWelcome(): boolean {
    return this.#isWelcome
  }

  get isOpening(): boolean {
    return this.#isOpening
  }

  /** The first hello was good: requests are taken. */
  get isKnown(): boolean {
    return this.#identity !== undefined
  }

  get identity(): string {
    return this.#identity ?? ''
  }

  /** Whom requests without a caller of their own act as. */
  get caller(): string {
    return this.#as === '' ? this.identity : this.#as
  }

  /** 0 = the connection can only read. */
  get session(): number {
    return this.#session
  }

  /** Sends away whoever would not be let in as the same any more. */
  recheck(callerOf: Recheck): void {
    if (this.#identity === undefined) return
    if (callerOf(this.#token, this.#connection.origin.isLoopback) === this.#identity) return
    this.#refuseToken('the token is not valid any more')
  }

  hello(message: HelloMessage): void {
    const { requestId, protocol, as = '', session } = message
    if (protocol !== CLIENT_PROTOCOL_VERSION) {
      const text = `protocol ${protocol}; this node speaks ${CLIENT_PROTOCOL_VERSION}`
      return this.#connection.refuse(new QuorateError('unsupported_version', text), CloseCode.policy)
    }
    if (this.#isOpening) {
      const error = new QuorateError('malformed_request', 'the answer to the last hello is not there yet')
      return this.#connection.refuse(error, CloseCode.protocol)
    }
    if (!this.#authenticate(message.token)) return
    if (this.#shared.isDraining) {
      const error = new QuorateError('draining', 'this node takes no new clients', { retryable: true })
      return this.#connection.refuse(error, CloseCode.tryLater)
    }
    this.#as = as
    if (session === undefined) return this.#welcome(requestId, 0)
    this.#isOpening = true
    const nonce = session.nonce.slice()
    const settled = session.id === 0 ? this.#openSession(nonce) : this.#resumeSession(session.id, nonce)
    const welcome = (id: number): void => {
      this.#isOpening = false
      this.#welcome(requestId, id)
    }
    settled.then(welcome).catch((error: unknown) => {
      this.#isOpening = false
      if (error instanceof QuorateError) this.#connection.sendError(requestId, error)
      else this.#connection.fault(requestId, error)
    })
  }

  /** The token of `hello`, or that of the upgrade request. Who a connection is does not change. */
  #authenticate(token: string | undefined): boolean {
    if (this.#identity !== undefined && token === undefined) return true
    const { origin } = this.#connection
    let identity: string | undefined
    try {
      identity = this.#shared.options.authenticate(token ?? origin.token, origin.isLoopback, origin.address)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      this.#shared.stats.refusedTotal++
      this.#connection.refuse(error, CloseCode.tryLater)
      return false
    }
    if (identity === undefined || (this.#identity !== undefined && identity !== this.#identity)) {
      this.#refuseToken(
        token === undefined && origin.token === undefined ? 'a token is needed' : 'the token is not valid',
      )
      return false
    }
    if (this.#identity === undefined) this.#connection.trust()
    this.#identity = identity
    this.#token = token ?? origin.token
    return true
  }

  #refuseToken(text: string): void {
    this.#shared.stats.unauthenticatedTotal++
    this.#connection.refuse(new QuorateError('unauthenticated', text), CloseCode.policy)
  }

  /** The same nonce finds the same session, so that trying again opens no second one. */
  async #openSession(nonce: Uint8Array): Promise<number> {
    const { service, clock, timers, random } = this.#shared.options
    const untilMs = clock.monotonicMs() + OPENING_MS
    for (;;) {
      const leftMs = untilMs - clock.monotonicMs()
      try {
        return await service.openSession({ caller: this.identity, kind: 'client', nonce }, leftMs)
      } catch (error) {
        const isWorthATry = error instanceof QuorateError && error.retryable && !DECIDED.has(error.code)
        if (!isWorthATry || this.#connection.isClosed || clock.monotonicMs() >= untilMs) throw error
      }
      await new Promise<void>(resolve => timers.after(OPENING_AGAIN_MS * (0.5 + random.float()), resolve))
      if (this.#connection.isClosed)
        throw new QuorateError('unavailable', 'the connection is gone', { retryable: true })
    }
  }

  /**
   * Ids of sessions are no secret, and a session acts for whoever opened it: only the same caller with the same nonce goes on with it.
   */
  async #resumeSession(id: number, nonce: Uint8Array): Promise<number> {
    const owner = await this.#shared.options.service.sessionOwner(id, RESUMING_MS)
    if (owner === undefined) throw new QuorateError('session_ended', 'there is no such session')
    if (owner.caller !== this.identity || !equalBytes(owner.nonce, nonce)) {
      this.#shared.stats.unauthenticatedTotal++
      throw new QuorateError('permission_denied', 'this session was opened by somebody else')
    }
    return id
  }

  #welcome(requestId: number, session: number): void {
    const { service, serverVersion } = this.#shared.options
    const { settings } = service
    this.#session = session
    this.#isWelcome = true
    this.#connection.send({
      type: 'welcome',
      requestId,
      protocol: CLIENT_PROTOCOL_VERSION,
      serverVersion,
      historyId: service.historyId,
      nodeId: service.topology.nodeId,
      caller: this.caller,
      session:
        session === 0
          ? undefined
          : { id: session, window: settings.sessionWindow, lifetimeMs: settings.sessionLifetimeMs },
      leaderTimeMicros: service.leaderTimeMicros,
      topology: service.topology,
      maxFrameBytes: this.#shared.limits.maxFrameBytes,
      limits: Object.fromEntries(CLIENT_LIMITS.map(name => [name, settings[name]])) as unknown as ClientLimits,
    })
  }
}
