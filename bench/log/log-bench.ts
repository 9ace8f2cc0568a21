/** What a commit costs in the log: one lone writer on both lanes beside the raw disk, batches, and the calling thread's share. */
import { EntryKind, encodeEntry } from '../../src/encoding/index.ts'
import type { EntryBatch } from '../../src/encoding/index.ts'
import { LOG_WRITER_JOB, createLog } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'
import { nodeFiles, nodeThreads } from '../../src/platform/node/index.ts'
import { makeBenchFolder, measureRawSync, removeBenchFolder } from '../lib/raw-disk.ts'
import { atMost, plain, quantile, renderTable } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'

const PAYLOAD = new Uint8Array(268).fill(7)

function batchOf(firstSeq: number, count: number): EntryBatch {
  const bytes = new Uint8Array(300 * count)
  for (let i = 0; i < count; i++) {
    const header = { kind: EntryKind.transaction, seq: firstSeq + i, term: 1, leaderTimeMicros: 1 }
    bytes.set(encodeEntry(header, PAYLOAD), i * 300)
  }
  return { firstSeq, lastSeq: firstSeq + count - 1, bytes }
}

async function withLog<T>(lane: 'inline' | 'worker', use: (log: Log) => Promise<T>): Promise<T> {
  const directory = makeBenchFolder(`log-${lane}`)
  const threads = nodeThreads({ [LOG_WRITER_JOB]: new URL('./log-writer-thread.js', import.meta.url) })
  const common = { files: nodeFiles(), threads, directory, directoryId: new Uint8Array(16).fill(1), groupId: 1 }
  const { log } = await createLog({ ...common, lane, hardState: { term: 1, votedFor: 0, commitSeq: 0 } })
  try {
    return await use(log)
  } finally {
    await log.close()
    removeBenchFolder(directory)
  }
}

/** p50 in us of append until synced, one frame of 300 B after the other. */
async function loneWriter(log: Log, rounds: number): Promise<number> {
  const times = new Float64Array(rounds)
  for (let i = 0; i < rounds; i++) {
    const entries = batchOf(i + 1, 1)
    const start = performance.now()
    const ioSeq = log.append({ entries })
    log.flushSync()
    if (log.syncedIoSeq < ioSeq) await log.whenSynced(ioSeq)
    times[i] = (performance.now() - start) * 1000
  }
  return quantile(times.sort(), 0.5)
}

/** us per entry on the calling thread of appends of `count` entries each, the writes and syncs apart. */
async function appendCost(log: Log, count: number, rounds: number): Promise<number> {
  let total = 0
  for (let i = 0; i < rounds; i++) {
    const entries = batchOf(log.lastSeq + 1, count)
    const start = performance.now()
    log.append({ entries })
    total += performance.now() - start
    if (i % 50 === 49) {
      log.flushSync()
      await log.whenSynced(log.ioSeq)
    }
  }
  return (total * 1000) / (rounds * count)
}

const rows: Row[] = []
const raw = measureRawSync(4096)
rows.push(plain('raw', 'preallocated write of 4 KiB + fdatasync, p50', raw, 'us'))
rows.push(plain('raw', 'preallocated write of 512 B + fdatasync, p50', measureRawSync(512), 'us'))
for (const lane of ['inline', 'worker'] as const) {
  const lone = await withLog(lane, log => loneWriter(log, 600))
  if (lane === 'inline') rows.push(atMost(lane, 'lone writer, 300 B, p50', lone, raw * 1.2, 'us'))
  else rows.push(plain(lane, 'lone writer, 300 B, p50', lone, 'us'))
  rows.push(
    atMost(
      lane,
      'append on this thread, batches of 64',
      await withLog(lane, log => appendCost(log, 64, 600)),
      0.5,
      'us/entry',
    ),
  )
  rows.push(
    plain(
      lane,
      'append on this thread, single entries',
      await withLog(lane, log => appendCost(log, 1, 5000)),
      'us/entry',
    ),
  )
}
process.stdout.write(`${renderTable(rows)}\n`)
