import { DurationHistogram, LatencyHistogram } from '../../model/index.ts'
import type { NodeService, SlowRequests } from '../../model/index.ts'
import type { Clock, Random, Timers } from '../../platform/index.ts'

/**
 * Who a connection is: the caller that `token` stands for, or that of a connection without one; undefined = refused. `address` is where
 * it comes from. May throw a QuorateError: `busy` if that address has failed too often.
 */
export type Authenticate = (token: string | undefined, isLoopback: boolean, address: string) => string | undefined

/** Who a connection that was let in would be now; undefined = nobody. Counts no attempt and does not throw. */
export type Recheck = (token: string | undefined, isLoopback: boolean) => string | undefined

export interface GatewayLimits {
  connectionsMax: number
  /** Longest frame taken from a client after `welcome`. */
  maxFrameBytes: number
  /** Time for the first `hello`, ms. */
  helloMs: number
  /** A connection on which nothing arrives for so long is closed, ms. Clients ping every 5 s when they are idle. */
  idleMs: number
  /** Requests without an answer; above it nothing more is read from the client. */
  inFlightMax: number
  /** Bytes of commits without an answer; above it nothing more is read from the client. */
  inFlightBytesMax: number
  /** Answers that the client has not taken; above it nothing more is read from it. */
  unsentBytesHigh: number
  /** Answers and unread frames that one connection may hold; above it, it is closed. */
  heldBytesMax: number
  /** How long a client may leave its answers untaken before it is closed, ms. */
  stalledMs: number
  /** Views of one connection. */
  viewsMax: number
  /** Views of all connections together. */
  viewsOpenMax: number
  /** A view that is not read for so long is released, ms. */
  viewIdleMs: number
  /** A view that has been open for so long is released, however much it is read, ms: it pins what has changed since. */
  viewAgeMs: number
  watchesMax: number
  /** For reads whose client gives no time of its own, ms. */
  readMs: number
}

export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  connectionsMax: 10_000,
  maxFrameBytes: 16 << 20,
  helloMs: 5_000,
  idleMs: 30_000,
  inFlightMax: 8_192,
  inFlightBytesMax: 32 << 20,
  unsentBytesHigh: 1 << 20,
  heldBytesMax: 64 << 20,
  stalledMs: 30_000,
  viewsMax: 64,
  viewsOpenMax: 10_000,
  viewIdleMs: 30_000,
  viewAgeMs: 3_600_000,
  watchesMax: 256,
  readMs: 30_000,
}

export interface GatewayOptions {
  service: NodeService
  clock: Clock
  timers: Timers
  random: Random
  authenticate: Authenticate
  limits?: Partial<GatewayLimits>
  /** Said in `welcome`. */
  serverVersion: string
  /** `actor` reads or watches as `caller`: told once for each connection and caller. What it writes is audited where it is applied. */
  onImpersonation?: (actor: string, caller: string) => void
  /** Where reads that take long are noted. */
  slow?: SlowRequests
  /** An error that is a fault of this program; the client hears `internal`. */
  onFault?: (error: unknown) => void
}

/** Counters since the start; the first three are gauges. */
export interface GatewayStats {
  connections: number
  views: number
  watches: number
  connectionsTotal: number
  refusedTotal: number
  unauthenticatedTotal: number
  malformedTotal: number
  slowClosedTotal: number
  idleClosedTotal: number
  framesReceivedTotal: number
  framesSentTotal: number
  bytesReceivedTotal: number
  bytesSentTotal: number
  commitsTotal: number
  readsTotal: number
  watchesTotal: number
  errorsTotal: number
  /** From the arrival of a request to its answer. */
  readonly commitLatency: LatencyHistogram
  readonly readLatency: LatencyHistogram
  /** Of queries alone. */
  readonly queries: DurationHistogram
}

export function newStats(): GatewayStats {
  return {
    connections: 0,
    views: 0,
    watches: 0,
    connectionsTotal: 0,
    refusedTotal: 0,
    unauthenticatedTotal: 0,
    malformedTotal: 0,
    slowClosedTotal: 0,
    idleClosedTotal: 0,
    framesReceivedTotal: 0,
    framesSentTotal: 0,
    bytesReceivedTotal: 0,
    bytesSentTotal: 0,
    commitsTotal: 0,
    readsTotal: 0,
    watchesTotal: 0,
    errorsTotal: 0,
    commitLatency: new LatencyHistogram(),
    readLatency: new LatencyHistogram(),
    queries: new DurationHistogram(),
  }
}
