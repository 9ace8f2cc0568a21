/**
 * Synced commits of the embedded engine: sets of 256 bytes on 100,000 keys, durability `full`, default options, by 32 writers and by one,
 * in turn with raw writes + fdatasync into a preallocated file in the same folder, so that all see the same neighbours on the machine.
 */
import { Engine } from '../../src/entry/engine.ts'
import { nodeFiles } from '../../src/platform/node/index.ts'
import type { File } from '../../src/platform/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atLeast, atMost, median, plain, quantile } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'

const SECTION = 'embedded'
const WRITERS = 32
const KEYS = 100_000
const WARM_UP = 40_000
const ROUNDS = 8
const COMMITS_PER_ROUND = 40_000
const LONE_PER_ROUND = 500
/** What a set of 256 bytes takes in the log. */
const FRAME_BYTES = 512
const RAW_FILE_BYTES = 64 << 20

const value = new Uint8Array(256).fill(7)

class Bench {
  readonly #kv: ReturnType<Engine['kv']>
  readonly #raw: File
  #rawAt = 0
  #key = 0

  constructor(engine: Engine, raw: File) {
    this.#kv = engine.kv('bench')
    this.#raw = raw
  }

  #set(): Promise<unknown> {
    this.#key = (this.#key + 7_919) % KEYS
    return this.#kv.set(`user/${this.#key}`, value)
  }

  /** Commits per second of `writers` that each await their commit before the next. */
  async commitsPerSecond(writers: number, commits: number): Promise<number> {
    let left = commits
    const writer = async (): Promise<void> => {
      while (left-- > 0) await this.#set()
    }
    const start = performance.now()
    await Promise.all(Array.from({ length: writers }, writer))
    return (commits * 1000) / (performance.now() - start)
  }

  /** us of a raw write of `bytes` + fdatasync. */
  rawSync(bytes: number): number {
    const block = new Uint8Array(bytes).fill(7)
    if (this.#rawAt + bytes > RAW_FILE_BYTES) this.#rawAt = 0
    const start = performance.now()
    this.#raw.writeSync(block, this.#rawAt)
    this.#raw.syncSync()
    const micros = (performance.now() - start) * 1000
    this.#rawAt += bytes
    return micros
  }

  /** p50 in us of one writer's commits and of raw syncs, taken in turn. */
  async loneWriter(rounds: number): Promise<{ commit: number; raw: number }> {
    const commits = new Float64Array(rounds)
    const raws = new Float64Array(rounds)
    for (let i = 0; i < rounds; i++) {
      raws[i] = this.rawSync(FRAME_BYTES)
      const start = performance.now()
      await this.#set()
      commits[i] = (performance.now() - start) * 1000
    }
    return { commit: quantile(commits.sort(), 0.5), raw: quantile(raws.sort(), 0.5) }
  }
}

export async function run(): Promise<Row[]> {
  const folder = makeBenchFolder('embedded')
  try {
    const raw = await nodeFiles().open(`${folder}/raw`, 'create')
    await raw.preallocate(RAW_FILE_BYTES)
    const engine = await Engine.open(`${folder}/data`)
    await engine.ddl({ type: 'createProject', project: 'bench' })
    const rows = await measure(new Bench(engine, raw))
    await engine.close()
    await raw.close()
    return rows
  } finally {
    removeBenchFolder(folder)
  }
}

async function measure(bench: Bench): Promise<Row[]> {
  await bench.commitsPerSecond(WRITERS, WARM_UP)
  await bench.loneWriter(LONE_PER_ROUND)
  const many: number[] = []
  const lone: number[] = []
  const raws: number[] = []
  const rawBatches: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    many.push(await bench.commitsPerSecond(WRITERS, COMMITS_PER_ROUND))
    for (let i = 0; i < 50; i++) rawBatches.push(bench.rawSync(FRAME_BYTES * 20))
    const { commit, raw } = await bench.loneWriter(LONE_PER_ROUND)
    lone.push(commit)
    raws.push(raw)
  }
  const raw = median(raws)
  return [
    atLeast(SECTION, `synced commits, ${WRITERS} writers, median of ${ROUNDS} rounds`, median(many), 50_000, '/s'),
    plain(SECTION, `synced commits, ${WRITERS} writers, best round`, Math.max(...many), '/s'),
    atMost(SECTION, 'one writer, synced commit, p50 (1.2 x raw)', median(lone), raw * 1.2, 'us'),
    plain(SECTION, 'raw write of 512 B + fdatasync, in turn, p50', raw, 'us'),
    plain(SECTION, 'raw write of 10 KiB + fdatasync, p50', median(rawBatches), 'us'),
  ]
}
