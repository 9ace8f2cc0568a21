/** What a commit costs in the log: one lone writer on both lanes beside the raw disk, batches, and the calling thread's share. */
import { EntryKind, encodeEntry } from '../../src/encoding/index.ts'
import type { EntryBatch } from '../../src/encoding/index.ts'
import { LOG_WRITER_JOB, createLog } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'
import { nodeFiles, nodeThreads } from '../../src/platform/node/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
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

async function withLog<T>(
  lane: 'inline' | 'worker',
  use: (log: Log, directory: string) => Promise<T>,
  tailCacheBytes = 1 << 24,
): Promise<T> {
  const directory = makeBenchFolder(`log-${lane}`)
  const threads = nodeThreads({ [LOG_WRITER_JOB]: new URL('./log-writer-thread.js', import.meta.url) })
  const identity = { directoryId: new Uint8Array(16).fill(1), groupId: 1 }
  const common = { files: nodeFiles(), threads, directory, tailCacheBytes, ...identity }
  const { log } = await createLog({ ...common, lane, hardState: { term: 1, votedFor: 0, commitSeq: 0 } })
  try {
    return await use(log, directory)
  } finally {
    await log.close()
    removeBenchFolder(directory)
  }
}

/**
 * p50 in us of append until synced, one frame of 300 B after the other, and of a raw write + fdatasync of as many bytes into a
 * preallocated file, taken in turn: both see the same neighbours on the machine.
 */
async function loneWriter(log: Log, directory: string, rounds: number): Promise<{ log: number; raw: number }> {
  const file = await nodeFiles().open(`${directory}/raw`, 'create')
  await file.preallocate(rounds * 1024)
  const times = new Float64Array(rounds)
  const rawTimes = new Float64Array(rounds)
  const block = new Uint8Array(488).fill(7)
  for (let i = 0; i < rounds; i++) {
    const entries = batchOf(i + 1, 1)
    let start = performance.now()
    const ioSeq = log.append({ entries })
    log.flushSync()
    if (log.syncedIoSeq < ioSeq) await log.whenSynced(ioSeq)
    times[i] = (performance.now() - start) * 1000
    start = performance.now()
    file.writeSync(block, i * block.length)
    file.syncSync()
    rawTimes[i] = (performance.now() - start) * 1000
  }
  await file.close()
  return { log: quantile(times.sort(), 0.5), raw: quantile(rawTimes.sort(), 0.5) }
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

/** us per entry of reading entries back from the files, as a restart does: each in a frame of its own, as one writer leaves them. */
async function readBack(log: Log, count: number): Promise<number> {
  for (let seq = 1; seq <= count; seq++) {
    log.append({ entries: batchOf(seq, 1) })
    if (seq % 50 === 0) {
      log.flushSync()
      await log.whenSynced(log.ioSeq)
    }
  }
  const start = performance.now()
  for (let seq = 1; seq <= count;) seq = (await log.read(seq, 1 << 20)).lastSeq + 1
  return ((performance.now() - start) * 1000) / count
}

const rows: Row[] = []
for (const lane of ['inline', 'worker'] as const) {
  const lone = await withLog(lane, (log, directory) => loneWriter(log, directory, 1000))
  rows.push(plain(lane, 'raw preallocated write + fdatasync, in turn, p50', lone.raw, 'us'))
  const what = 'lone writer, 300 B, p50'
  rows.push(lane === 'inline' ? atMost(lane, what, lone.log, lone.raw * 1.2, 'us') : plain(lane, what, lone.log, 'us'))
  const batches = await withLog(lane, log => appendCost(log, 64, 600))
  rows.push(atMost(lane, 'append on this thread, batches of 64', batches, 0.5, 'us/entry'))
  const single = await withLog(lane, log => appendCost(log, 1, 5000))
  rows.push(plain(lane, 'append on this thread, single entries', single, 'us/entry'))
}
const back = await withLog('inline', log => readBack(log, 50_000), 1 << 10)
rows.push(plain('inline', 'read back from files, frames of one entry of 300 B', back, 'us/entry'))
process.stdout.write(`${renderTable(rows)}\n`)
