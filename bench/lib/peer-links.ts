import type { PeerTransport } from '../../src/model/index.ts'
import { listenHttp, nodePlatform } from '../../src/platform/node/index.ts'
import { createPeerTransport, webSocketPeerListener } from '../../src/transport/peer/index.ts'
import { webSocketDialer } from '../../src/transport/websocket/index.ts'

/** The real links of one of two processes, `n1` and `n2`, on loopback. */
export function createBenchTransport(self: string, ports: readonly number[]): PeerTransport {
  const members = ports.map((port, n) => ({ name: `n${n + 1}`, address: `127.0.0.1:${port}` }))
  const port = ports[self === 'n1' ? 0 : 1]!
  return createPeerTransport({
    ...nodePlatform(),
    self,
    members,
    secret: new Uint8Array(0),
    identity: () => ({ name: self, nodeId: 1, directoryId: self, historyId: 'bench' }),
    dialer: webSocketDialer(),
    listen: webSocketPeerListener({ listenHttp, host: '127.0.0.1', port }),
  })
}
