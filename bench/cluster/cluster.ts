import { connect } from '../../src/entry/client.ts'
import type { Database } from '../../src/entry/index.ts'
import { atLeast, atMost, median, plain } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'
import { peersFolder, startEtcd } from '../peers/etcd.ts'
import { measurePipeline } from '../pipeline/pipeline.ts'
import type { LoadFigures } from '../pipeline/pipeline.ts'
import { measureReads, measureWrites } from './load.ts'
import { startThreeNodes } from './three-nodes.ts'

const SECTION = 'cluster'
const WRITERS = [1, 64, 256]
const READERS = 64
const ROUNDS = Number(process.env['QUORATE_BENCH_ROUNDS'] ?? 3)
const SECONDS = 4
/** Before the first figure: servers run for weeks, and V8 compiles for half a minute what a busy node runs (bench/RESULTS.md). */
const WARM_UP_SECONDS = 32

interface Round {
  writes: LoadFigures[]
  /** With keys in order, as etcd's tool writes them. */
  inOrder: LoadFigures[]
  reads: LoadFigures[]
}

function emptyRound(): Round {
  return { writes: [], inOrder: [], reads: [] }
}

/**
 * Three nodes beside the bare pipeline and etcd (QUORATE_PEERS), in turn, in the same run: ratios are what counts. Each is compared under its
 * own keys: the pipeline's load scatters them, etcd's tool writes them in order.
 */
export async function run(): Promise<Row[]> {
  const [ours, bare, etcd] = [emptyRound(), emptyRound(), emptyRound()]
  const peers = peersFolder()
  if (peers === undefined)
    console.error('etcd is not measured: QUORATE_PEERS names no folder with it and its benchmark tool')
  for (let round = 0; round < ROUNDS; round++) {
    bare.writes.push(...(await measurePipeline(WRITERS, SECONDS)))
    await measureQuorate(ours)
    if (peers !== undefined) await measureEtcd(peers, etcd)
  }
  return [...WRITERS.flatMap(writers => writeRows(writers, ours, bare, etcd)), ...readRows(ours, etcd)]
}

async function measureQuorate(into: Round): Promise<void> {
  const nodes = await startThreeNodes()
  try {
    await using db = await connect(nodes.url)
    await db.ddl({ type: 'createProject', project: 'bench', ifNotExists: true })
    await warmUp(db)
    for (const writers of WRITERS) {
      into.writes.push(await measureWrites(db, writers, SECONDS))
      if (writers > 1) into.inOrder.push(await measureWrites(db, writers, SECONDS, 'sequential'))
    }
    into.reads.push(await measureReads(db, READERS, SECONDS))
  } finally {
    await nodes.close()
  }
}

async function warmUp(db: Database): Promise<void> {
  await measureWrites(db, 256, WARM_UP_SECONDS / 2)
  await measureReads(db, READERS, WARM_UP_SECONDS / 4)
  await measureWrites(db, 64, WARM_UP_SECONDS / 4)
}

async function measureEtcd(peers: string, into: Round): Promise<void> {
  const cluster = await startEtcd(peers)
  try {
    for (const writers of WRITERS) into.inOrder.push(await cluster.put(writers, writers === 1 ? 2_000 : 20_000))
    into.reads.push(await cluster.read(READERS, 20_000))
  } finally {
    await cluster.close()
  }
}

function writeRows(writers: number, ours: Round, bare: Round, etcd: Round): Row[] {
  const mine = medians(ours.writes, writers)
  const pipeline = medians(bare.writes, writers)
  const rows = [
    plain(SECTION, `${writers} writers`, mine.perSecond, 'writes/s'),
    plain(SECTION, `${writers} writers, p50`, mine.p50Ms, 'ms'),
    plain(SECTION, `${writers} writers, p99`, mine.p99Ms, 'ms'),
    plain(SECTION, `${writers} writers, bare pipeline`, pipeline.perSecond, 'writes/s'),
    writers === 1
      ? atMost(SECTION, 'one writer p50 / bare pipeline', mine.p50Ms / pipeline.p50Ms, 1.3, 'x')
      : atLeast(SECTION, `${writers} writers / bare pipeline`, mine.perSecond / pipeline.perSecond, 0.6, 'x'),
  ]
  return etcd.inOrder.length === 0 ? rows : [...rows, ...etcdRows(writers, ours, etcd)]
}

function etcdRows(writers: number, ours: Round, etcd: Round): Row[] {
  const theirs = medians(etcd.inOrder, writers)
  const row = plain(SECTION, `${writers} writers, etcd (keys in order)`, theirs.perSecond, 'writes/s')
  if (writers === 1) return [row]
  const mine = medians(ours.inOrder, writers)
  const scattered = medians(ours.writes, writers)
  return [
    plain(SECTION, `${writers} writers, keys in order`, mine.perSecond, 'writes/s'),
    row,
    atLeast(SECTION, `${writers} writers, keys in order / etcd`, mine.perSecond / theirs.perSecond, 4, 'x'),
    atMost(SECTION, `${writers} writers, keys in order, p99 / etcd`, mine.p99Ms / theirs.p99Ms, 0.7, 'x'),
    plain(
      SECTION,
      `${writers} writers, keys scattered / etcd, keys in order`,
      scattered.perSecond / theirs.perSecond,
      'x',
    ),
  ]
}

function readRows(ours: Round, etcd: Round): Row[] {
  const mine = medians(ours.reads, READERS)
  const rows = [
    plain(SECTION, `${READERS} clients, linearizable reads`, mine.perSecond, 'reads/s'),
    plain(SECTION, `${READERS} clients, linearizable reads, p99`, mine.p99Ms, 'ms'),
  ]
  if (etcd.reads.length === 0) return rows
  const theirs = medians(etcd.reads, READERS)
  rows.push(plain(SECTION, `${READERS} clients, linearizable reads, etcd`, theirs.perSecond, 'reads/s'))
  rows.push(atLeast(SECTION, 'linearizable reads / etcd', mine.perSecond / theirs.perSecond, 4, 'x'))
  return rows
}

function medians(figures: readonly LoadFigures[], writers: number): LoadFigures {
  const some = figures.filter(figure => figure.writers === writers)
  return {
    writers,
    perSecond: median(some.map(figure => figure.perSecond)),
    p50Ms: median(some.map(figure => figure.p50Ms)),
    p99Ms: median(some.map(figure => figure.p99Ms)),
  }
}
