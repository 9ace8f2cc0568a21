import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import type { DatabaseStatus } from '../../src/entry/client.ts'
import { freePorts } from '../../src/platform/node/index.ts'

export const PROGRAM: string = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** The environment without what this machine or this run of tests tells `quorate`: a node refuses settings that it does not know. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('QUORATE_')))
}

/** How one run of the command line ended. */
export interface CommandResult {
  code: number | null
  output: string
  errors: string
}

/** Runs `quorate ARGS`. */
export function quorate(...args: string[]): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const env = plainEnvironment()
    const child = fork(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env })
    let [output, errors] = ['', '']
    child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()))
    child.stderr?.on('data', (bytes: Buffer) => (errors += bytes.toString()))
    child.on('error', reject)
    child.on('close', code => resolve({ code, output, errors }))
  })
}

export interface NodeProcess {
  readonly name: string
  readonly directory: string
  readonly ports: { client: number; peer: number; admin: number }
  process: ChildProcess | undefined
  exit: Promise<number | null>
  errors: string
}

/** Characters of a node's log that are kept. */
const LOG_KEPT = 1 << 16

export interface ClusterOptions {
  /** Default 3. */
  readonly size?: number
  /** Where others reach a node; default its ports. For a proxy between them. */
  readonly reach?: (node: NodeProcess) => Promise<{ peer: number; client: number }>
  /** Called when a node's directory exists and is empty. */
  readonly prepare?: (node: NodeProcess) => Promise<void>
  /** In place of the sizes of `storage` that make files small and checkpoints frequent. */
  readonly storage?: Readonly<Record<string, number | string>>
}

const SMALL_FILES = { segmentBytes: 1 << 20, checkpointAgeMs: 1_000, checkpointLogBytes: 1 << 18 }

/** Three real processes on free ports in a temporary folder. */
export class ProcessCluster {
  readonly directory: string
  readonly nodes: readonly NodeProcess[]

  private constructor(directory: string, nodes: readonly NodeProcess[]) {
    this.directory = directory
    this.nodes = nodes
  }

  static async create(options: ClusterOptions = {}): Promise<ProcessCluster> {
    const { size = 3, storage = SMALL_FILES } = options
    const directory = await mkdtemp(join(tmpdir(), 'quorate-cluster-'))
    const ports = await freePorts('127.0.0.1', size * 3)
    const nodes: NodeProcess[] = Array.from({ length: size }, (_, i) => ({
      name: `n${i}`,
      directory: join(directory, `n${i}`),
      ports: { client: ports[i * 3]!, peer: ports[i * 3 + 1]!, admin: ports[i * 3 + 2]! },
      process: undefined,
      exit: Promise.resolve(null),
      errors: '',
    }))
    const members: { name: string; peer: string; client: string }[] = []
    for (const node of nodes) {
      const { peer, client } = (await options.reach?.(node)) ?? node.ports
      members.push({ name: node.name, peer: `127.0.0.1:${peer}`, client: `127.0.0.1:${client}` })
    }
    for (const node of nodes) {
      const { client, peer, admin } = node.ports
      await mkdir(node.directory)
      await options.prepare?.(node)
      const doors = { client: { port: client }, peer: { port: peer }, admin: { port: admin } }
      const settings = { name: node.name, dataDirectory: '.', members, ...doors, storage }
      await writeFile(join(node.directory, 'config.yaml'), stringify(settings))
    }
    return new ProcessCluster(directory, nodes)
  }

  start(index: number): void {
    const node = this.nodes[index]!
    node.errors = ''
    const args = ['server', '--config', join(node.directory, 'config.yaml'), '--exit-with-parent']
    const env = plainEnvironment()
    const child = fork(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env })
    child.stderr?.on('data', (bytes: Buffer) => (node.errors = (node.errors + bytes.toString()).slice(-LOG_KEPT)))
    node.process = child
    node.exit = new Promise(resolve => child.on('close', code => resolve(code)))
  }

  startAll(): void {
    for (const index of this.nodes.keys()) this.start(index)
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.nodes[index]!.process?.kill(signal)
  }

  async kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.signal(index, signal)
    const code = await this.nodes[index]!.exit
    this.nodes[index]!.process = undefined
    return code
  }

  get endpoints(): string {
    return this.nodes.map(({ ports }) => `127.0.0.1:${ports.client}`).join(',')
  }

  get adminEndpoints(): string {
    return this.nodes.map(({ ports }) => `127.0.0.1:${ports.admin}`).join(',')
  }

  run(...args: string[]): Promise<CommandResult> {
    return quorate(...args, '--endpoints', this.endpoints, '--admin-endpoints', this.adminEndpoints)
  }

  /** Waits until a node that answers names a leader among `running`; its index. */
  async leader(running: readonly number[] = [...this.nodes.keys()]): Promise<number> {
    for (let attempt = 0; attempt < 400; attempt++) {
      for (const index of running) {
        const status = await this.#status(index)
        if (status?.role === 'leader') return index
      }
      await delay(50)
    }
    throw new Error(`no leader among ${running.join(', ')}: ${this.nodes.map(({ errors }) => errors).join('\n')}`)
  }

  async #status(index: number): Promise<DatabaseStatus | undefined> {
    try {
      const url = `http://127.0.0.1:${this.nodes[index]!.ports.client}/v1/status`
      const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) })
      return answer.ok ? ((await answer.json()) as DatabaseStatus) : undefined
    } catch {
      return undefined
    }
  }

  async remove(): Promise<void> {
    for (const [index, { process }] of this.nodes.entries()) {
      if (process === undefined) continue
      this.signal(index, 'SIGCONT')
      await this.kill(index)
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}
