/**
 * The keyspace's figures (DESIGN 7, budget): `node --expose-gc dist/bench/keyspace/main.js [records] [budget MiB]`.
 * Keys of 22 bytes, values of 40; epochs of 64 puts; one thread; a real directory below the system's temporary one.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { nodeFiles } from '../../src/platform/node/index.ts'
import { Cold, Keyspace } from '../../src/engine/keyspace/index.ts'
import type { SuperblockMeta } from '../../src/engine/keyspace/index.ts'

const records = Number(process.argv[2] ?? 700_000)
const budgetMiB = Number(process.argv[3] ?? 512)
const valueBytes = Number(process.argv[4] ?? 40)

const META: SuperblockMeta = {
  term: 1,
  entryChain: 0,
  effectChain: 0,
  leaderTimeMicros: 0,
  featureLevel: 1,
  membership: new Uint8Array(0),
}

function rss(): number {
  globalThis.gc?.()
  return process.memoryUsage().rss
}

/** 22 bytes in no order: as ids are. */
function keyOf(i: number): Uint8Array {
  let scattered = Math.imul(i ^ (i >>> 16), 0x85ebca6b)
  scattered = Math.imul(scattered ^ (scattered >>> 13), 0xc2b2ae35) >>> 0
  return Buffer.from(`row:${String(scattered).padStart(10, '0')}${String(i).padStart(8, '0')}`)
}

function report(name: string, totalMs: number, count: number): void {
  console.log(`${name.padEnd(44)} ${((totalMs * 1000) / count).toFixed(3).padStart(9)} us`)
}

/** Writes `count` records in epochs of 64 and waits whenever memory is full of what is not written. */
async function fill(
  keyspace: Keyspace,
  keys: (i: number) => Uint8Array,
  count: number,
  seqStart: number,
): Promise<number> {
  const value = new Uint8Array(valueBytes)
  let seq = seqStart
  for (let i = 0; i < count; i += 64) {
    keyspace.beginEpoch()
    for (let j = i; j < Math.min(count, i + 64); j++) {
      keyspace.writer.beginEntry(++seq)
      value[j % valueBytes] = j
      const bytes = keys(j)
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

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-bench-'))
  const keyspace = await Keyspace.create({
    files: nodeFiles(),
    directory,
    pageBytes: 8192,
    budgetBytes: budgetMiB << 20,
    retention: { maxVersions: 2, maxAgeMs: 60_000, now: () => performance.now() },
    identity: { historyId: new Uint8Array(16), groupId: 1, directoryId: new Uint8Array(16) },
  })
  const keys = Array.from({ length: records }, (_, i) => keyOf(i))
  const empty = rss()
  let start = performance.now()
  let seq = await fill(keyspace, i => keys[i]!, records, 0)
  report('put, new, epochs of 64', performance.now() - start, records)
  console.log(
    `RSS ${((rss() - empty) / records).toFixed(1)} B a record; ${(rss() - empty) >> 20} MiB above empty`,
    keyspace.stats,
  )
  const sample = Math.min(records, 200_000)
  start = performance.now()
  seq = await fill(keyspace, i => keys[(Math.imul(i, 7919) % records) >>> 0]!, sample, seq)
  report('put, replacing, epochs of 64', performance.now() - start, sample)
  const view = keyspace.view()
  for (let round = 0; round < 3; round++) {
    start = performance.now()
    for (let i = 0; i < sample; i++) {
      const record = view.get(keys[(i * 7919) % records]!)
      if (record === undefined) throw new Error('a record is missing')
      if (record instanceof Promise) await record
    }
    report('get, hot, value copied', performance.now() - start, sample)
  }
  for (let round = 0; round < 3; round++) {
    start = performance.now()
    const scans = 5000
    let bytes = 0
    for (let i = 0; i < scans; i++) {
      const cursor = view.cursor({ start: keys[(i * 7919) % records]! })
      for (let n = 0; n < 100; n++) {
        const moved = cursor.next()
        if (moved instanceof Cold) await keyspace.load(moved)
        else if (moved) bytes += cursor.keyInPlace.length
        else break
      }
    }
    report(`scan of 100, keys in place (${bytes >> 20} MiB)`, performance.now() - start, scans)
    start = performance.now()
    for (let i = 0; i < scans; i++) {
      const cursor = view.cursor({ start: keys[(i * 7919) % records]! })
      for (let n = 0; n < 100; n++) {
        const moved = cursor.next()
        if (moved instanceof Cold) await keyspace.load(moved)
        else if (moved) bytes += cursor.key.length + (cursor.record as { value: Uint8Array }).value.length
        else break
      }
    }
    report('scan of 100, keys and values copied', performance.now() - start, scans)
  }
  view.close()
  start = performance.now()
  await keyspace.checkpoint(wanted => wanted)
  console.log(`checkpoint of everything: ${(performance.now() - start).toFixed(0)} ms`)
  seq = await fill(keyspace, i => keys[i]!, 64, seq)
  start = performance.now()
  await keyspace.checkpoint(wanted => wanted)
  console.log(
    `checkpoint after 64 puts: ${(performance.now() - start).toFixed(1)} ms; file ${keyspace.stats.filePages >> 7} MiB`,
  )
  console.log(`RSS at the end: ${(rss() - empty) >> 20} MiB above empty`)
  await keyspace.close()
  await rm(directory, { recursive: true })
}

await main()
