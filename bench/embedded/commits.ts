// Synced commits of the embedded engine: sets of 256 bytes by 32 writers and by one, durability `full`, on a real directory, beside
// the same number of raw writes + fdatasync into a preallocated file. Run: node dist/bench/embedded/commits.js [DIRECTORY]
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { Engine } from '../../src/entry/engine.ts'

const ROUNDS = 5
const ROUND_MS = 1_000
const KEYS = 100_000
const value = new Uint8Array(256).fill(7)
const directory = mkdtempSync(join(process.argv[2] ?? '.', 'bench-embedded-'))

async function commitsPerSecond(engine: Engine, writers: number): Promise<number> {
  const kv = engine.kv('bench')
  const until = performance.now() + ROUND_MS
  let commits = 0
  const writer = async (number: number): Promise<void> => {
    for (let i = number; performance.now() < until; i += 7_919) {
      await kv.set(`user/${i % KEYS}`, value)
      commits++
    }
  }
  await Promise.all(Array.from({ length: writers }, (_, i) => writer(i)))
  return (commits * 1000) / ROUND_MS
}

/** One writer: a frame's worth of bytes written over zeros, then fdatasync. */
function rawPerSecond(): number {
  const file = openSync(join(directory, 'raw'), 'w')
  writeSync(file, new Uint8Array(16 << 20), 0, 16 << 20, 0)
  fdatasyncSync(file)
  const frame = utf8Bytes('x'.repeat(512))
  const until = performance.now() + ROUND_MS
  let writes = 0
  for (let at = 0; performance.now() < until; at = (at + 512) % (16 << 20)) {
    writeSync(file, frame, 0, 512, at)
    fdatasyncSync(file)
    writes++
  }
  closeSync(file)
  return (writes * 1000) / ROUND_MS
}

const median = (rounds: number[]): number => Math.round(rounds.sort((a, b) => a - b)[rounds.length >> 1]!)

try {
  const engine = await Engine.open(join(directory, 'data'))
  await engine.ddl({ type: 'createProject', project: 'bench' })
  await commitsPerSecond(engine, 32)
  const [many, one, raw]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < ROUNDS; round++) {
    raw.push(rawPerSecond())
    one.push(await commitsPerSecond(engine, 1))
    many.push(await commitsPerSecond(engine, 32))
  }
  await engine.close()
  console.log(`32 writers: ${median(many)} synced commits/s`)
  console.log(`one writer: ${median(one)} synced commits/s; raw write + fdatasync: ${median(raw)}/s`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
