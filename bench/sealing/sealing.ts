/**
 * What encryption at rest and signatures cost the embedded engine, in time of the processor: the same work with and without, in turns in one
 * process, the median of the rounds. Single commits wait for nothing (durability `os`), so that each is a frame of its own.
 */
import { Engine } from '../../src/entry/engine.ts'
import type { EngineOptions } from '../../src/entry/engine.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { median, plain } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'

const SECTION = 'sealing'
const ROUNDS = 7
const COMMITS = 4_000
const KEYS = 4_000
const VALUE_BYTES = 256
const READS = 3_000
const BUDGET_BYTES = 64 * 8192

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const KINDS: Readonly<Record<string, EngineOptions>> = {
  off: {},
  signed: { keys: { integrity: [key(1)] } },
  encrypted: { keys: { encryption: [key(2)] } },
  both: { keys: { encryption: [key(2)], integrity: [key(1)] } },
}

interface Cost {
  commit: number
  checkpoint: number
  read: number
}

/** us of processor time that `work` takes. */
async function cpuMicros(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

async function fill(engine: Engine, commits: number): Promise<void> {
  const kv = engine.kv('bench')
  const value = new Uint8Array(VALUE_BYTES)
  for (let i = 0; i < commits; i++) {
    value.fill(i)
    await kv.set(`key ${(i * 7_919) % KEYS}`, value)
  }
}

/** `small` has memory for half of its data. */
async function round({ large, small }: Engines): Promise<Cost> {
  const commits = await cpuMicros(() => fill(large, COMMITS))
  const checkpoint = await cpuMicros(async () => void (await large.checkpoint()))
  const kv = small.kv('bench')
  const reads = await cpuMicros(async () => {
    for (let i = 0; i < READS; i++) await kv.get(`key ${(i * 104_729) % KEYS}`)
  })
  return { commit: commits / COMMITS, checkpoint: checkpoint / 1000, read: reads / READS }
}

interface Engines {
  readonly large: Engine
  readonly small: Engine
}

async function open(folder: string, options: EngineOptions): Promise<Engines> {
  const [large, small] = [
    await Engine.open(`${folder}/large`, options),
    await Engine.open(`${folder}/small`, { ...options, budgetBytes: BUDGET_BYTES }),
  ]
  for (const engine of [large, small]) await engine.ddl({ type: 'createProject', project: 'bench' })
  await fill(small, KEYS)
  return { large, small }
}

export async function run(): Promise<Row[]> {
  const folder = makeBenchFolder('sealing')
  try {
    const engines: [string, Engines][] = []
    for (const [name, options] of Object.entries(KINDS)) {
      engines.push([name, await open(`${folder}/${name}`, { durability: 'os', ...options })])
    }
    const costs = new Map<string, Cost[]>(engines.map(([name]) => [name, []]))
    for (let i = -1; i < ROUNDS; i++) {
      for (const [name, engine] of engines) {
        globalThis.gc?.()
        const cost = await round(engine)
        if (i >= 0) costs.get(name)!.push(cost)
      }
    }
    for (const [, { large, small }] of engines) await Promise.all([large.close(), small.close()])
    return engines.flatMap(([name]) => {
      const of = (what: keyof Cost): number => median(costs.get(name)!.map(cost => cost[what]))
      return [
        plain(SECTION, `${name}: commit of ${VALUE_BYTES} B alone`, of('commit'), 'us CPU'),
        plain(SECTION, `${name}: checkpoint of ${KEYS} changed keys`, of('checkpoint'), 'ms CPU'),
        plain(SECTION, `${name}: read within a budget of half the data`, of('read'), 'us CPU'),
      ]
    })
  } finally {
    removeBenchFolder(folder)
  }
}
