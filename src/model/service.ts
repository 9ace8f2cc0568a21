import type { Row, SessionOpening } from '../encoding/index.ts'
import type { Consistency } from './consistency.ts'
import type { Change, DatabaseStatus, WatchedRows } from './database.ts'
import type { QuorateError } from './errors.ts'
import type { ClusterSettings } from './settings.ts'
import type { StateView } from './state-view.ts'

/**
 * What a node offers to its doors (gateway, HTTP, Redis) and to itself. Callbacks instead of promises where requests are many: they run
 * on this thread, exactly once, maybe before the call returns.
 */
export interface NodeService {
  readonly historyId: string
  readonly settings: ClusterSettings
  /** Newest applied leader time here, us: what clients compute `notAfter` from. */
  readonly leaderTimeMicros: number
  /**
   * Proposes a request (encoding/request.ts; the service owns the bytes). Answers with the outcome, or with an error when it is not
   * known (`applied` tells). Requests of one session are applied in the order of submission.
   */
  submit(request: Uint8Array, onOutcome: OutcomeHandler): void
  /** Opens a session in the log; answers its id. */
  openSession(opening: Omit<SessionOpening, 'notAfterMicros'>, timeoutMs: number): Promise<number>
  /** Who opened a session, once its opening is applied here; undefined if it has ended. @throws QuorateError, retryable, if that takes too long */
  sessionOwner(session: number, timeoutMs: number): Promise<SessionOwner | undefined>
  /**
   * Calls back with a view that satisfies `consistency`; the handler releases it. Reads that arrive together share one round and one
   * pinned root. `deadlineMs` is on the monotonic clock.
   */
  whenReadable(consistency: Consistency, deadlineMs: number, onView: ViewHandler): void
  /** Serial numbers for doors whose requests have no session of their own: the session of this process. */
  nextNodeRequest(): { session: number; serial: number; acknowledgedThrough: number } | undefined
  /** An outcome said that the session of this process has ended: another one is opened. */
  nodeSessionEnded(session: number): void
  /** Changes after `fromSeq` (undefined = from now), pushed to `sink` until the result is closed. */
  watch(selector: ServiceWatch, fromSeq: number | undefined, sink: WatchSink): { close(): void; resume(): void }
  status(): DatabaseStatus
  readonly topology: Topology
  /** Called when the topology has changed. */
  onTopology(handler: (topology: Topology) => void): () => void
  /** Hands leadership over. @throws QuorateError */
  transferLeadership(toNodeId: number | undefined, timeoutMs: number): Promise<void>
  readonly isDraining: boolean
}

/** What proves that somebody opened a session. */
export interface SessionOwner {
  readonly caller: string
  /** 16 random bytes, chosen by whoever opened it and told to nobody else. */
  readonly nonce: Uint8Array
}

export type OutcomeHandler = (outcome: Uint8Array | undefined, error: QuorateError | undefined) => void
export type ViewHandler = (view: StateView | undefined, error: QuorateError | undefined) => void

export interface ServiceWatch {
  caller: string
  project: string
  scope: string
  prefix: Uint8Array
  /** Tells of the scope's events instead of its keys: each change has a topic as its key and an empty value. */
  events?: true
  /** Tells of rows of the table instead of keys: `prefix` is empty. */
  table?: string
  /** Only of rows whose primary key begins with these cells. */
  key?: Row
}

/** Takes what a watch delivers. */
export interface WatchSink {
  commit(seq: number, changes: readonly Change[]): void
  /** As `commit`, of a watch of rows. */
  rows(seq: number, rows: WatchedRows): void
  progress(seq: number): void
  /** What lies between is unknown: the state is in `view` (which the sink releases), changes go on after its seq. */
  reset(view: StateView): void
  failed(error: QuorateError): void
  /** Bytes queued and not yet taken by the reader: above a bound delivery pauses until `resume`; too long a pause fails with `too_stale`. */
  readonly queuedBytes: number
}

/** Who is who, as pushed to clients. Higher (term, version) is newer. */
export interface Topology {
  historyId: string
  term: number
  version: number
  /** 0 = none known. */
  leaderId: number
  nodeId: number
  members: readonly { nodeId: number; name: string; clientAddress: string; role: 'voter' | 'learner' }[]
}
