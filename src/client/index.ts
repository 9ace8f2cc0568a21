/** The failover client: one `Database` over connections to all nodes of a cluster. */
export { browserPorts } from './browser/ports.ts'
export { connectClient } from './client.ts'
export type { Client, CloseOptions } from './client.ts'
export { parseEndpoints } from './options.ts'
export type { ClientPorts, ConnectOptions } from './options.ts'
export type { StatusEvent } from './status-events.ts'
