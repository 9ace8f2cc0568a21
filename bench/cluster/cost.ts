// Processor time of one operation in every process of three nodes and their client, from /proc: what a write costs, whoever else uses the
// machine. With `--against DIST` a second cluster out of another build stands beside this one, and both are measured in turn.
// Run: node dist/bench/cluster/cost.js [--against DIST] [--rounds N] [--seconds N] [--only write256] [--flags '--x --y'] [--against-flags ...]
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LoadFigures } from '../pipeline/pipeline.ts'
import type { LoadOrder } from './cost-load.ts'
import { startThreeNodes } from './three-nodes.ts'
import type { ThreeNodes } from './three-nodes.ts'

const OWN_DIST = join(import.meta.dirname, '../..')
const LOAD = join(import.meta.dirname, 'cost-load.js')
const OPERATIONS: readonly (LoadOrder & { name: string })[] = [
  { name: 'write1', kind: 'write', clients: 1, seconds: 0 },
  { name: 'write64', kind: 'write', clients: 64, seconds: 0 },
  { name: 'write256', kind: 'write', clients: 256, seconds: 0 },
  { name: 'read64', kind: 'read', clients: 64, seconds: 0 },
]
const WARM_UP: readonly LoadOrder[] = [
  { kind: 'write', clients: 256, seconds: 4 },
  { kind: 'read', clients: 64, seconds: 2 },
  { kind: 'write', clients: 64, seconds: 3 },
]

interface Cluster {
  readonly name: string
  readonly nodes: ThreeNodes
  readonly load: ChildProcess
}

/** us of processor time per operation. */
interface Cost {
  perSecond: number
  p50Ms: number
  leader: number
  /** Both together. */
  followers: number
  client: number
  /** All threads but the first of each process. */
  otherThreads: number
  total: number
}

const rounds = Number(option('--rounds') ?? 5)
const seconds = Number(option('--seconds') ?? 2)
const only = option('--only')?.split(',')

function option(flag: string): string | undefined {
  const at = process.argv.indexOf(flag)
  return at < 0 ? undefined : process.argv[at + 1]
}

async function start(name: string, dist: string, flags: string | undefined): Promise<Cluster> {
  const nodes = await startThreeNodes({ dist, flags: flags === undefined ? [] : flags.split(' ').filter(Boolean) })
  const load = fork(LOAD, [dist, nodes.url], { stdio: 'inherit' })
  await new Promise(resolve => load.once('message', resolve))
  return { name, nodes, load }
}

async function order(cluster: Cluster, what: LoadOrder): Promise<LoadFigures> {
  const answer = new Promise(resolve => cluster.load.once('message', resolve))
  cluster.load.send(what)
  return (await answer) as LoadFigures
}

/** ns on a processor so far: of the first thread, and of all others that are there. */
function used(pid: number): { main: number; others: number } {
  let main = 0
  let others = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const ns = Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    if (thread === String(pid)) main = ns
    else others += ns
  }
  return { main, others }
}

async function measure(cluster: Cluster, what: LoadOrder): Promise<Cost> {
  const leader = await cluster.nodes.leader()
  const pids = [...cluster.nodes.pids(), cluster.load.pid!]
  const before = pids.map(used)
  const { perSecond, p50Ms } = await order(cluster, { ...what, seconds })
  const after = pids.map(used)
  const operations = perSecond * seconds
  const main = pids.map((_, i) => (after[i]!.main - before[i]!.main) / 1000 / operations)
  const others = pids.map((_, i) => (after[i]!.others - before[i]!.others) / 1000 / operations)
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
  return {
    perSecond,
    p50Ms,
    leader: main[leader]!,
    followers: sum(main.slice(0, 3)) - main[leader]!,
    client: main[3]!,
    otherThreads: sum(others),
    total: sum(main) + sum(others),
  }
}

function middle(costs: readonly Cost[], of: keyof Cost): number {
  const sorted = costs.map(cost => cost[of]).sort((one, other) => one - other)
  return sorted[sorted.length >> 1]!
}

const against = option('--against')
const clusters = [await start('this build', OWN_DIST, option('--flags'))]
if (against !== undefined) clusters.push(await start('the other', against, option('--against-flags')))
try {
  for (const cluster of clusters) for (const warmUp of WARM_UP) await order(cluster, warmUp)
  for (const operation of OPERATIONS) {
    if (only !== undefined && !only.includes(operation.name)) continue
    const costs = clusters.map((): Cost[] => [])
    for (let round = 0; round < rounds; round++) {
      for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
        if (clusters[at] !== undefined) costs[at]!.push(await measure(clusters[at], operation))
      }
    }
    for (const [at, cluster] of clusters.entries()) {
      const of = (what: keyof Cost): string => middle(costs[at]!, what).toFixed(1)
      const least = Math.min(...costs[at]!.map(({ total }) => total)).toFixed(1)
      const parts = `leader ${of('leader')}, followers ${of('followers')}, client ${of('client')}, other threads ${of('otherThreads')}`
      const speed = `${middle(costs[at]!, 'perSecond')} / s, p50 ${middle(costs[at]!, 'p50Ms').toFixed(2)} ms`
      console.log(`${operation.name}, ${cluster.name}: ${of('total')} us (least ${least}): ${parts}; ${speed}`)
    }
    const ratios = costs[0]!.map((cost, i) => cost.total / (costs[1]?.[i]?.total ?? Number.NaN)).sort((a, b) => a - b)
    if (clusters.length > 1) console.log(`  ratios ${ratios.map(ratio => ratio.toFixed(2)).join(' ')}`)
  }
} finally {
  for (const { load, nodes } of clusters) {
    load.disconnect()
    await nodes.close()
  }
}
