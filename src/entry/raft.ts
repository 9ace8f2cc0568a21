/** `quorate/raft`: replication over a log, links and a state machine of your own. */
export * from '../raft/index.ts'
export { RaftCore } from '../raft/core/index.ts'
export type { CoreOptions, Effect, Input, Message } from '../raft/core/index.ts'
