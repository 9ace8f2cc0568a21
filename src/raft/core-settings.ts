import type { ClusterSettings } from '../model/index.ts'
import { DEFAULT_SETTINGS } from './core/index.ts'
import type { Settings } from './core/index.ts'

/**
 * The core's times out of the replicated settings. Each of these has bounds of its own, but only together do they work; where one
 * contradicts another the longer time counts, alike on all members, so that no setting can keep a group from electing or starting.
 */
export function coreSettings(
  settings: ClusterSettings,
): Pick<Settings, 'heartbeatMs' | 'electionMinMs' | 'electionMaxMs' | 'isLeaseAllowed'> {
  const { heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs, leaseReads } = settings
  const electionMinMs = Math.max(electionTimeoutMinMs, 2 * heartbeatMs, DEFAULT_SETTINGS.leaseMs)
  const electionMaxMs = Math.max(electionTimeoutMaxMs, electionMinMs + heartbeatMs)
  return { heartbeatMs, electionMinMs, electionMaxMs, isLeaseAllowed: leaseReads === 1 }
}
