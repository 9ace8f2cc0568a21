import type { Command } from 'commander'
import { stringify } from 'yaml'
import { QuorateError } from '../model/index.ts'
import {
  isPortFree,
  loadConfiguration,
  nodePlatform,
  pathOfModule,
  SETTINGS,
  onSignals,
  startChild,
} from '../node/index.ts'
import type { ChildProcess } from '../node/index.ts'
import { replaceTextFile } from '../platform/index.ts'
import type { Timer } from '../platform/index.ts'
import { commandVariables } from './command-variables.ts'
import type { CommandContext } from './context.ts'
import { positiveInteger } from './context.ts'
import { NodeLine } from './node-line.ts'
import { StatusLine } from './status-line.ts'

const CONFIG_NAME = 'config.yaml'
const NODES = 3
const BASE_PORT = 7400
const RESTART_MS = 1_000
/** A child that does not end in order within this time is killed. */
const DRAIN_MS_MAX = 15_000

/** What `dev` writes into the file of each node. */
const OWN_SETTINGS: readonly string[] = ['name', 'dataDirectory', 'members', 'client.port', 'peer.port', 'admin.port']

/** Ports of one node, from that of node 0 (DESIGN 9). */
interface NodePlan {
  readonly name: string
  readonly directory: string
  readonly configFile: string
  readonly ports: { client: number; peer: number; admin: number }
}

/** `quorate dev`: three nodes on this machine, each a process of its own. */
export function addDevCommand(program: Command, context: CommandContext): void {
  program
    .command('dev')
    .description('runs three nodes on this machine')
    .option('--data <directory>', 'where their data lies', './.quorate')
    .option('--no-restart', 'leaves a dead node to be started by hand')
    .option('--base-port <port>', 'client port of the first node; all others follow from it', String(BASE_PORT))
    .action(async (options: { data: string; restart: boolean; basePort: string }) => {
      const { variables } = context.environment
      requireShared(variables)
      // What the nodes inherit would end each of them, again and again.
      await loadConfiguration({ files: context.files, variables, otherVariables: commandVariables(program), flags: {} })
      const basePort = positiveInteger('--base-port', options.basePort)
      if (basePort > 65_000) throw new QuorateError('invalid_argument', '--base-port must be at most 65000')
      const plans = planNodes(absolute(context.environment.workingDirectory, options.data), basePort)
      await requireFreePorts(plans)
      await requireUnused(context, plans)
      for (const plan of plans) await writeConfiguration(context, plan, plans)
      await new Supervisor(context, plans, options.restart).run()
    })
}

/** The nodes inherit variables, and each has settings of its own. */
function requireShared(variables: Readonly<Record<string, string | undefined>>): void {
  const own = SETTINGS.filter(({ path }) => OWN_SETTINGS.includes(path.join('.')))
  const given = own.find(({ variable }) => variables[variable] !== undefined)
  if (given === undefined) return
  throw new QuorateError('configuration_invalid', `${given.variable}: \`quorate dev\` decides it for each of its nodes`)
}

function absolute(workingDirectory: string, path: string): string {
  return path.startsWith('/') ? path : `${workingDirectory}/${path.replace(/^\.\//, '')}`
}

function planNodes(directory: string, basePort: number): NodePlan[] {
  return Array.from({ length: NODES }, (_, i) => ({
    name: `n${i}`,
    directory: `${directory}/n${i}`,
    configFile: `${directory}/n${i}/${CONFIG_NAME}`,
    ports: { client: basePort + i, peer: basePort + 10 + i, admin: basePort + 20 + i },
  }))
}

async function requireFreePorts(plans: readonly NodePlan[]): Promise<void> {
  for (const { name, ports } of plans) {
    for (const [purpose, port] of Object.entries(ports)) {
      if (await isPortFree('127.0.0.1', port)) continue
      const message = `port ${port} (${purpose} port of ${name}) is taken; --base-port N takes others`
      throw new QuorateError('unavailable', message)
    }
  }
}

/** Other processes that serve these directories would come back with the new ports. @throws FileError `directory_locked` */
async function requireUnused({ files }: CommandContext, plans: readonly NodePlan[]): Promise<void> {
  for (const { directory } of plans) {
    if ((await files.size(`${directory}/${CONFIG_NAME}`)) === undefined) continue
    const lock = await files.lock(directory)
    await lock.release()
  }
}

async function writeConfiguration(
  { files }: CommandContext,
  plan: NodePlan,
  plans: readonly NodePlan[],
): Promise<void> {
  const { name, ports } = plan
  const members = plans.map(({ name, ports }) => ({
    name,
    peer: `127.0.0.1:${ports.peer}`,
    client: `127.0.0.1:${ports.client}`,
  }))
  const settings = {
    name,
    dataDirectory: '.',
    members,
    client: { port: ports.client },
    peer: { port: ports.peer },
    admin: { port: ports.admin },
  }
  await files.makeDirectory(plan.directory)
  await replaceTextFile(files, plan.directory, CONFIG_NAME, stringify(settings))
}

interface Supervised {
  readonly plan: NodePlan
  readonly line: NodeLine
  process: ChildProcess | undefined
  restart: Timer | undefined
}

class Supervisor {
  readonly #nodes: readonly Supervised[]
  readonly #restarts: boolean
  readonly #platform = nodePlatform()
  readonly #status: StatusLine
  readonly #startedMs: number
  #isStopping = false
  #hadLeader = false
  #onAllEnded: () => void = () => undefined

  constructor({ terminal }: CommandContext, plans: readonly NodePlan[], restarts: boolean) {
    this.#restarts = restarts
    this.#status = new StatusLine(terminal)
    this.#startedMs = this.#platform.clock.monotonicMs()
    this.#nodes = plans.map(plan => ({ plan, line: new NodeLine(plan.name), process: undefined, restart: undefined }))
  }

  /** Resolves when a signal has ended all nodes. */
  async run(): Promise<void> {
    const [first] = this.#nodes
    this.#status.note(`three nodes in ${first!.plan.directory.replace(/\/n0$/, '')}; Ctrl-C stops them`)
    for (const { plan } of this.#nodes) {
      const { client, admin } = plan.ports
      this.#status.note(`  ${plan.name}  client http://127.0.0.1:${client}  admin http://127.0.0.1:${admin}`)
    }
    const ended = new Promise<void>(resolve => (this.#onAllEnded = resolve))
    const stopListening = onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], () => this.#stop())
    for (const node of this.#nodes) this.#start(node)
    await ended
    stopListening()
    this.#status.end()
  }

  #start(node: Supervised): void {
    const { plan, line } = node
    node.restart = undefined
    node.process = startChild({
      module: programFile(),
      arguments: ['server', '--config', plan.configFile, '--exit-with-parent'],
      logFile: `${plan.directory}/server.log`,
      onLine: text => {
        const note = line.take(text)
        if (note !== undefined) this.#status.note(note)
        this.#show()
      },
      onExit: (code, signal) => this.#exited(node, code, signal),
    })
    line.started(node.process.pid)
    this.#show()
  }

  #exited(node: Supervised, code: number | null, signal: string | null): void {
    const { plan, line } = node
    node.process = undefined
    line.ended()
    if (this.#isStopping) {
      if (this.#nodes.every(({ process }) => process === undefined)) this.#onAllEnded()
      return this.#show()
    }
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
    const again =
      this.#restarts && code !== 4 ? 'it is started again' : `start it: quorate server --config ${plan.configFile}`
    this.#status.note(
      `${plan.name} ${how}; ${again}${code === 0 || signal !== null ? '' : ` (${plan.directory}/server.log)`}`,
    )
    // A damaged directory is damaged the next time too: the operator decides.
    if (this.#restarts && code !== 4) node.restart = this.#platform.timers.after(RESTART_MS, () => this.#start(node))
    this.#show()
  }

  #stop(): void {
    if (this.#isStopping) {
      for (const { process } of this.#nodes) process?.kill('SIGKILL')
      return
    }
    this.#isStopping = true
    this.#status.note('stopping')
    for (const { process, restart } of this.#nodes) {
      restart?.cancel()
      process?.kill('SIGTERM')
    }
    if (this.#nodes.every(({ process }) => process === undefined)) this.#onAllEnded()
    const kill = (): void => {
      for (const { process } of this.#nodes) process?.kill('SIGKILL')
    }
    this.#platform.timers.after(DRAIN_MS_MAX, kill, { background: true })
  }

  #show(): void {
    this.#status.show(this.#nodes.map(({ line }) => line.text).join(' | '))
    const leader = this.#nodes.find(({ line }) => line.role === 'leader')
    if (leader !== undefined && !this.#hadLeader) {
      this.#hadLeader = true
      const seconds = ((this.#platform.clock.monotonicMs() - this.#startedMs) / 1000).toFixed(1)
      const ports = this.#nodes.map(({ plan }) => plan.ports.client)
      const where = ports[0] === BASE_PORT ? '' : ` --endpoints 127.0.0.1:${ports.join(',')}`
      this.#status.note(`ready after ${seconds} s: try \`npx quorate status${where}\``)
    }
  }
}

/** This very program, for the children. */
function programFile(): string {
  return pathOfModule('./main.js', import.meta.url)
}
