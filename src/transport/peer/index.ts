/** Links between replicas: authenticated, reconnected, bounded (docs/formats/peer-handshake.md). */
export { createPeerTransport } from './peer-transport.ts'
export type { ObservedPeerTransport, PeerLinkStatus } from './peer-transport.ts'
export { DEFAULT_PEER_LIMITS, PEER_PATH, PEER_SUBPROTOCOL } from './options.ts'
export type { IncomingPeerLink, ListenForPeers, PeerLimits, PeerMember, PeerTransportOptions } from './options.ts'
export type { PeerCounters } from './pipe.ts'
export { webSocketPeerListener } from './ws-listener.ts'
export type { ListenerTls, ListenHttp, PeerListenerOptions } from './ws-listener.ts'
