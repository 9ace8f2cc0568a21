import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { end, freePort, until } from '../lib/processes.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { longRunEnvironment } from '../../src/platform/node/index.ts'

const OWN_DIST = join(import.meta.dirname, '../..')
const NODES = [0, 1, 2]

/** Three `quorate server` processes on free loopback ports, data on the same disk as the peers'. */
export interface ThreeNodes {
  /** For `connect`. */
  readonly url: string
  /** host:port of the client ports, and of the admin ports, with commas between. */
  readonly endpoints: string
  readonly adminEndpoints: string
  /** Index of the leader; waits until there is one. */
  leader(): Promise<number>
  /** Process ids, in the order of the nodes. */
  pids(): number[]
  /** kill -9. */
  kill(node: number): Promise<void>
  start(node: number): void
  /** Waits until the node takes part again. */
  ready(node: number): Promise<void>
  /** Hands leadership over, away from `from`. */
  transfer(from: number): Promise<void>
  close(): Promise<void>
}

interface StartOptions {
  dist?: string
  flags?: readonly string[]
}

interface Ports {
  client: number
  peer: number
  admin: number
}

/** Starts them out of the build at `dist` (this one), with `flags` for node. */
export async function startThreeNodes({ dist = OWN_DIST, flags = [] }: StartOptions = {}): Promise<ThreeNodes> {
  const folder = makeBenchFolder('quorate')
  const ports: Ports[] = []
  for (let i = 0; i < NODES.length; i++) {
    ports.push({ client: await freePort(), peer: await freePort(), admin: await freePort() })
  }
  const configs = writeConfigurations(folder, ports)
  const children = new Map<number, ChildProcess>()
  const start = (i: number): void => {
    const stdio = ['ignore', 'ignore', 'inherit'] as const
    const cli = join(dist, 'src/cli/main.js')
    // A node refuses settings that it does not know, such as those of a bench.
    const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('QUORATE_'))
    const env = longRunEnvironment(Object.fromEntries(foreign))
    children.set(i, spawn('node', [...flags, cli, 'server', '--config', configs[i]!], { stdio: [...stdio], env }))
  }
  const answers = (i: number, path: string): Promise<boolean> =>
    fetch(`http://127.0.0.1:${ports[i]!.admin}${path}`).then(
      response => response.status === 200,
      () => false,
    )
  const leader = async (): Promise<number> => {
    let found = -1
    await until('a leader', async () => {
      for (const i of children.keys()) if (await answers(i, '/leaderz')) found = i
      return found >= 0
    })
    return found
  }
  const addresses = (door: keyof Ports): string => ports.map(each => `127.0.0.1:${each[door]}`).join(',')
  const nodes: ThreeNodes = {
    url: `ws://${addresses('client')}`,
    endpoints: addresses('client'),
    adminEndpoints: addresses('admin'),
    leader,
    pids: () => Array.from(children.values(), child => child.pid!),
    start,
    ready: i => until(`node ${i}`, () => answers(i, '/readyz')),
    async kill(i): Promise<void> {
      const child = children.get(i)!
      children.delete(i)
      await end(child, 'SIGKILL')
    },
    async transfer(from): Promise<void> {
      const url = `http://127.0.0.1:${ports[from]!.admin}/admin/v1/leader/transfer`
      const response = await fetch(url, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
      if (!response.ok) throw new Error(`transfer: ${response.status} ${await response.text()}`)
    },
    async close(): Promise<void> {
      await Promise.all(Array.from(children.values(), child => end(child)))
      removeBenchFolder(folder)
    },
  }
  for (const i of NODES) start(i)
  await leader()
  return nodes
}

function writeConfigurations(folder: string, ports: readonly Ports[]): string[] {
  const address = (port: number): string => `127.0.0.1:${port}`
  const members = ports.map(({ peer, client }, i) => ({ name: `n${i}`, peer: address(peer), client: address(client) }))
  return ports.map(({ client, peer, admin }, i) => {
    const directory = join(folder, `n${i}`)
    mkdirSync(directory)
    const configuration = {
      name: `n${i}`,
      dataDirectory: join(directory, 'data'),
      members,
      client: { port: client },
      peer: { port: peer },
      admin: { port: admin },
      log: { level: 'error' },
    }
    const file = join(directory, 'config.yaml')
    writeFileSync(file, stringify(configuration))
    return file
  })
}
