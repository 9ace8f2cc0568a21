import type { DatabaseCore, LatencyHistogram, NodeService } from '../../model/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { BodyShare } from './body-budget.ts'

export interface HttpOptions {
  service: NodeService
  /** The same node: requests are submitted, tried again and timed by it. */
  core: DatabaseCore
  /** Who a request is; undefined = refused. May throw a QuorateError: `busy` if the address has failed too often. */
  authenticate: (token: string | undefined, isLoopback: boolean, address: string) => string | undefined
  serverVersion: string
  /** Requests at a time; more are answered `busy`. 1,024. */
  requestsMax?: number
  /** Bytes of the bodies of all requests under way; more are answered `busy`. 256 MiB. */
  bodyBytesMax?: number
  /** Counts how long requests take. */
  timing?: { readonly clock: Clock; readonly latency: LatencyHistogram }
  /** An error that is a fault of this program; the client gets `internal`. */
  onFault?: (error: unknown) => void
}

/** A request whose caller is known. */
export interface HttpCall {
  readonly options: HttpOptions
  readonly request: Request
  /** Counts its body. */
  readonly share: BodyShare
  readonly caller: string
  /** As it came, without the question mark. */
  readonly query: string
}

/** Time of a request that gives none, ms. */
export const DEFAULT_TIMEOUT_MS = 10_000
