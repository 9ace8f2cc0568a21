/**
 * `quorate/testing`: the conformance suite, the linearizability checker, the simulated world, fault points and the fault proxy, for your own
 * tests.
 */
import { openEngine, withoutFileErrors } from '../engine/index.ts'
import type { Engine, EngineOptions } from '../engine/index.ts'
import { nodeFiles, nodePlatform } from '../platform/node/index.ts'
import type { FaultPoints } from '../testing/index.ts'

/**
 * As `Engine.open` of `quorate/engine`, on files that fail as `faults` has them.
 * @throws QuorateError `directory_locked`, `damaged`, `storage_failed`, and what a fault makes of the opening
 */
export function openFaultyEngine(directory: string, faults: FaultPoints, options: EngineOptions = {}): Promise<Engine> {
  return withoutFileErrors(openEngine(directory, options, { ...nodePlatform(), files: faults.wrap(nodeFiles()) }))
}

export * from '../testing/index.ts'
