/** `quorate/server`: a node of a cluster inside a process of your own. */
import { nodePlatform } from '../platform/node/index.ts'
import { startNode } from '../node/index.ts'
import type { Configuration, RunningNode } from '../node/index.ts'

/**
 * Starts one node. It serves until `stop` or until its replica fails (`stopped` tells).
 * @throws QuorateError `damaged` naming file and offset, `directory_locked` naming the holder, `configuration_invalid`
 */
export function startServer(configuration: Configuration): Promise<RunningNode> {
  return startNode(configuration, nodePlatform)
}

export { checkConfiguration, loadConfiguration } from '../node/index.ts'
export type { Configuration, ConfigurationSources, ConfiguredMember, Endpoint, RunningNode } from '../node/index.ts'
