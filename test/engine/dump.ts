import { Keyspace } from '../../src/engine/keyspace/index.ts'
import { spaceLength } from '../../src/engine/layers.ts'
import { SLOTTED_RECORDS } from '../../src/engine/sessions/index.ts'
import type { Harness } from './harness.ts'

export function hex(part: Uint8Array): string {
  return Buffer.from(part).toString('hex')
}

/** The keyspace of the newest checkpoint, to be closed. The state machine is closed before. */
export async function checkpointOf(harness: Harness): Promise<Keyspace> {
  await harness.checkpoint()
  await harness.core.close()
  const { keyspace } = await Keyspace.open({
    files: harness.files(),
    directory: '/data/pages',
    pageBytes: 8192,
    budgetBytes: 1 << 20,
    retention: { maxVersions: 4, maxAgeMs: 1_000, now: () => 0 },
    spaceLength,
    slotted: SLOTTED_RECORDS,
    identity: { historyId: new Uint8Array(16), groupId: 1, directoryId: new Uint8Array(16) },
  })
  return keyspace
}

/** Every record of the newest checkpoint, as key: value in hexadecimal digits. The state machine is closed. */
export async function recordsOf(harness: Harness): Promise<string[]> {
  const keyspace = await checkpointOf(harness)
  const view = keyspace.view()
  const cursor = view.cursor()
  const found: string[] = []
  while (view.advanceSync(cursor)) found.push(`${hex(cursor.key)}: ${hex(view.recordOfSync(cursor).value)}`)
  view.close()
  await keyspace.close()
  return found
}
