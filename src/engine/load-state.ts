import { loadClusterState } from './cluster-state.ts'
import type { ClusterState } from './cluster-state.ts'
import { findEarliestExpiry } from './earliest-expiry.ts'
import type { Keyspace } from './keyspace/index.ts'
import { KeyspaceReader, loadLater } from './keyspace-store.ts'
import { withLoading } from './record-store.ts'

/** What is kept in memory of the newest root. */
export async function loadState(keyspace: Keyspace): Promise<{ state: ClusterState; earliestExpiryMicros: number }> {
  const view = keyspace.view()
  try {
    const reader = new KeyspaceReader(view.reader, loadLater(keyspace))
    const state = await withLoading(() => loadClusterState(reader))
    return { state, earliestExpiryMicros: await withLoading(() => findEarliestExpiry(reader, state.settings)) }
  } finally {
    view.close()
  }
}
