/** The only door of raft/core. See README.md; the driver is src/raft/replica.ts. */
export { RaftCore, type Admission, type Slot, type WantedSlot } from './core.ts'
export type { CoreOptions } from './create.ts'
export type { AppendSlice, CoreEvent, Effect, FatalCode, Refusal } from './effect.ts'
export type { ConfigurationTarget, Input } from './input.ts'
export { dumpState, InvariantViolation } from './invariants.ts'
export { findConfigurationError } from './membership.ts'
export type {
  AppendRequest,
  AppendResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  Message,
  OutgoingMessage,
  PreVoteRequest,
  PreVoteResponse,
  ReadIndexRequest,
  ReadIndexResponse,
  RecoveryMark,
  SnapshotOffer,
  TimeoutNow,
  VoteReason,
  VoteRequest,
  VoteResponse,
  VoterAnswer,
} from './message.ts'
export { activateMutant, MUTANTS, type MutantName } from './mutants.ts'
export type { Progress } from './progress.ts'
export { isVoter, majoritySize } from './quorum.ts'
export { leaseEndMs } from './read-index.ts'
export { DEFAULT_SETTINGS, findSettingsError, type Settings } from './settings.ts'
export { activeConfiguration, type RaftState, type Recovery, type Role } from './state.ts'
export {
  isAtLeast,
  NO_NODE,
  type Configuration,
  type ConfigurationAt,
  type Digest,
  type EntryBatch,
  type EntryRange,
  type HardState,
  type LogBase,
  type LogEnd,
  type Member,
  type NodeId,
  type Seq,
  type SnapshotMeta,
  type Term,
  type TermRun,
} from './types.ts'
