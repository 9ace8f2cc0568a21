import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../../src/platform/simulated/index.ts'
import type { LinkFaults } from '../../src/testing/index.ts'
import { CLIENTS, NODES, SMALL_DISK_NODE } from './system.ts'
import type { ChaosSystem } from './system.ts'

/** Faults of one lane follow each other; the lanes run side by side, so that their faults meet. */
export type Lane = 'links' | 'clients' | 'processes' | 'disk'

/** One kind of fault. `run` begins it, lets it last until `until` resolves, and ends it. */
export interface FaultKind {
  readonly name: string
  readonly lane: Lane
  run(context: FaultContext): Promise<void>
}

export interface FaultContext {
  readonly system: ChaosSystem
  readonly random: SeededRandom
  /** Resolves when the fault has lasted long enough. */
  readonly until: Promise<void>
  /** Says whom it concerns. */
  says(what: string): void
}

const RESET_MS = 150

export const FAULT_KINDS: readonly FaultKind[] = [
  {
    name: 'partition of one node',
    lane: 'links',
    run: context =>
      onOneNode(context, (system, node, others, faults) => {
        for (const other of others) system.proxy.setFaultsBetween(node, other, faults)
      }),
  },
  {
    name: 'one node is not heard',
    lane: 'links',
    run: context =>
      onOneNode(context, (system, node, others, faults) => {
        for (const other of others) system.proxy.setFaults(node, other, faults)
      }),
  },
  {
    name: 'one node does not hear',
    lane: 'links',
    run: context =>
      onOneNode(context, (system, node, others, faults) => {
        for (const other of others) system.proxy.setFaults(other, node, faults)
      }),
  },
  {
    name: 'one-way link',
    lane: 'links',
    run: context =>
      onOneNode(context, (system, node, others, faults) => system.proxy.setFaults(node, others[0]!, faults)),
  },
  {
    name: 'bridge: one node between two',
    lane: 'links',
    run: context =>
      onOneNode(context, (system, _node, [a, b], faults) => system.proxy.setFaultsBetween(a!, b!, faults)),
  },
  {
    name: 'slow links',
    lane: 'links',
    run: context => onAllLinks(context, { delayMs: 5 + 60 * context.random.float(), jitterMs: 60 }),
  },
  {
    name: 'lossy links',
    lane: 'links',
    run: context => onAllLinks(context, { loss: 0.02 + 0.15 * context.random.float() }),
  },
  { name: 'links reset', lane: 'links', run: context => repeatedly(context, context.system.resetLinks) },
  { name: 'links torn in a frame', lane: 'links', run: context => repeatedly(context, context.system.tearLinks) },
  { name: 'slow clients', lane: 'clients', run: context => onClients(context, { delayMs: 40, jitterMs: 40 }, true) },
  { name: 'lossy clients', lane: 'clients', run: context => onClients(context, { loss: 0.1 }, true) },
  { name: 'replies withheld', lane: 'clients', run: context => onClients(context, { isWithheld: true }, false) },
  { name: 'clients reset', lane: 'clients', run: context => repeatedly(context, context.system.resetClients) },
  { name: 'clients torn in a frame', lane: 'clients', run: context => repeatedly(context, context.system.tearClients) },
  { name: 'kill -9', lane: 'processes', run: context => killed(context, 'SIGKILL') },
  { name: 'kill -9 of all', lane: 'processes', run: allKilled },
  { name: 'SIGSTOP, SIGCONT', lane: 'processes', run: stopped },
  { name: 'restart in order', lane: 'processes', run: context => killed(context, 'SIGTERM') },
  { name: 'leadership transfer', lane: 'processes', run: transferred },
  { name: 'full disk', lane: 'disk', run: diskFull },
]

/** Often the leader: most of what can go wrong concerns it. */
async function pick({ system, random }: FaultContext): Promise<number | undefined> {
  const free = NODES.filter(node => !system.taken.has(node))
  const leader = random.float() < 0.5 ? await system.leader() : undefined
  if (leader !== undefined && free.includes(leader)) return leader
  return free[random.u32() % Math.max(1, free.length)]
}

type Hurt = (system: ChaosSystem, node: string, others: readonly string[], faults: LinkFaults | undefined) => void

async function onOneNode(context: FaultContext, hurt: Hurt): Promise<void> {
  const { system, random, until } = context
  const leader = random.float() < 0.5 ? await system.leader() : undefined
  const node = leader ?? random.u32() % NODES.length
  const others = NODES.filter(other => other !== node).map(other => `n${other}`)
  if (random.float() < 0.5) others.reverse()
  context.says(`n${node}${node === leader ? ', the leader' : ''}`)
  hurt(system, `n${node}`, others, { isWithheld: true })
  await until
  hurt(system, `n${node}`, others, undefined)
  // Packets that a partition held back may come late, or never: then the connections are found to be dead.
  if (random.float() < 0.5) system.resetLinks()
}

async function onAllLinks({ system, until }: FaultContext, faults: LinkFaults): Promise<void> {
  const set = (value: LinkFaults | undefined): void => {
    for (const from of NODES)
      for (const to of NODES) if (from !== to) system.proxy.setFaults(`n${from}`, `n${to}`, value)
  }
  set(faults)
  await until
  set(undefined)
}

async function onClients({ system, until }: FaultContext, faults: LinkFaults, isBothWays: boolean): Promise<void> {
  const set = (value: LinkFaults | undefined): void => {
    for (const node of NODES) {
      system.proxy.setFaults(`n${node}`, CLIENTS, value)
      if (isBothWays) system.proxy.setFaults(CLIENTS, `n${node}`, value)
    }
  }
  set(faults)
  await until
  set(undefined)
}

async function repeatedly({ until }: FaultContext, act: () => number): Promise<void> {
  const over = until.then(() => true)
  do act()
  while (!(await Promise.race([over, delay(RESET_MS, false)])))
}

async function withNode(context: FaultContext, act: (node: number) => Promise<void>): Promise<void> {
  const node = await pick(context)
  if (node === undefined) return
  context.system.taken.add(node)
  try {
    await act(node)
  } finally {
    context.system.taken.delete(node)
  }
}

function killed(context: FaultContext, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  return withNode(context, async node => {
    context.says(`n${node}`)
    await context.system.end(node, signal)
    await context.until
    context.system.ensureRunning(node)
  })
}

/** Also of the node whose disk is full: it then starts on a full disk, or cannot. */
async function allKilled({ system, until }: FaultContext): Promise<void> {
  await Promise.all(NODES.map(node => system.end(node, 'SIGKILL')))
  await Promise.race([until, delay(500)])
  for (const node of NODES) system.ensureRunning(node)
}

function stopped(context: FaultContext): Promise<void> {
  return withNode(context, async node => {
    context.says(`n${node}`)
    context.system.cluster.signal(node, 'SIGSTOP')
    await context.until
    context.system.cluster.signal(node, 'SIGCONT')
  })
}

async function transferred(context: FaultContext): Promise<void> {
  const leader = await context.system.leader()
  if (leader === undefined) return
  context.says(`from n${leader}`)
  await context.system.ask(leader, '/admin/v1/leader/transfer')
}

async function diskFull(context: FaultContext): Promise<void> {
  const { system, until } = context
  if (system.disk === undefined || system.taken.has(SMALL_DISK_NODE)) return
  system.taken.add(SMALL_DISK_NODE)
  try {
    await system.fillDisk()
    await until
    context.says(`n${SMALL_DISK_NODE}${system.isRunning(SMALL_DISK_NODE) ? '' : ', which stopped'}`)
    await system.freeDisk()
    system.ensureRunning(SMALL_DISK_NODE)
  } finally {
    system.taken.delete(SMALL_DISK_NODE)
  }
}
