import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { Wait } from 'testcontainers'
import { freePorts } from '../../src/platform/node/index.ts'
import type { Engine } from './engine.ts'
import { NodeContainer } from './node-container.ts'

/** The very file that the pods of deploy/k8s are given. */
const CONFIGURATION = fileURLToPath(new URL('../../../deploy/k8s/base/config.yaml', import.meta.url))
export const TOKEN = 'of-the-docker-suite'
const SIZE = 3
const POLL_MS = 50
/** A start creates files: it waits while a disk that is busy with the images of the engine takes what was written before them. */
const PATIENCE_MS = 150_000
const MEMORY_BYTES = 512 * 2 ** 20

interface ClusterNode {
  readonly name: string
  readonly ports: { readonly client: number; readonly admin: number }
  /** Of the volume that is mounted now. */
  volume: string
  containerId: string
}

/** An answer of a node's admin port; status 0 = none. */
export interface Answer {
  readonly status: number
  readonly text: string
}

/** Three nodes as the pods of deploy/k8s, in containers on a network of their own; clients reach them on 127.0.0.1. */
export class ContainerCluster {
  readonly nodes: readonly ClusterNode[]
  readonly #engine: Engine
  readonly #directory: string

  private constructor(engine: Engine, nodes: readonly ClusterNode[], directory: string) {
    this.#engine = engine
    this.nodes = nodes
    this.#directory = directory
  }

  static async create(engine: Engine): Promise<ContainerCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-docker-'))
    const ports = await freePorts('127.0.0.1', SIZE * 2)
    const nodes: ClusterNode[] = []
    for (let i = 0; i < SIZE; i++) {
      const name = `quorate-${i}`
      const volume = await engine.createVolume(name)
      nodes.push({ name, ports: { client: ports[i * 2]!, admin: ports[i * 2 + 1]! }, volume, containerId: '' })
    }
    await writeFile(join(directory, 'secret'), 'the secret of the docker suite')
    const tokens = `tokens: [{ token: ${TOKEN}, caller: root, roles: [client, admin] }]`
    await writeFile(join(directory, 'tokens.yaml'), tokens)
    // The nodes are another user.
    await chmod(directory, 0o755)
    return new ContainerCluster(engine, nodes, directory)
  }

  get endpoints(): string[] {
    return this.nodes.map(({ ports }) => `ws://127.0.0.1:${ports.client}`)
  }

  /** Makes and starts the container of a node; resolves when it is ready, or, without `isReadyAwaited`, when it runs. */
  async run(index: number, image: string, isReadyAwaited = true): Promise<void> {
    const node = this.nodes[index]!
    const { name, ports, volume } = node
    const published = [
      { host: ports.client, container: 7400 },
      { host: ports.admin, container: 7420 },
    ]
    const members = this.nodes.map(({ name, ports }) => `${name}=${name}:7410/127.0.0.1:${ports.client}`)
    const container = new NodeContainer(image, published, MEMORY_BYTES, id => (node.containerId = id))
      .withLabels(this.#engine.label)
      .withNetwork(this.#engine.network)
      .withNetworkAliases(name)
      .withHostname(name)
    const probe = isReadyAwaited ? '/readyz' : '/livez'
    await container
      .withBindMounts([
        { source: volume, target: '/data' },
        { source: CONFIGURATION, target: '/etc/quorate/config/config.yaml', mode: 'ro' },
        { source: this.#directory, target: '/etc/quorate/auth', mode: 'ro' },
      ])
      .withEnvironment({
        QUORATE_NAME: name,
        QUORATE_MEMBERS: members.join(','),
        QUORATE_STORAGE_BUDGET_BYTES: String(64 * 2 ** 20),
        // Many segments and checkpoints within the few minutes of the suite.
        QUORATE_STORAGE_SEGMENT_BYTES: String(2 ** 20),
        QUORATE_STORAGE_CHECKPOINT_LOG_BYTES: String(2 ** 18),
        QUORATE_STORAGE_CHECKPOINT_AGE_MS: '1000',
        NODE_OPTIONS: '--max-old-space-size=256',
      })
      .withCommand(['server', '--config', '/etc/quorate/config/config.yaml'])
      .withWaitStrategy(Wait.forHttp(probe, 7420).forStatusCode(200))
      .withStartupTimeout(PATIENCE_MS)
      .start()
  }

  container(index: number): ReturnType<Engine['docker']['getContainer']> {
    return this.#engine.docker.getContainer(this.nodes[index]!.containerId)
  }

  /** Stops a container in order. @returns the exit code of the node */
  async stop(index: number): Promise<number> {
    await this.container(index).stop({ t: 40 })
    return (await this.container(index).inspect()).State.ExitCode
  }

  /** Removes the container of a node, and leaves its volume. */
  async discard(index: number): Promise<void> {
    await this.container(index).remove({ force: true })
    this.nodes[index]!.containerId = ''
  }

  /** Freezes a container; on a busy machine the engine may need several attempts. */
  async pause(index: number): Promise<void> {
    await this.#until(`${this.nodes[index]!.name} is paused`, async () => {
      const failure = await this.container(index)
        .pause()
        .then(() => undefined, String)
      if (failure !== undefined && !/unable to freeze/.test(failure)) throw new Error(failure)
      return failure === undefined
    })
  }

  async disconnect(index: number): Promise<void> {
    await this.#network.disconnect({ Container: this.nodes[index]!.containerId, Force: true })
  }

  async reconnect(index: number): Promise<void> {
    const { containerId, name } = this.nodes[index]!
    await this.#network.connect({ Container: containerId, EndpointConfig: { Aliases: [name] } })
  }

  get #network(): ReturnType<Engine['docker']['getNetwork']> {
    return this.#engine.docker.getNetwork(this.#engine.network.getId())
  }

  /** What a node says on its admin port, with the suite's token; never throws. */
  async ask(index: number, path: string): Promise<Answer> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.nodes[index]!.ports.admin}${path}`, {
        headers: { authorization: `Bearer ${TOKEN}` },
        signal: AbortSignal.timeout(2_000),
      })
      return { status: answer.status, text: await answer.text() }
    } catch (error) {
      return { status: 0, text: String(error) }
    }
  }

  /** A figure of a node's metrics. */
  async metric(index: number, name: string): Promise<number> {
    const { text } = await this.ask(index, '/metrics')
    const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)
    if (found === null) throw new Error(`${this.nodes[index]!.name} has no figure ${name}: ${text.slice(0, 200)}`)
    return Number(found[1])
  }

  async ready(index: number): Promise<void> {
    const { name } = this.nodes[index]!
    await this.#until(`${name} is ready`, async () => (await this.ask(index, '/readyz')).status === 200)
  }

  /** Waits until a probe says what it is expected to. */
  async says(index: number, path: string, expected: RegExp): Promise<void> {
    const { name } = this.nodes[index]!
    await this.#until(`${name}${path} says ${expected}`, async () => expected.test((await this.ask(index, path)).text))
  }

  /** Waits until one of `among` leads; its index. */
  async leader(among: readonly number[] = [0, 1, 2]): Promise<number> {
    let found = -1
    await this.#until(`one of ${among.join(', ')} leads`, async () => {
      for (const index of among) if ((await this.ask(index, '/leaderz')).status === 200) found = index
      return found >= 0
    })
    return found
  }

  /** Waits until a node says that it does not lead. */
  async leadsNoMore(index: number): Promise<void> {
    const { name } = this.nodes[index]!
    await this.#until(`${name} leads no more`, async () => (await this.ask(index, '/leaderz')).status === 503)
  }

  /** Waits for the health check of the image. */
  async healthy(index: number): Promise<void> {
    const { name } = this.nodes[index]!
    const health = async (): Promise<string | undefined> => (await this.container(index).inspect()).State.Health?.Status
    await this.#until(`${name} is healthy`, async () => (await health()) === 'healthy')
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`it took too long until ${what}`)
      await delay(POLL_MS)
    }
  }

  async logs(index: number, lines: number): Promise<string> {
    if (this.nodes[index]!.containerId === '') return ''
    const bytes = await this.container(index).logs({ stdout: true, stderr: true, tail: lines })
    return textOfLog(bytes)
  }

  /** For people, when something has gone wrong: what the engine says of a node's container, what the node says, and the end of its log. */
  async describe(index: number): Promise<string> {
    const { name, containerId } = this.nodes[index]!
    if (containerId === '') return `${name} has no container`
    const { State } = await this.container(index).inspect()
    const { Status, ExitCode, OOMKilled, Error: error, StartedAt } = State
    const lines = [`${name}: ${JSON.stringify({ Status, ExitCode, OOMKilled, error, StartedAt })}`]
    for (const path of ['/livez', '/startupz', '/readyz?verbose']) {
      const { status, text } = await this.ask(index, path)
      lines.push(`${path} ${status} ${text.trim()}`)
    }
    return [...lines, await this.logs(index, 40)].join('\n')
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A log comes in pieces, each with a header of eight bytes: the stream, and in the last four the length. */
function textOfLog(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at + 8 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32BE(at + 4)
    text += bytes.toString('utf8', at + 8, end)
    at = end
  }
  return text
}
