/** Replicated state: a state machine of layers on one keyspace. */
export { DIGEST_INTERVAL, EngineStateMachine, REPLAY_ENTRIES_MAX } from './state-machine.ts'
export type { Origin } from './state-machine.ts'
export { openStateMachine } from './open-state-machine.ts'
export type { StateMachineOptions } from './open-state-machine.ts'
export { openEngine } from './engine.ts'
export type { Engine, EngineOptions } from './engine.ts'
export type { LocalKeys, LocalScan, LocalView } from './local-view.ts'
export type { Mutants as KeyspaceMutants } from './keyspace/index.ts'
