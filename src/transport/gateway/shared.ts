import type { QuorateError, ServerMessage } from '../../model/index.ts'
import type { GatewayLimits, GatewayOptions, GatewayStats } from './options.ts'

/** What the connections of a gateway have in common. */
export interface Shared {
  readonly options: GatewayOptions
  readonly limits: GatewayLimits
  readonly stats: GatewayStats
  readonly isDraining: boolean
  /** Reads that take at least so long are noted. */
  readonly slowMs: number
}

export interface ConnectionOrigin {
  subprotocol: string
  isLoopback: boolean
  token: string | undefined
  /** Of the machine that the client is on. */
  address: string
}

/** A connection as those see it who answer its messages. */
export interface ClientChannel {
  readonly origin: ConnectionOrigin
  readonly isClosed: boolean
  /** Bytes that the client has not taken yet. */
  readonly unsentBytes: number
  /** When the frame was taken up that is being read, or was read last; on the monotonic clock. */
  readonly readAtMs: number
  /** Leader time, as far as this node knows it, as of then. */
  readonly readAtMicros: number
  /** The monotonic clock as of the first that is said in this turn. */
  readonly saidAtMs: number
  send(message: ServerMessage): void
  /** What became of a commit. */
  sendOutcome(requestId: number, outcome: Uint8Array): void
  /** The client has proven who it is: what it may send is bounded by its frames from now on. */
  trust(): void
  /** Reads nothing more until the client has taken what there is; then postponed work is run. */
  choke(): void
  sendError(requestId: number, error: QuorateError): void
  /** A fault of this program: the client hears `internal`. */
  fault(requestId: number, error: unknown): void
  /** Ends the connection with an error that concerns all of it. */
  refuse(error: QuorateError, closeCode: number): void
}
