import type { PeerIdentity, PeerTransport } from '../model/index.ts'
import type { Platform } from '../platform/index.ts'
import { listenHttp } from '../platform/node/index.ts'
import { createPeerTransport, webSocketPeerListener } from '../transport/peer/index.ts'
import { webSocketDialer } from '../transport/websocket/index.ts'
import type { Configuration } from './configuration.ts'

/** The links of this node to its peers, over WebSockets. */
export function createPeerLinks(
  { name, members, peer }: Configuration,
  { clock, timers, random }: Platform,
  secret: Uint8Array,
  identity: () => PeerIdentity,
): PeerTransport {
  return createPeerTransport({
    self: name,
    members: members.map(member => ({ name: member.name, address: member.peer })),
    secret,
    identity,
    dialer: webSocketDialer(),
    listen: webSocketPeerListener({ listenHttp, host: peer.host, port: peer.port }),
    clock,
    timers,
    random,
  })
}
