import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../../src/platform/simulated/index.ts'
import { FaultProxy } from '../../src/testing/index.ts'
import { ProcessCluster, quorate } from '../cluster/processes.ts'
import { SmallDisk } from './small-disk.ts'

/** Whom the proxy takes the clients for. */
export const CLIENTS = 'clients'
export const NODES: readonly number[] = [0, 1, 2]
/** The node whose directory is a file system of its own, where the machine allows it. */
export const SMALL_DISK_NODE = 2

/** What a node logs when its doors are open. */
const SERVES = 'the node serves'
const STOP_MS = 40_000
const READY_MS = 60_000
const STORAGE = { segmentBytes: 1 << 18, checkpointAgeMs: 1_000, checkpointLogBytes: 1 << 18, budgetBytes: 1 << 23 }

/** Three nodes whose links to each other and to clients go through the fault proxy, and what befell their processes. */
export class ChaosSystem {
  readonly cluster: ProcessCluster
  readonly proxy: FaultProxy
  /** Undefined where this machine does not let a file system be mounted. */
  readonly disk: SmallDisk | undefined
  /** Where clients connect: through the proxy. */
  readonly endpoints: string
  /** What no fault explains. */
  readonly violations: string[] = []
  /** Nodes that some fault works on: others leave them alone. */
  readonly taken = new Set<number>()
  readonly #ending = new Set<number>()
  #isDiskFull = false

  private constructor(cluster: ProcessCluster, proxy: FaultProxy, disk: SmallDisk | undefined, endpoints: string) {
    this.cluster = cluster
    this.proxy = proxy
    this.disk = disk
    this.endpoints = endpoints
  }

  static async start(random: SeededRandom): Promise<ChaosSystem> {
    const proxy = new FaultProxy({ random })
    const endpoints: string[] = []
    let disk: SmallDisk | undefined
    const cluster = await ProcessCluster.create({
      storage: STORAGE,
      reach: async ({ name, ports }) => {
        const host = '127.0.0.1'
        const peer = await proxy.open({ to: name, host, port: ports.peer })
        const client = await proxy.open({ to: name, host, port: ports.client, from: CLIENTS })
        endpoints.push(`127.0.0.1:${client}`)
        return { peer, client }
      },
      prepare: async ({ name, directory }) => {
        if (name === `n${SMALL_DISK_NODE}`) disk = await SmallDisk.mount(directory)
      },
    })
    const system = new ChaosSystem(cluster, proxy, disk, endpoints.join(','))
    try {
      for (const node of NODES) system.start(node)
      await cluster.leader()
      return system
    } catch (error) {
      await system.remove()
      throw error
    }
  }

  start(node: number): void {
    this.cluster.start(node)
    const { process, exit, name } = this.cluster.nodes[node]!
    void exit.then(code => {
      const current = this.cluster.nodes[node]!
      if (current.process !== process) return
      current.process = undefined
      if (this.#ending.has(node) || (this.#isDiskFull && node === SMALL_DISK_NODE)) return
      this.violations.push(`${name} ended by itself with ${code}:\n${current.errors.slice(-2_000)}`)
    })
  }

  isRunning(node: number): boolean {
    return this.cluster.nodes[node]!.process !== undefined
  }

  ensureRunning(node: number): void {
    if (!this.isRunning(node)) this.start(node)
  }

  /** Ends a node, if it runs, and waits until it is gone. SIGTERM must do within the time that an orderly stop has. */
  async end(node: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.isRunning(node)) return
    const { process, exit, name } = this.cluster.nodes[node]!
    this.#ending.add(node)
    this.cluster.signal(node, signal)
    const end = new AbortController()
    const isLate = await Promise.race([
      exit.then(() => false),
      delay(STOP_MS, true, { signal: end.signal }).catch(() => false),
    ])
    end.abort()
    if (isLate) {
      this.violations.push(`${name} did not stop within ${STOP_MS} ms of ${signal}`)
      this.cluster.signal(node, 'SIGKILL')
      await exit
    } else if (signal === 'SIGTERM') {
      const code = await exit
      // Before a process serves nobody has asked for an orderly end yet.
      const isExcused =
        (this.#isDiskFull && node === SMALL_DISK_NODE) || !this.cluster.nodes[node]!.errors.includes(SERVES)
      if (code !== 0 && !isExcused) this.violations.push(`${name} ended with ${code} after SIGTERM`)
    }
    // Another fault may have started it again meanwhile.
    const current = this.cluster.nodes[node]!
    if (current.process === process) current.process = undefined
    this.#ending.delete(node)
  }

  async fillDisk(): Promise<void> {
    this.#isDiskFull = true
    await this.disk!.fill()
  }

  /** The node may have ended meanwhile: the caller starts it again. */
  async freeDisk(): Promise<void> {
    await this.disk!.free()
    await this.end(SMALL_DISK_NODE, 'SIGKILL')
    this.#isDiskFull = false
  }

  readonly resetLinks = (): number => this.#links((a, b) => this.proxy.reset(a, b))
  readonly tearLinks = (): number => this.#links((a, b) => this.proxy.tear(a, b))
  readonly resetClients = (): number => this.proxy.reset(CLIENTS)
  readonly tearClients = (): number => this.proxy.tear(CLIENTS)

  #links(act: (a: string, b: string) => number): number {
    return act('n0', 'n1') + act('n0', 'n2') + act('n1', 'n2')
  }

  /** The node that leads, if one says so now. */
  async leader(): Promise<number | undefined> {
    const answers = await Promise.all(NODES.map(node => this.#answers(node, '/leaderz')))
    const found = answers.indexOf(true)
    return found < 0 ? undefined : found
  }

  isReady(node: number): Promise<boolean> {
    return this.#answers(node, '/readyz')
  }

  /** Waits until all nodes take part; answers after how long, ms. */
  async untilReady(): Promise<number> {
    const startedMs = performance.now()
    for (const node of NODES) {
      while (!(await this.isReady(node))) {
        if (performance.now() - startedMs > READY_MS) {
          const { name, errors } = this.cluster.nodes[node]!
          throw new Error(`${name} is not ready ${READY_MS} ms after all faults ended:\n${errors.slice(-3_000)}`)
        }
        await delay(20)
      }
    }
    return performance.now() - startedMs
  }

  /** POST to the admin port; false where it did not do what was asked. */
  async ask(node: number, path: string): Promise<boolean> {
    try {
      const headers = { 'content-type': 'application/json' }
      const signal = AbortSignal.timeout(5_000)
      const answer = await fetch(this.#url(node, path), { method: 'POST', body: '{}', headers, signal })
      return answer.ok
    } catch {
      return false
    }
  }

  async metric(node: number, name: string): Promise<number> {
    const answer = await fetch(this.#url(node, '/metrics'), { signal: AbortSignal.timeout(5_000) })
    const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())?.[1]
    return Number(value)
  }

  /** Ends all nodes in order and has their directories checked: exit 0 of both. */
  async endAndCheck(): Promise<void> {
    await Promise.all(NODES.map(node => this.end(node, 'SIGTERM')))
    for (const { name, directory } of this.cluster.nodes) {
      const { code, output, errors } = await quorate('check', 'data', directory)
      if (code !== 0)
        this.violations.push(`check data of ${name} ended with ${code}: ${(output + errors).slice(-2_000)}`)
    }
  }

  /** Ends what this started and removes what it made. */
  async remove(): Promise<void> {
    for (const node of NODES) this.#ending.add(node)
    await this.proxy.close()
    for (const [node, { process }] of this.cluster.nodes.entries()) {
      if (process === undefined) continue
      this.cluster.signal(node, 'SIGCONT')
      await this.cluster.kill(node)
    }
    await this.disk?.unmount()
    await this.cluster.remove()
  }

  /** The end of every node's log, for a report of what went wrong. */
  logs(): string {
    return this.cluster.nodes.map(({ name, errors }) => `--- ${name}\n${errors.slice(-8_000)}`).join('\n')
  }

  directoryOf(node: number): string {
    return join(this.cluster.directory, `n${node}`)
  }

  #url(node: number, path: string): string {
    return `http://127.0.0.1:${this.cluster.nodes[node]!.ports.admin}${path}`
  }

  async #answers(node: number, path: string): Promise<boolean> {
    if (!this.isRunning(node)) return false
    try {
      return (await fetch(this.#url(node, path), { signal: AbortSignal.timeout(1_000) })).ok
    } catch {
      return false
    }
  }
}
