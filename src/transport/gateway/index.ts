/** The door for clients over WebSocket (docs/formats/client-wire.md). */
export { createGateway } from './gateway.ts'
export type { AcceptOptions, Gateway } from './gateway.ts'
export { DEFAULT_GATEWAY_LIMITS } from './options.ts'
export type { Authenticate, GatewayLimits, GatewayOptions, GatewayStats, Recheck } from './options.ts'
