import type { ReplicaOptions } from '../raft/index.ts'
import type { NodeLogger } from './logger.ts'

/** Says in the log that this leader and a voter differ, and no majority is known to have either. */
export function disputeLog(logger: Pick<NodeLogger, 'warn'>): NonNullable<ReplicaOptions['onDispute']> {
  return ({ seq, peer, own, other }) =>
    logger.warn(
      { seq, peer, own, other },
      `${peer} has another state than this leader at ${seq}, and no majority tells which of them is right`,
    )
}
