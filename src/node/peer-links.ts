import type { ReplicaOptions } from '../raft/index.ts'
import type { Platform } from '../platform/index.ts'
import { createPeerTransport, webSocketPeerListener } from '../transport/peer/index.ts'
import type { ObservedPeerTransport } from '../transport/peer/index.ts'
import { webSocketDialer } from '../transport/websocket/index.ts'
import type { Configuration } from './configuration.ts'
import { listenOn } from './tls.ts'
import type { DoorTls } from './tls.ts'

/** The links of this node to its peers, over WebSockets. */
export function createPeerLinks(
  { name, members, peer }: Configuration,
  { clock, timers, random }: Platform,
  secret: Uint8Array,
  tls: DoorTls | undefined,
  ...[identity, directoryOf]: Parameters<ReplicaOptions['createTransport']>
): ObservedPeerTransport {
  return createPeerTransport({
    self: name,
    members: members.map(member => ({ name: member.name, address: member.peer })),
    secret,
    identity,
    directoryOf,
    dialer: webSocketDialer(() => tls?.dialer ?? {}),
    scheme: tls === undefined ? 'ws' : 'wss',
    listen: webSocketPeerListener({
      listenHttp: options => listenOn(tls, options),
      host: peer.host,
      port: peer.port,
    }),
    clock,
    timers,
    random,
  })
}
