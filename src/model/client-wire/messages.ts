import type { Consistency, Token } from '../consistency.ts'
import type { Row } from '../../encoding/index.ts'
import type { Change, DatabaseStatus, WatchedRows } from '../database.ts'
import type { LeaderHint, QuorateError } from '../errors.ts'
import type { ReadRequest, ReadResult } from '../reads.ts'
import type { Topology } from '../service.ts'
import type { ClusterSettings } from '../settings.ts'

/**
 * What a client and a node say to each other over `/v1/connect`, as data (docs/formats/client-wire.md). The same messages have a
 * binary form (subprotocol `quorate.v1+msgpack`) and a JSON form (`quorate.v1+json`).
 *
 * `requestId` is the client's number for a request, from 1, unique among its open requests on the connection; answers repeat it.
 * 0 concerns the connection as a whole. `caller` '' stands for the connection's own identity; another needs `impersonate`.
 */

export const CLIENT_SUBPROTOCOL_BINARY = 'quorate.v1+msgpack'
export const CLIENT_SUBPROTOCOL_JSON = 'quorate.v1+json'
/** Version of the messages; what `hello` and `welcome` carry. */
export const CLIENT_PROTOCOL_VERSION = 1
/** Longest frame before `welcome`, which then names the bound: a connection that nobody knows yet costs little. */
export const FIRST_FRAME_BYTES_MAX = 65_536

/**
 * First message of a connection; may be sent again on it to get a session after `session_ended`. Without `session` the connection
 * can only read.
 */
export interface HelloMessage {
  type: 'hello'
  requestId: number
  protocol: number
  clientName: string
  clientVersion: string
  token?: string | undefined
  /**
   * `id` 0 opens a session, otherwise goes on with that one. `nonce`: 16 random bytes, chosen once per opening: the same opening sent
   * again finds the session it opened.
   */
  session?: { id: number; nonce: Uint8Array } | undefined
  /** Act as this caller on the whole connection. */
  as?: string | undefined
}

/** A transaction; answered by `outcome` or `error`. The connection's session is implied. Hot. */
export interface CommitMessage {
  type: 'commit'
  requestId: number
  serial: number
  acknowledgedThrough: number
  notAfterMicros: number
  copy: number
  caller: string
  /** Encoded (encoding/envelope-binary.ts). When decoded: a view of the frame. */
  envelope: Uint8Array
}

/** Answered by `readResult` or `error`. Hot. */
export interface ReadMessage {
  type: 'read'
  requestId: number
  /** What is left of the caller's time; 0 = no bound of the caller's. */
  timeoutMs: number
  /** A view opened on this connection, or 0; with a view, `consistency` is not looked at. */
  viewId: number
  consistency: Consistency
  caller: string
  request: ReadRequest
}

/** Answered by `viewOpened` or `error`. */
export interface OpenViewMessage {
  type: 'openView'
  requestId: number
  timeoutMs: number
  consistency: Consistency
  caller: string
}

/** Not answered; an unknown view is fine. */
export interface CloseViewMessage {
  type: 'closeView'
  requestId: number
  viewId: number
}

/** Answered by `watchEvents` under the same request id until `cancel` or `error`. */
export interface WatchMessage {
  type: 'watch'
  requestId: number
  caller: string
  project: string
  scope: string
  prefix: Uint8Array
  /** Exclusive; undefined = from now. */
  from: Token | undefined
  /** Tells of events, whose topics begin with `prefix`, instead of keys: each change has the topic as its key and an empty value. */
  events?: true
  /** Tells of the rows of a table instead of keys: `prefix` is empty. */
  table?: string
  /** Only of rows whose primary key begins with these cells. */
  key?: Row
}

/** Nobody waits for `requestId` any more. Not answered; an answer already on its way may still come. */
export interface CancelMessage {
  type: 'cancel'
  requestId: number
}

/** Answered by `pong`. */
export interface PingMessage {
  type: 'ping'
  requestId: number
}

/** Answered by a `status` from the server. */
export interface StatusRequestMessage {
  type: 'status'
  requestId: number
}

export type ClientMessage =
  | HelloMessage
  | CommitMessage
  | ReadMessage
  | OpenViewMessage
  | CloseViewMessage
  | WatchMessage
  | CancelMessage
  | PingMessage
  | StatusRequestMessage

/** The settings that a client needs to refuse early what the cluster would refuse. */
export type ClientLimits = Pick<
  ClusterSettings,
  'keyBytesMax' | 'valueBytesMax' | 'transactionBytesMax' | 'mutationsMax' | 'assertionsMax' | 'readSetMax'
>
export const CLIENT_LIMITS: readonly (keyof ClientLimits)[] = [
  'keyBytesMax',
  'valueBytesMax',
  'transactionBytesMax',
  'mutationsMax',
  'assertionsMax',
  'readSetMax',
]

export interface WelcomeMessage {
  type: 'welcome'
  requestId: number
  protocol: number
  serverVersion: string
  historyId: string
  nodeId: number
  /** Who the connection is. */
  caller: string
  /** undefined if `hello` asked for none. */
  session?: { id: number; window: number; lifetimeMs: number } | undefined
  /** Newest leader time applied here: what `notAfterMicros` is computed from. */
  leaderTimeMicros: number
  topology: Topology
  /** Longest frame that the server takes. */
  maxFrameBytes: number
  limits: ClientLimits
}

/** Pushed whenever it changes; requestId 0. */
export interface TopologyMessage {
  type: 'topology'
  requestId: number
  topology: Topology
}

/** The answer to a commit, refusals included. Hot. */
export interface OutcomeMessage {
  type: 'outcome'
  requestId: number
  /** As in `welcome`, fresh: keeps the client's idea of leader time close without extra messages. */
  leaderTimeMicros: number
  /** Encoded (encoding/outcome.ts). When decoded: a view of the frame. */
  outcome: Uint8Array
}

export interface ReadResultMessage {
  type: 'readResult'
  requestId: number
  /** The seq that was read at. */
  seq: number
  result: ReadResult
}

export interface ViewOpenedMessage {
  type: 'viewOpened'
  requestId: number
  /** Chosen by the server, from 1. A client that has cancelled the request closes it. */
  viewId: number
  seq: number
}

/** Of a `reset`, the client must close the view. */
export type WireWatchEvent =
  | { type: 'commit'; seq: number; changes: readonly Change[] }
  | ({ type: 'rows'; seq: number } & WatchedRows)
  | { type: 'progress'; seq: number }
  | { type: 'reset'; seq: number; viewId: number }

/** Events of one watch in order; a commit is never divided. */
export interface WatchEventsMessage {
  type: 'watchEvents'
  requestId: number
  events: readonly WireWatchEvent[]
}

/** Ends the request; with requestId 0 the server closes the connection after it. */
export interface ErrorMessage {
  type: 'error'
  requestId: number
  error: QuorateError
}

export type GoawayReason = 'draining' | 'lost_leader' | 'overloaded' | 'closing'
export const GOAWAY_REASONS: readonly GoawayReason[] = ['draining', 'lost_leader', 'overloaded', 'closing']

/** Asks the client to go to another node; open requests are still answered for `graceMs`. */
export interface GoawayMessage {
  type: 'goaway'
  requestId: number
  reason: GoawayReason
  graceMs: number
  leader: LeaderHint | undefined
}

export interface PongMessage {
  type: 'pong'
  requestId: number
  leaderTimeMicros: number
}

export interface StatusMessage {
  type: 'status'
  requestId: number
  status: DatabaseStatus
}

export type ServerMessage =
  | WelcomeMessage
  | TopologyMessage
  | OutcomeMessage
  | ReadResultMessage
  | ViewOpenedMessage
  | WatchEventsMessage
  | ErrorMessage
  | GoawayMessage
  | PongMessage
  | StatusMessage
