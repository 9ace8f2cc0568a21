import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { benchFolder, digits, filled, HIGH_THROUGHPUT, openBench, PROJECT, timed } from './setup.ts'
import type { BackupManifest } from '../../src/entry/engine.ts'

const VALUE_BYTES = 64 << 10
const SEEDED = 24
const LIVE_MAX = 32

export async function run(): Promise<Outcome> {
  const engine = await openBench({ ...HIGH_THROUGHPUT, inlineThresholdBytes: 1_024, hotCacheBytes: 4 * VALUE_BYTES })
  const kv = engine.kv(PROJECT)
  for (let i = 0; i < SEEDED; i++) await kv.set(`seed-large:${digits(i)}`, filled(VALUE_BYTES, i))
  const stop = new AbortController()
  const writing = (async () => {
    let writes = 0
    while (!stop.signal.aborted && writes < LIVE_MAX) {
      await kv.set(`live-large:${digits(writes)}`, filled(VALUE_BYTES, writes))
      writes++
    }
    return writes
  })()
  await new Promise(resolve => setTimeout(resolve, 25))
  let checkpointSeq = 0
  const checkpointMs = await timed(async () => (checkpointSeq = await engine.checkpoint()))
  let backup: BackupManifest | undefined
  const backupMs = await timed(async () => (backup = await engine.backup(`${benchFolder()}/backup`)))
  stop.abort()
  const writes = await writing
  const { values } = engine.metrics()
  const backupSeq = backup!.head.seq
  return new Result('checkpoint_backup_spilled_write_load')
    .add('', { checkpoint_seq: checkpointSeq, backup_seq: backupSeq, concurrent_writes: writes })
    .add('us', { checkpoint: Math.floor(checkpointMs * 1000), backup: Math.floor(backupMs * 1000) })
    .add('B', { value_store_bytes: values.storeBytes, hot_cache_bytes: values.hotCacheBytes })
    .check('checkpoint_seq > 0', checkpointSeq > 0)
    .atLeast('backup_seq', backupSeq, checkpointSeq)
    .check('writes > 0', writes > 0).outcome
}
