/** `quorate`: what all deployments share; `quorate/engine`, `quorate/raft` and `quorate/testing` have the rest. */
export * from '../model/index.ts'
export { DEFAULT_SCOPE } from '../encoding/index.ts'
export type {
  Assertion,
  Ddl,
  Mutation,
  MutationResult,
  Permission,
  ReadSet,
  TransactionEnvelope,
} from '../encoding/index.ts'
