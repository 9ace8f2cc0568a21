/** Frame links over WebSockets: the only place on this side of the client that names the library. */
export { acceptWebSocket, refuse } from './accept.ts'
export type { AcceptedLink, AcceptOptions, WebSocketAcceptor } from './accept.ts'
export { webSocketDialer } from './dialer.ts'
export type { DialerTls } from './dialer.ts'
export { isLoopbackAddress } from './origin.ts'
