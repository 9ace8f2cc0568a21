/**
 * The keyspace alone (DESIGN 7, budget): 700,000 keys of 22 bytes with values of 40, in epochs of 64, on one thread. Taken in many short
 * rounds, of which the fastest tenth counts: what the code costs, not what the neighbours on the machine do. Keys lie in memory in the
 * order in which they are used, as those do that were just decoded; their places in the tree are scattered.
 */
import { nodeFiles } from '../../src/platform/node/index.ts'
import { Cold, Keyspace } from '../../src/engine/keyspace/index.ts'
import type { RetentionOptions, SuperblockMeta } from '../../src/engine/keyspace/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atMost, plain, quantile } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'

const SECTION = 'keyspace'
const RECORDS = 700_000
const BUDGET_BYTES = 512 << 20
const VALUE_BYTES = 40
const EPOCH = 64
const SAMPLE = 20_000
const SCANS = 500
const SCAN_LENGTH = 100
const ROUNDS = 40

const META: SuperblockMeta = {
  term: 1,
  entryChain: 0,
  effectChain: 0,
  leaderTimeMicros: 0,
  featureLevel: 1,
  membership: new Uint8Array(0),
  digests: new Uint8Array(0),
}

function rss(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

/** 22 bytes in no order: as ids are. */
function keyOf(i: number): Uint8Array {
  let scattered = Math.imul(i ^ (i >>> 16), 0x85ebca6b)
  scattered = Math.imul(scattered ^ (scattered >>> 13), 0xc2b2ae35) >>> 0
  const text = `row:${String(scattered).padStart(10, '0')}${String(i).padStart(8, '0')}`
  return Uint8Array.from(text, character => character.charCodeAt(0))
}

/** Writes `count` records in epochs and waits whenever memory is full of what is not written. */
async function fill(
  keyspace: Keyspace,
  keys: readonly Uint8Array[],
  from: number,
  shape: { start: number; count: number; epoch?: number; isInPlace?: boolean },
): Promise<number> {
  const { start, count, epoch = EPOCH, isInPlace = false } = shape
  const value = new Uint8Array(VALUE_BYTES)
  const end = start + count
  let seq = from
  for (let i = start; i < end; i += epoch) {
    keyspace.beginEpoch(isInPlace)
    for (let j = i; j < Math.min(end, i + epoch); j++) {
      keyspace.writer.beginEntry(++seq)
      value[j % VALUE_BYTES] = j
      const bytes = keys[j]!
      for (let cold = keyspace.writer.prepare([bytes]); cold !== undefined; cold = keyspace.writer.prepare([bytes])) {
        await keyspace.load(cold)
      }
      keyspace.writer.put(bytes, value, seq, seq, 0)
    }
    keyspace.publish(seq, META)
    if (keyspace.isBusy) await new Promise(resolve => setImmediate(resolve))
  }
  return seq
}

/** us per item: the fastest tenth of the rounds is at most this. A round that had to wait for a processor counts with what it used. */
async function typical(rounds: number, items: number, work: (round: number) => unknown): Promise<number> {
  const times = new Float64Array(rounds)
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    const before = process.cpuUsage()
    await work(round)
    const { user, system } = process.cpuUsage(before)
    times[round] = Math.min(performance.now() - start, (user + system) / 1000)
  }
  return (quantile(times.sort(), 0.1) * 1000) / items
}

function readSome(keyspace: Keyspace, keys: readonly Uint8Array[], round: number): void {
  const view = keyspace.view()
  for (let i = 0; i < SAMPLE; i++) {
    const record = view.get(keys[(round * SAMPLE + i) % RECORDS]!)
    if (record === undefined || record instanceof Promise) throw new Error('a record is not there')
  }
  view.close()
}

function peekSome(keyspace: Keyspace, keys: readonly Uint8Array[]): number {
  const view = keyspace.view()
  let bytes = 0
  for (let i = 0; i < SAMPLE; i++) {
    const record = view.peek(keys[i]!)
    if (record === undefined || record instanceof Cold) throw new Error('a record is not there')
    bytes += record.valueBytes
  }
  view.close()
  return bytes
}

/** Bytes seen, so that nothing is optimized away. */
function scanSome(keyspace: Keyspace, keys: readonly Uint8Array[], round: number, isCopied: boolean): number {
  const view = keyspace.view()
  let bytes = 0
  for (let i = 0; i < SCANS; i++) {
    const cursor = view.cursor({ start: keys[(round * SCANS + i) % RECORDS]! })
    for (let n = 0; n < SCAN_LENGTH; n++) {
      const moved = cursor.next()
      if (moved instanceof Cold) throw new Error('a page is not in memory')
      if (!moved) break
      if (!isCopied) bytes += cursor.keyInPlace.length
      else bytes += cursor.key.length + (cursor.record as { value: Uint8Array }).value.length
    }
  }
  view.close()
  return bytes
}

export async function run(): Promise<Row[]> {
  const folder = makeBenchFolder('keyspace')
  try {
    const keys = Array.from({ length: RECORDS }, (_, i) => keyOf(i))
    const retention: RetentionOptions = { maxVersions: 2, maxAgeMs: 60_000, now: () => performance.now() }
    const keyspace = await Keyspace.create({
      files: nodeFiles(),
      directory: folder,
      pageBytes: 8192,
      budgetBytes: BUDGET_BYTES,
      retention,
      identity: { historyId: new Uint8Array(16), groupId: 1, directoryId: new Uint8Array(16) },
    })
    const rows = await measure(keyspace, keys, retention)
    await keyspace.close()
    return rows
  } finally {
    removeBenchFolder(folder)
  }
}

async function measure(keyspace: Keyspace, keys: readonly Uint8Array[], retention: RetentionOptions): Promise<Row[]> {
  const empty = rss()
  let seq = 0
  const put = (shape: { epoch?: number; isInPlace?: boolean }) => async (round: number) => {
    const start = (round * SAMPLE) % RECORDS
    seq = await fill(keyspace, keys, seq, { start, count: SAMPLE, ...shape })
  }
  const create = await typical(RECORDS / SAMPLE, SAMPLE, put({}))
  const bytesPerRecord = (rss() - empty) / RECORDS
  const replace = await typical(ROUNDS, SAMPLE, put({}))
  const lone = await typical(ROUNDS, SAMPLE, put({ epoch: 1 }))
  // Room for the root that is kept of each second; with two versions only, every epoch is such a one.
  retention.maxVersions = 8
  const replaceInPlace = await typical(ROUNDS, SAMPLE, put({ isInPlace: true }))
  const loneInPlace = await typical(ROUNDS, SAMPLE, put({ epoch: 1, isInPlace: true }))
  const get = await typical(ROUNDS, SAMPLE, () => readSome(keyspace, keys, 0))
  const peek = await typical(ROUNDS, SAMPLE, () => peekSome(keyspace, keys))
  const anywhere = await typical(ROUNDS, SAMPLE, round => readSome(keyspace, keys, round))
  const scan = await typical(ROUNDS, SCANS, round => scanSome(keyspace, keys, round, false))
  const scanCopied = await typical(ROUNDS, SCANS, round => scanSome(keyspace, keys, round, true))
  const whole = await typical(1, 1, () => keyspace.checkpoint(wanted => wanted))
  await fill(keyspace, keys, seq, { start: 0, count: EPOCH })
  const small = await typical(1, 1, () => keyspace.checkpoint(wanted => wanted))
  return [
    atMost(SECTION, `get among ${SAMPLE} hot keys, value copied`, get, 1, 'us'),
    plain(SECTION, 'the same where they lie, nothing copied', peek, 'us'),
    plain(SECTION, 'get of keys not touched lately', anywhere, 'us'),
    atMost(SECTION, 'put of a new key, epochs of 64', create, 3, 'us'),
    atMost(SECTION, 'put that replaces, epochs of 64', replace, 3, 'us'),
    plain(SECTION, 'the same, the unseen root changed in place', replaceInPlace, 'us'),
    plain(SECTION, 'put that replaces, an epoch of its own', lone, 'us'),
    plain(SECTION, 'the same, the unseen root changed in place', loneInPlace, 'us'),
    atMost(SECTION, 'scan of 100 in order, in place', scan, 10, 'us'),
    plain(SECTION, 'scan of 100 in order, keys and values copied', scanCopied, 'us'),
    atMost(SECTION, 'memory for 22 B + 40 B', bytesPerRecord, 125, 'B RSS/entry'),
    plain(SECTION, 'checkpoint of everything', whole / 1000, 'ms'),
    plain(SECTION, 'checkpoint after 64 puts', small / 1000, 'ms'),
  ]
}
