import { bytesToHex } from '../../encoding/index.ts'
import { ROOT_CALLER } from '../../model/index.ts'
import { checkDataDirectory } from '../../node/index.ts'
import { simulatedCiphers } from '../../platform/simulated/index.ts'
import type { ReadResult, StateView } from '../../model/index.ts'
import { DIRECTORY } from './cluster.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { EntryOracle } from './entry-oracle.ts'
import { require, Violation } from './trace.ts'
import { PROJECT, SCOPE } from './names.ts'

/** The power of all machines goes at once; while they are down each directory must check out. */
export async function blackOut(cluster: SimulatedCluster): Promise<void> {
  cluster.trace.note('--- all power goes')
  for (const node of cluster.nodes) node.crash('power')
  const sealing = { ciphers: simulatedCiphers(), random: cluster.world.random.split('checks'), keys: cluster.keys }
  for (const node of expectedNodes(cluster)) {
    const { verdict, damage } = await checkDataDirectory(node.machine.disk.files(), DIRECTORY, { sealing })
    if (cluster.mayBeDamaged(node)) continue
    require(verdict !== 'damaged', () =>
      `after a loss of power the check of ${node.name} finds ${JSON.stringify(damage)}`)
  }
}

/** Nodes that must serve in the end: all but those that rightly refuse damaged disks, and those that have lost theirs. */
function expectedNodes(cluster: SimulatedCluster): ClusterNode[] {
  return cluster.nodes.filter(node => node.refusal === undefined && !node.isWiped)
}

/** Who has lost its directory runs, knows why it is no member, and answers nothing (D11). */
function isOutside({ node }: ClusterNode): boolean {
  return node?.inspect().unjoinedReason !== undefined
}

/** One ready leader, and all nodes at one seq. */
export function isConverged(cluster: SimulatedCluster, oracle: EntryOracle): boolean {
  const seen = expectedNodes(cluster).map(node => node.inspect())
  const first = seen[0]
  if (first === undefined || !seen.some(each => each?.isReady === true)) return false
  if (!seen.every(each => each !== undefined && each.appliedSeq === first.appliedSeq)) return false
  if (!cluster.nodes.every(node => !node.isWiped || isOutside(node))) return false
  return expectedNodes(cluster).every(({ name, node }) => oracle.isDrifting(name) || node?.inspect().isFenced === false)
}

/** All nodes hold the state that the reference has: so every acknowledged write is there, and nothing else. */
export async function checkEndState({
  cluster,
  oracle,
}: {
  cluster: SimulatedCluster
  oracle: EntryOracle
}): Promise<void> {
  for (const owner of expectedNodes(cluster)) {
    if (oracle.isDrifting(owner.name)) continue
    const node = owner.node
    if (node === undefined) throw new Violation(`${owner.name} is gone at the end`)
    oracle.checkDigest(owner.name, node.inspect().digest)
    const view = await cluster.world.runToCompletion(
      new Promise<StateView>((resolve, reject) => {
        node.service.whenReadable('local', owner.host!.clock.monotonicMs() + 1000, (found, error) => {
          if (found === undefined) reject(error ?? new Error('no view'))
          else resolve(found)
        })
      }),
      2000,
    )
    try {
      await compareWithReference(owner, view, cluster, oracle)
      if (view.seq === oracle.lastSeq) await compareTables(owner, view, cluster, oracle)
      await checkInvariants(owner, cluster)
    } catch (error) {
      // A disk that lied may say so only now; what it does say is right.
      const isNamed = error instanceof Error && error.name === 'PageDamage'
      if (!isNamed || !cluster.mayBeDamaged(owner)) throw error
      cluster.trace.note(`${owner.name} finds damage: ${error.message}`)
    }
    view.release()
  }
}

/** What `check data` looks for between records, on each node: the state of each was put together another way. */
async function checkInvariants({ name, node, drift }: ClusterNode, cluster: SimulatedCluster): Promise<void> {
  // What has drifted, and nobody can tell, does not go together.
  if (drift.hasDrifted && cluster.isUndecided(name)) return
  const looking = node?.findInconsistency?.()
  const found = looking === undefined ? undefined : await cluster.world.runToCompletion(looking, 60_000)
  require(found === undefined, () => `the state of ${name} does not go together: ${found}`)
}

async function compareWithReference(
  owner: ClusterNode,
  view: StateView,
  cluster: SimulatedCluster,
  oracle: EntryOracle,
): Promise<void> {
  const { reference } = oracle
  const expected = reference.keys.scan(
    { project: PROJECT, scope: SCOPE, limit: 0 },
    view.seq,
    reference.timeAt(view.seq),
  )
  const found: string[] = []
  let start: Uint8Array | undefined
  for (;;) {
    const request = {
      type: 'scan',
      project: PROJECT,
      scope: SCOPE,
      limit: 500,
      ...(start !== undefined && { start }),
    } as const
    const result = await cluster.world.runToCompletion(
      Promise.resolve<ReadResult>(view.read(request, ROOT_CALLER)),
      2000,
    )
    if (result.type !== 'scan') throw new Violation('a scan answered something else')
    for (const { key, seq, value } of result.entries) found.push(`${bytesToHex(key)}@${seq}=${bytesToHex(value)}`)
    const last = result.entries.at(-1)
    if (!result.more || last === undefined) break
    start = new Uint8Array([...last.key, 0])
  }
  const wanted = expected.map(({ key, seq, value }) => `${bytesToHex(key)}@${seq}=${bytesToHex(value)}`)
  for (let index = 0; index < Math.max(wanted.length, found.length); index++) {
    require(wanted[index] === found[index], () =>
      `${owner.name} at ${view.seq} holds ${found[index] ?? 'nothing'} where ${wanted[index] ?? 'nothing'} should be`)
  }
}

async function compareTables(
  owner: ClusterNode,
  view: StateView,
  cluster: SimulatedCluster,
  oracle: EntryOracle,
): Promise<void> {
  const { tables } = oracle.reference
  // The newest entry may be one that touches no rows, and ends some by its time alone.
  tables.passTo(view.leaderTimeMicros)
  for (const table of tables.tables) {
    const wanted = tables.live(table).map(({ cells }) => JSON.stringify(table.columns.map(({ name }) => cells[name])))
    const found: string[] = []
    let cursor: string | undefined
    do {
      const query = {
        project: PROJECT,
        scope: SCOPE,
        from: table.name,
        limit: 500,
        allowFullScan: true,
        ...(cursor !== undefined && { cursor }),
      }
      const result = await cluster.world.runToCompletion(
        Promise.resolve<ReadResult>(view.read({ type: 'query', query }, ROOT_CALLER)),
        2000,
      )
      if (result.type !== 'query') throw new Violation('a query answered something else')
      for (const row of result.result.rows) found.push(JSON.stringify(row))
      cursor = result.result.cursor
    } while (cursor !== undefined)
    for (let index = 0; index < Math.max(wanted.length, found.length); index++) {
      require(wanted[index] === found[index], () =>
        `${owner.name}: ${table.name} has ${found[index] ?? 'no row'} where ${wanted[index] ?? 'none'} should be`)
    }
  }
}
