/** `quorate/client` in a browser: the same client over the page's own WebSocket. */
import { browserPorts, connectClient } from '../client/index.ts'
import type { Client, ConnectOptions } from '../client/index.ts'

/**
 * Connects to a cluster: `wss://h1:7400,h2:7400,h3:7400` or a list of such addresses. Whom the page trusts is the browser's matter, and a
 * node takes pages of other origins only where its setting `client.origins` names them.
 * @throws QuorateError `unavailable` if no node answers within `timeoutMs`, `unauthenticated`, `invalid_argument`
 */
export function connect(endpoints: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  return connectClient(endpoints, options, browserPorts())
}

export type { Client, CloseOptions, ConnectOptions, StatusEvent } from '../client/index.ts'
export * from '../model/index.ts'
export { DEFAULT_SCOPE } from '../encoding/index.ts'
