/**
 * The embedded engine beside lmdb and classic-level at equal durability, which `npm run bench:peers` installs: point
 * get, ordered scan, synced put alone and by 32 writers, bytes on disk and in memory. Keys of 22 B, values of 32 B. Each store runs in
 * processes of its own, in turn for each of the rounds; the best round of each figure counts.
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exitOf } from '../lib/processes.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atLeast, atMost, plain, quantile } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'
import { scattered } from '../lib/scattered.ts'
import { STORES } from './open-stores.ts'
import type { Store } from './store.ts'

const ENTRIES = Number(process.env['QUORATE_BENCH_ENTRIES'] ?? 500_000)
const FIRST_ENTRIES = ENTRIES / 5
const HOT_KEYS = 5_000
const ROUNDS = Number(process.env['QUORATE_BENCH_ROUNDS'] ?? 2)
const LOAD_BATCH = 100
const LONE_PUTS = 400
const WRITERS = 32
const SHARED_PUTS = 8_000

/** Means are of processor time, which other programs on the machine do not lengthen by taking their turn; p50 and rates are of time. */
interface Figures {
  hotGetUs: number
  getUs: number
  scanUs: number
  loneP50Us: number
  loneCpuUs: number
  sharedPerSecond: number
  sharedCpuUs: number
  diskBytes: number
  /** Of the last four fifths of the entries: what is there whatever is in it is not in it. */
  addedDiskBytes: number
  /** Of `diskBytes`: a history for watches, with a bound of its own. */
  historyBytes: number
  rssBytes: number
  addedRssBytes: number
}

const VALUE_BYTES = 32
/** Values are pieces of it, so that none of the stores can make them smaller than they are. */
const random = randomBytes(1 << 20)

function valueOf(i: number): Uint8Array {
  const start = (i * 7_919) % (random.length - VALUE_BYTES)
  return random.subarray(start, start + VALUE_BYTES)
}

function keyOf(i: number): string {
  return `user/${String(i).padStart(17, '0')}`
}

function cpuUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

function collect(): void {
  const { gc } = globalThis as { gc?: () => void }
  gc?.()
}

async function load(store: Store, order: Uint32Array, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i += LOAD_BATCH) {
    const batch = Array.from({ length: LOAD_BATCH }, (_, n) => [keyOf(order[i + n]!), valueOf(i + n)] as const)
    await store.load(batch)
  }
  await store.settle()
}

/** The least of the rounds, us of processor time a call. */
async function least(rounds: number, calls: number, call: (i: number) => unknown): Promise<number> {
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    for (let i = 0; i < calls; i++) {
      const pending = call(i)
      if (pending instanceof Promise) await pending
    }
    best = Math.min(best, cpuUs(start) / calls)
  }
  return best
}

function read(store: Store, i: number): void {
  if (store.get(keyOf(i))?.length !== VALUE_BYTES) throw new Error(`entry ${i} is not there`)
}

async function lonePuts(store: Store): Promise<{ p50: number; cpu: number }> {
  const times = new Float64Array(LONE_PUTS)
  const start = process.cpuUsage()
  for (let i = 0; i < LONE_PUTS; i++) {
    const from = performance.now()
    await store.put(keyOf((i * 104_729) % ENTRIES), valueOf(i))
    times[i] = (performance.now() - from) * 1000
  }
  return { p50: quantile(times.sort(), 0.5), cpu: cpuUs(start) / LONE_PUTS }
}

async function sharedPuts(store: Store, puts: number): Promise<{ perSecond: number; cpu: number }> {
  let left = puts
  const write = async (): Promise<void> => {
    while (left > 0) await store.put(keyOf((left-- * 104_729) % ENTRIES), valueOf(left))
  }
  const from = performance.now()
  const start = process.cpuUsage()
  await Promise.all(Array.from({ length: WRITERS }, write))
  return { perSecond: (puts * 1000) / (performance.now() - from), cpu: cpuUs(start) / puts }
}

/** Blocks of all files below. */
function bytesOnDisk(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0)
}

async function measureStore(name: string): Promise<Figures | undefined> {
  const folder = makeBenchFolder('stores')
  try {
    collect()
    const rssBefore = process.memoryUsage.rss()
    const store = await STORES[name]!(folder)
    if (store === undefined) return undefined
    const order = scattered(ENTRIES)
    await load(store, order, 0, FIRST_ENTRIES)
    collect()
    const first = { rss: process.memoryUsage.rss(), disk: bytesOnDisk(folder) }
    await load(store, order, FIRST_ENTRIES, ENTRIES)
    collect()
    const rssBytes = process.memoryUsage.rss() - rssBefore
    const diskBytes = bytesOnDisk(folder)
    const added = ENTRIES - FIRST_ENTRIES
    const addedRssBytes = (rssBefore + rssBytes - first.rss) / added
    const addedDiskBytes = (diskBytes - first.disk) / added
    const hotGetUs = await least(8, 50_000, i => read(store, (i * 7_919) % HOT_KEYS))
    const getUs = await least(5, 50_000, i => read(store, (i * 104_729) % ENTRIES))
    const scanUs = await least(5, 2_000, i => store.scan(keyOf((i * 104_729) % (ENTRIES - 200)), 100))
    await sharedPuts(store, SHARED_PUTS)
    const shared = await sharedPuts(store, SHARED_PUTS)
    const lone = await lonePuts(store)
    await store.close()
    return {
      hotGetUs,
      getUs,
      scanUs,
      loneP50Us: lone.p50,
      loneCpuUs: lone.cpu,
      sharedPerSecond: shared.perSecond,
      sharedCpuUs: shared.cpu,
      diskBytes,
      addedDiskBytes,
      historyBytes: bytesOnDisk(join(folder, 'data', 'changes')),
      rssBytes,
      addedRssBytes,
    }
  } finally {
    removeBenchFolder(folder)
  }
}

/** In a process of its own. */
async function figuresOf(name: string): Promise<Figures | undefined> {
  const child = fork(fileURLToPath(import.meta.url), [name], { execArgv: ['--expose-gc'] })
  let figures: Figures | undefined
  child.on('message', message => (figures = message as Figures))
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`${name} ended with ${code}`)
  return figures
}

function better(a: Figures | undefined, b: Figures | undefined): Figures | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return {
    hotGetUs: Math.min(a.hotGetUs, b.hotGetUs),
    getUs: Math.min(a.getUs, b.getUs),
    scanUs: Math.min(a.scanUs, b.scanUs),
    loneP50Us: Math.min(a.loneP50Us, b.loneP50Us),
    loneCpuUs: Math.min(a.loneCpuUs, b.loneCpuUs),
    sharedPerSecond: Math.max(a.sharedPerSecond, b.sharedPerSecond),
    sharedCpuUs: Math.min(a.sharedCpuUs, b.sharedCpuUs),
    diskBytes: Math.min(a.diskBytes, b.diskBytes),
    addedDiskBytes: Math.min(a.addedDiskBytes, b.addedDiskBytes),
    historyBytes: Math.min(a.historyBytes, b.historyBytes),
    rssBytes: Math.min(a.rssBytes, b.rssBytes),
    addedRssBytes: Math.min(a.addedRssBytes, b.addedRssBytes),
  }
}

/** Rows of one store; the engine's are held against the best of the others. */
function rowsOf(name: string, own: Figures, others: readonly Figures[]): Row[] {
  const below = (what: string, of: (figures: Figures) => number, unit: string): Row => {
    if (others.length === 0) return plain(name, what, of(own), unit)
    return atMost(name, what, of(own), Math.min(...others.map(of)), unit)
  }
  const per = (bytes: number): number => bytes / ENTRIES
  const above = 'synced puts, 32 writers'
  return [
    below('get among 5,000 keys, processor time', f => f.hotGetUs, 'us'),
    below(`get among ${ENTRIES} keys, processor time`, f => f.getUs, 'us'),
    below('scan of 100, keys and values taken, processor time', f => f.scanUs, 'us'),
    below('synced put, one writer, p50', f => f.loneP50Us, 'us'),
    below('synced put, one writer, processor time', f => f.loneCpuUs, 'us'),
    others.length === 0
      ? plain(name, above, own.sharedPerSecond, '/s')
      : atLeast(name, above, own.sharedPerSecond, Math.max(...others.map(f => f.sharedPerSecond)), '/s'),
    below('synced put, 32 writers, processor time', f => f.sharedCpuUs, 'us'),
    below('on disk', f => per(f.diskBytes), 'B an entry'),
    below('on disk, the last four fifths', f => f.addedDiskBytes, 'B an entry'),
    ...(own.historyBytes > 0
      ? [plain(name, 'of it changes for watches, 32 MiB at most', per(own.historyBytes), 'B an entry')]
      : []),
    below('in memory (RSS)', f => per(f.rssBytes), 'B an entry'),
    below('in memory (RSS), the last four fifths', f => f.addedRssBytes, 'B an entry'),
  ]
}

export function run(): Promise<Row[]> {
  return storeRows(ROUNDS)
}

/** Each store in processes of its own, in turn, the best of `rounds`. */
export async function storeRows(rounds: number): Promise<Row[]> {
  const names = Object.keys(STORES)
  const best = new Map<string, Figures>()
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const figures = better(best.get(name), await figuresOf(name))
      if (figures !== undefined) best.set(name, figures)
    }
  }
  return names.flatMap(name => {
    const own = best.get(name)
    if (own === undefined) return []
    const others = name === 'quorate' ? [...best].filter(([other]) => other !== name).map(([, figures]) => figures) : []
    return rowsOf(name, own, others)
  })
}

const [, script, name] = process.argv
if (script === fileURLToPath(import.meta.url) && name !== undefined) {
  const figures = await measureStore(name)
  if (figures !== undefined) process.send?.(figures)
  process.disconnect?.()
}
