import { decodeOutcome, notAfterOf } from '../encoding/index.ts'
import { NumberMap, QuorateError, refusalError } from '../model/index.ts'
import type { CoreOptions, CoreOutcome, ServerMessage, WelcomeMessage } from '../model/index.ts'
import type { Timer } from '../platform/index.ts'
import { DeadlineSweep } from './deadline-sweep.ts'
import type { NodeConnection } from './node-connection.ts'
import type { NodePool } from './node-pool.ts'
import type { ClientPorts, ClientSettings } from './options.ts'
import { PendingCommit } from './pending-commit.ts'
import type { CommitSender } from './pending-commit.ts'
import type { StatusEvents } from './status-events.ts'

const NONCE_BYTES = 16
/** Serials that nobody heard of whose outcomes the cluster is asked to keep. */
const ABANDONED_MAX = 1_024
/** Where an outcome says whether it is a refusal (encoding/outcome.ts). */
const STATUS_OFFSET = 1
const REFUSED = 1
/** Commits between two looks at the front of the queue for what is settled already. */
const QUEUE_TRIM = 1_024

/**
 * The client's exactly-once window (DESIGN 7). Commits get serials in the order of their calls, as many as the window allows are on
 * their way, and what is not answered is kept: after the loss of a connection, or when another node leads, it is sent again in order
 * before anything new. When the cluster has forgotten the session, what may have been applied ends as unknown and the rest moves to
 * a new session, in order.
 */
export class ClientSession implements CommitSender {
  readonly #ports: ClientPorts
  readonly #settings: ClientSettings
  readonly #pool: NodePool
  readonly #events: StatusEvents
  #id = 0
  #nonce: Uint8Array
  #window = 1
  #lastSerial = 0
  #answeredThrough = 0
  /** The largest serial that was applied or refused in its time: those before it cannot be applied any more. */
  #lastDecided = 0
  /** Sent and not answered, by serial. */
  readonly #open = new NumberMap<PendingCommit>()
  /** Not sent yet, from `#queueAt` on. */
  #queue: PendingCommit[] = []
  #queueAt = 0
  /** Refused by the session that has ended, and certainly not applied. */
  #moving: PendingCommit[] = []
  #isEnded = false
  #abandoned: number[] = []
  #connection: NodeConnection | undefined
  #needsResend = false
  #backoff: Timer | undefined
  #backoffTerm = 0
  #refusals = 0
  readonly #sweep: DeadlineSweep
  #closed: QuorateError | undefined

  constructor(ports: ClientPorts, settings: ClientSettings, pool: NodePool, events: StatusEvents) {
    this.#ports = ports
    this.#settings = settings
    this.#pool = pool
    this.#events = events
    this.#nonce = ports.random.bytes(NONCE_BYTES)
    this.#sweep = new DeadlineSweep(ports, nowMs => this.#endLate(nowMs))
    pool.onChange(() => this.#poolChanged())
  }

  /** Commits that are not settled. */
  get waitingCount(): number {
    let count = this.#moving.length
    for (const commit of this.#inOrder()) if (!commit.isSettled) count++
    for (let i = this.#queueAt; i < this.#queue.length; i++) if (!this.#queue[i]!.isSettled) count++
    return count
  }

  /** Commits that are kept, those that are settled included. */
  get keptCount(): number {
    return this.#open.size + this.#moving.length + this.#queue.length - this.#queueAt
  }

  /** hot path: bench/client */
  submit(envelope: Uint8Array, options: CoreOptions): Promise<CoreOutcome> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const { signal, timeoutMs = this.#settings.timeoutMs, caller = '' } = options
    if (signal?.aborted === true) {
      const message = 'the caller aborted before anything was sent'
      return Promise.reject(new QuorateError('aborted', message, { cause: signal.reason }))
    }
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#ports.clock.monotonicMs() + timeoutMs
      const notAfterMicros = notAfterOf(this.#pool.leaderTimeMicros, timeoutMs)
      const commit = new PendingCommit(this, envelope, caller, deadlineMs, notAfterMicros, resolve, reject)
      commit.listen(options)
      this.#queue.push(commit)
      this.#sweep.note(deadlineMs)
      this.#pump()
    })
  }

  /** Ends all that waits. */
  close(): void {
    this.#closed = new QuorateError('closed', 'the client is closed')
    this.#sweep.cancel()
    this.#backoff?.cancel()
    for (const commit of this.#everything()) commit.giveUp('closed', 'the client was closed')
    this.#open.clear()
    this.#queue = []
    this.#queueAt = 0
    this.#moving = []
  }

  /** Sent and not answered, as they were sent: serials are given in order. */
  #inOrder(): PendingCommit[] {
    return this.#open.values().sort((one, other) => one.serial - other.serial)
  }

  *#everything(): Iterable<PendingCommit> {
    yield* this.#inOrder()
    yield* this.#moving
    for (let i = this.#queueAt; i < this.#queue.length; i++) yield this.#queue[i]!
  }

  /** Sends what can be sent now. */
  #pump(): void {
    const connection = this.#connection
    if (this.#backoff !== undefined || this.#isEnded) return
    if (connection === undefined || !connection.isReady) return this.#choose()
    if (connection.sessionId !== this.#id || this.#id === 0) return this.#attach(connection)
    if (this.#needsResend) this.#resend(connection)
    while (this.#queueAt < this.#queue.length && this.#hasRoom) {
      const commit = this.#queue[this.#queueAt++]!
      if (commit.isSettled) continue
      commit.session = this.#id
      commit.serial = ++this.#lastSerial
      this.#open.set(commit.serial, commit)
      this.#send(commit, connection)
    }
    this.#trimQueue()
  }

  get #hasRoom(): boolean {
    return this.#lastSerial - this.#answeredThrough < this.#window
  }

  #trimQueue(): void {
    if (this.#queueAt === this.#queue.length) this.#queue = []
    else if (this.#queueAt >= QUEUE_TRIM && this.#queueAt * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueAt)
    } else return
    this.#queueAt = 0
  }

  #choose(): void {
    const target = this.#pool.writeTarget(this.#connection)
    if (target === undefined || target === this.#connection) return
    this.#connection = target
    this.#needsResend = this.#open.size > 0
    this.#pump()
  }

  #poolChanged(): void {
    const { refusal } = this.#pool
    if (refusal !== undefined) this.#refuseAll(refusal)
    this.#attachSpares()
    const target = this.#pool.writeTarget(this.#connection)
    const { leaderId = 0, term = 0 } = this.#pool.topology ?? {}
    const hasNewLeader = this.#backoff !== undefined && leaderId !== 0 && term > this.#backoffTerm
    if (target === undefined || (target === this.#connection && !hasNewLeader)) return
    if (target !== this.#connection) this.#needsResend = this.#open.size > 0
    this.#connection = target
    // Somebody new to ask: its first refusal waits little, and what waits is sent to it at once.
    this.#backoff?.cancel()
    this.#backoff = undefined
    this.#refusals = 0
    if (this.#open.size > 0 || this.#queueAt < this.#queue.length) this.#pump()
  }

  /** Sends again, in order, what has no copy on its way to `connection`. */
  #resend(connection: NodeConnection): void {
    this.#needsResend = false
    for (const commit of this.#inOrder()) {
      if (commit.connection === connection) continue
      if (commit.isSettled && !commit.isInDoubt) this.#remove(commit)
      else if (commit.isSettled) this.#abandon(commit)
      else {
        if (commit.connection !== undefined) commit.isInDoubt = true
        if (commit.isInDoubt) commit.copy++
        this.#send(commit, connection)
      }
    }
  }

  #send(commit: PendingCommit, connection: NodeConnection): void {
    commit.connection = connection
    const { serial, notAfterMicros, copy, caller, envelope } = commit
    try {
      connection.request(
        {
          type: 'commit',
          requestId: 0,
          serial,
          acknowledgedThrough: Math.min(this.#answeredThrough, (this.#abandoned[0] ?? Infinity) - 1),
          notAfterMicros,
          copy,
          caller,
          envelope,
        },
        commit,
      )
    } catch (error) {
      if (!commit.isInDoubt) commit.connection = undefined
      this.#remove(commit)
      commit.reject(
        error instanceof QuorateError
          ? error
          : new QuorateError('transaction_too_large', 'the request does not fit its form', { cause: error }),
      )
    }
  }

  /**
   * Binds a connection to the session, opening it if there is none. One hello at a time: a node takes no second one while it opens a
   * session for the first. An opening that is in doubt is made again elsewhere with the same nonce, and finds the same session.
   */
  #attach(connection: NodeConnection): void {
    if (connection.isGreeting) return
    connection.isGreeting = true
    const nonce = this.#nonce
    connection.request(connection.hello({ id: this.#id, nonce }), {
      onAnswer: message => {
        connection.isGreeting = false
        if (this.#closed !== undefined) return
        const isTarget = connection === this.#connection
        if (nonce !== this.#nonce) {
          if (isTarget) this.#pump()
        } else if (message.type === 'welcome' && message.session !== undefined) this.#attached(connection, message)
        else if (isTarget) this.#attachRefused(message.type === 'error' ? message.error : noSession())
      },
      onLost: () => undefined,
    })
  }

  #attached(connection: NodeConnection, { session, leaderTimeMicros }: WelcomeMessage): void {
    const { id, window } = session!
    this.#pool.setLeaderTime(leaderTimeMicros)
    connection.sessionId = id
    if (this.#id === 0) {
      this.#id = id
      this.#window = window
      this.#events.emit({ type: 'sessionOpened', session: id })
      this.#attachSpares()
    } else if (this.#id !== id) return this.#ended()
    this.#pump()
  }

  /** All nodes know the session before it is needed there: a failover costs no round trip for it. */
  #attachSpares(): void {
    if (this.#id === 0) return
    for (const connection of this.#pool.ready()) if (connection.sessionId !== this.#id) this.#attach(connection)
  }

  #attachRefused(error: QuorateError): void {
    if (error.code === 'session_ended') return this.#ended()
    if (!error.retryable) return this.#refuseAll(error)
    this.#pool.hint(error.leader)
    this.#backOff(error)
  }

  /** No node will take anything from this client: no time helps. */
  #refuseAll(error: QuorateError): void {
    for (const commit of this.#everything()) {
      const isUnknown = commit.isInDoubt || commit.connection !== undefined
      if (!isUnknown) commit.reject(error)
    }
  }

  /** hot path: bench/client */
  answered(commit: PendingCommit, message: ServerMessage, connection: NodeConnection): void {
    if (this.#open.get(commit.serial) !== commit) return
    if (message.type === 'outcome') {
      this.#pool.setLeaderTime(message.leaderTimeMicros)
      this.#refusals = 0
      this.#pool.retries.succeeded()
      if (message.outcome[STATUS_OFFSET] === REFUSED && this.#isTakenBack(commit, message.outcome)) return
      if (commit.serial > this.#lastDecided) this.#lastDecided = commit.serial
      this.#remove(commit)
      if (commit.isSettled) this.#rememberAbandoned(commit.serial)
      else commit.resolve(message.outcome, connection.historyId)
      // Answers of one frame make room together; the frame that uses it leaves at the end of the turn.
      if (this.#queueAt < this.#queue.length) this.#pump()
    } else if (message.type === 'error') this.#failed(commit, message.error, connection)
  }

  /** Whether a refusal only says that the request has to be made anew, which this does. */
  #isTakenBack(commit: PendingCommit, bytes: Uint8Array): boolean {
    const outcome = decodeOutcome(bytes)
    if (outcome.status !== 'refused') return false
    if (outcome.code === 'session_ended') {
      this.#movedOrLost(commit, refusalError(outcome).message)
      return true
    }
    return outcome.code === 'expired' && this.#makeAnew(commit)
  }

  /**
   * Leader time had run ahead of what was known of it here. It was refused for good, so a new serial is a new request; but not behind what
   * was issued after it: what one client issues is applied in the order of issue, or not at all.
   */
  #makeAnew(commit: PendingCommit): boolean {
    const leftMs = commit.deadlineMs - this.#ports.clock.monotonicMs()
    if (leftMs <= 0 || commit.isSettled || commit.serial < this.#lastDecided) return false
    this.#remove(commit)
    commit.notAfterMicros = notAfterOf(this.#pool.leaderTimeMicros, leftMs)
    this.#unsend(commit)
    this.#queue = [commit, ...this.#queue.slice(this.#queueAt)]
    this.#queueAt = 0
    this.#pump()
    return true
  }

  #unsend(commit: PendingCommit): void {
    commit.connection = undefined
    commit.isInDoubt = false
    commit.copy = 0
    commit.serial = 0
  }

  #failed(commit: PendingCommit, error: QuorateError, connection: NodeConnection): void {
    if (commit.connection !== connection) return // a newer copy is on its way elsewhere
    commit.connection = undefined
    if (error.applied !== 'no') commit.isInDoubt = true
    if (error.code === 'session_ended') return this.#movedOrLost(commit, error.message)
    if (error.retryable) {
      this.#needsResend = true
      this.#pool.hint(error.leader)
      return this.#backOff(error)
    }
    if (error.code === 'expired' && !commit.isInDoubt && this.#makeAnew(commit)) return
    this.#remove(commit)
    commit.reject(error)
    this.#pump()
  }

  /** Waits before anything is sent again: later serials wait with what was refused, so that they stay behind it. */
  #backOff(error: QuorateError): void {
    if (this.#backoff !== undefined) return
    const delayMs = this.#pool.retries.delayMs(this.#refusals++, error)
    this.#backoffTerm = this.#pool.topology?.term ?? 0
    this.#backoff = this.#ports.timers.after(delayMs, () => {
      this.#backoff = undefined
      this.#pump()
    })
  }

  lost(commit: PendingCommit, connection: NodeConnection): void {
    if (commit.connection !== connection || this.#open.get(commit.serial) !== commit) return
    commit.connection = undefined
    commit.isInDoubt = true
    if (this.#isEnded) return this.#movedOrLost(commit, 'the session has ended')
    this.#needsResend = true
    this.#pump()
  }

  /** The session is gone: sent once and refused, a commit was not applied; otherwise nobody can tell any more. */
  #movedOrLost(commit: PendingCommit, message: string): void {
    this.#remove(commit)
    if (commit.isInDoubt) commit.reject(commit.error('session_ended', message))
    else {
      this.#unsend(commit)
      if (!commit.isSettled) this.#moving.push(commit)
    }
    this.#isEnded = true
    this.#endWhenAnswered()
  }

  /** A node knows no such session any more. What is on its way may have been applied before. */
  #ended(): void {
    this.#isEnded = true
    for (const commit of this.#inOrder()) {
      if (commit.connection === undefined) this.#movedOrLost(commit, 'the session has ended')
    }
    this.#endWhenAnswered()
  }

  #endWhenAnswered(): void {
    if (this.#open.size > 0 || !this.#isEnded) return
    this.#events.emit({ type: 'sessionLost', session: this.#id })
    this.#isEnded = false
    this.#id = 0
    this.#nonce = this.#ports.random.bytes(NONCE_BYTES)
    this.#lastSerial = 0
    this.#answeredThrough = 0
    this.#lastDecided = 0
    this.#abandoned = []
    this.#needsResend = false
    // Issue order: all of these were issued before what is queued, and were answered in the order of their serials.
    this.#queue = [...this.#moving, ...this.#queue.slice(this.#queueAt)]
    this.#queueAt = 0
    this.#moving = []
    if (this.#queue.length > 0) this.#pump()
  }

  #remove(commit: PendingCommit): void {
    if (this.#open.delete(commit.serial) === undefined) return
    while (this.#answeredThrough < this.#lastSerial && !this.#open.has(this.#answeredThrough + 1)) {
      this.#answeredThrough++
    }
  }

  /** Its caller has gone and no node may have it: it is not sent again. */
  #abandon(commit: PendingCommit): void {
    this.#remove(commit)
    this.#rememberAbandoned(commit.serial)
  }

  /** The cluster keeps the outcome for whoever asks later. */
  #rememberAbandoned(serial: number): void {
    this.#abandoned.push(serial)
    this.#abandoned.sort((a, b) => a - b)
    if (this.#abandoned.length > ABANDONED_MAX) this.#abandoned.shift()
  }

  #endLate(nowMs: number): number {
    let next = Infinity
    for (const commit of this.#everything()) {
      if (commit.isSettled) continue
      if (commit.deadlineMs <= nowMs) commit.giveUp('timeout', 'the time given is used up')
      else next = Math.min(next, commit.deadlineMs)
    }
    // While no node can be reached nothing else takes them out.
    this.#queue = this.#queue.slice(this.#queueAt).filter(({ isSettled }) => !isSettled)
    this.#queueAt = 0
    return next
  }
}

function noSession(): QuorateError {
  return new QuorateError('unavailable', 'the node gave no session', { retryable: true })
}
