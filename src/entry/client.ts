/** `quorate/client`: a cluster as a database, from Node. */
import { connectClient } from '../client/index.ts'
import type { Client, ConnectOptions } from '../client/index.ts'
import { nodeClock, nodeRandom, nodeTimers } from '../platform/node/index.ts'
import { webSocketDialer } from '../transport/websocket/index.ts'
import type { DialerTls } from '../transport/websocket/index.ts'

/**
 * Connects to a cluster: `ws://h1:7400,h2:7400,h3:7400` or a list of such addresses.
 * @throws QuorateError `unavailable` if no node answers within `timeoutMs`, `unauthenticated`, `invalid_argument`
 */
export function connect(
  endpoints: string | readonly string[],
  options: ConnectOptions & { tls?: DialerTls } = {},
): Promise<Client> {
  const { tls, ...rest } = options
  return connectClient(endpoints, rest, {
    dialer: webSocketDialer(tls),
    clock: nodeClock(),
    timers: nodeTimers(),
    random: nodeRandom(),
  })
}

export type { DialerTls } from '../transport/websocket/index.ts'
export type { Client, CloseOptions, ConnectOptions, StatusEvent } from '../client/index.ts'
export * from '../model/index.ts'
export { DEFAULT_SCOPE } from '../encoding/index.ts'
