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

/** Says in the log that this node's state differs from that of a majority, and that it was rebuilt. */
export function fenceLog(logger: Pick<NodeLogger, 'error' | 'info'>): NonNullable<ReplicaOptions['onFence']> {
  return drift => {
    if (drift === undefined) logger.info({}, 'the state was rebuilt from the leader; this node answers again')
    else
      logger.error(
        drift,
        `the state differs from its peers' at ${drift.seq}: this node answers nothing until it is rebuilt`,
      )
  }
}
