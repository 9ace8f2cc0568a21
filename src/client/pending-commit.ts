import { QuorateError } from '../model/index.ts'
import type { CoreOptions, CoreOutcome, ServerMessage } from '../model/index.ts'
import type { NodeConnection, OpenRequest } from './node-connection.ts'

/** Who sends commits and hears their answers. */
export interface CommitSender {
  answered(commit: PendingCommit, message: ServerMessage, connection: NodeConnection): void
  lost(commit: PendingCommit, connection: NodeConnection): void
}

/** A commit between its call and its end. The bytes are kept until it is answered, for they may have to be sent again. */
export class PendingCommit implements OpenRequest {
  readonly #sender: CommitSender
  readonly #resolve: (outcome: CoreOutcome) => void
  readonly #reject: (error: QuorateError) => void
  #stopListening: (() => void) | undefined
  readonly caller: string
  readonly envelope: Uint8Array
  readonly deadlineMs: number
  /** Leader time in us; the same in all copies. */
  notAfterMicros: number
  session = 0
  /** 0 until it is sent. */
  serial = 0
  copy = 0
  /** Where the last copy went; undefined = it has to be sent (again). */
  connection: NodeConnection | undefined
  /** A copy is on its way, or was when its connection was lost: it may have been applied. */
  isInDoubt = false
  isSettled = false

  constructor(
    sender: CommitSender,
    envelope: Uint8Array,
    caller: string,
    deadlineMs: number,
    notAfterMicros: number,
    resolve: (outcome: CoreOutcome) => void,
    reject: (error: QuorateError) => void,
  ) {
    this.#sender = sender
    this.envelope = envelope
    this.caller = caller
    this.deadlineMs = deadlineMs
    this.notAfterMicros = notAfterMicros
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Ends the wait when the caller aborts. */
  listen({ signal }: CoreOptions): void {
    if (signal === undefined) return
    const onAbort = (): void => this.giveUp('aborted', 'the caller stopped waiting', signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#stopListening = () => signal.removeEventListener('abort', onAbort)
  }

  resolve(outcome: Uint8Array, historyId: string): void {
    if (!this.#settle()) return
    this.#resolve({ outcome, historyId })
  }

  reject(error: QuorateError): void {
    if (this.#settle()) this.#reject(error)
  }

  /** Nobody waits any more. Before anything was sent nothing can have been applied. */
  giveUp(code: 'aborted' | 'timeout' | 'closed', message: string, cause?: unknown): void {
    this.reject(this.error(code, message, cause))
  }

  error(code: 'aborted' | 'timeout' | 'closed' | 'session_ended', message: string, cause?: unknown): QuorateError {
    const isUnknown = this.isInDoubt || this.connection !== undefined
    const { session, serial } = this
    return new QuorateError(code, message, {
      retryable: code === 'timeout' && !isUnknown,
      applied: isUnknown ? 'unknown' : 'no',
      ...(isUnknown && { reference: { session, serial } }),
      cause,
    })
  }

  #settle(): boolean {
    if (this.isSettled) return false
    this.isSettled = true
    this.#stopListening?.()
    return true
  }

  onAnswer(message: ServerMessage, connection: NodeConnection): void {
    this.#sender.answered(this, message, connection)
  }

  onLost(connection: NodeConnection): void {
    this.#sender.lost(this, connection)
  }
}
