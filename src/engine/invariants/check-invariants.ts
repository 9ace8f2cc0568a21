import { loadClusterState } from '../cluster-state.ts'
import type { ClusterState } from '../cluster-state.ts'
import { withLoading } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { checkCatalog } from './catalog-rules.ts'
import { checkEvents } from './event-rules.ts'
import { checkExpiries } from './expiry-rules.ts'
import { Findings } from './findings.ts'
import { checkIdempotency, checkSessions } from './session-rules.ts'
import { checkSpaces } from './space-rules.ts'
import { checkTable } from './table-rules.ts'

/**
 * Looks at every record of a state for what must hold between them (docs/operate/check-data.md). Memory does not grow with the state: sets
 * that must be alike are compared by sums, and only where these differ is each record looked up.
 * `timeMicros` is the leader time of the state.
 */
export async function checkInvariants(reader: RecordReader, timeMicros: number): Promise<Findings> {
  const findings = new Findings()
  const state = await load(reader, findings)
  if (state === undefined) return findings
  const inspected = { reader, state, timeMicros, findings }
  const tables = await checkCatalog(inspected)
  await checkSpaces(inspected)
  await checkSessions(inspected)
  await checkIdempotency(inspected)
  for (const table of tables) await checkTable(inspected, table)
  await checkExpiries(inspected)
  await checkEvents(inspected)
  return findings
}

/** Nothing can be told of what belongs together where this cannot be read. */
async function load(reader: RecordReader, findings: Findings): Promise<ClusterState | undefined> {
  try {
    return await withLoading(() => loadClusterState(reader))
  } catch (error) {
    findings.add('catalog', `catalog, settings, permissions or jobs cannot be read: ${messageOf(error)}`)
    return undefined
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
