import { after } from 'node:test'
import { createAdminApp, nodeMetrics, processMetrics } from '../../src/admin/index.ts'
import type { AdminApp, AdminOptions, LagLimits, NodeHealth } from '../../src/admin/index.ts'
import { RunningRequests } from '../../src/model/index.ts'
import { watchProcess } from '../../src/platform/node/index.ts'
import { Trio } from '../raft/replica/trio.ts'

export const HEALTHY: NodeHealth = {
  storage: undefined,
  unjoined: undefined,
  fenced: undefined,
  start: { phase: 'started', share: 1 },
  knowsCommit: true,
}

export interface Answer {
  status: number
  text: string
  headers: Headers
}

const watched = watchProcess()
after(() => watched.stop())

/** The admin port of one of three nodes on virtual time. */
export class AdminRig {
  readonly trio = new Trio(3)
  readonly actions: string[] = []
  readonly done: string[] = []
  health: NodeHealth = HEALTHY
  /** In place of a read of the node's state. */
  readLocal: (() => Promise<unknown>) | undefined
  /** Entries by which the node seems to lag beyond what it does. */
  lag = 0
  readiness: LagLimits | undefined
  /** In place of, and beyond, what is said below. */
  also: Partial<AdminOptions> = {}
  name = ''
  app!: AdminApp

  async open(place: 'leader' | 'follower' = 'leader'): Promise<this> {
    await this.trio.start()
    const leader = await this.trio.untilLed()
    this.name = place === 'leader' ? leader : [...this.trio.nodes.keys()].find(name => name !== leader)!
    const { replica, machine } = this.trio.node(this.name)
    const { clock, timers } = this.trio.machines.get(this.name)!.process!
    const status = replica.status.bind(replica)
    replica.status = () => ({ ...status(), commitSeq: status().commitSeq + this.lag })
    this.app = createAdminApp({
      service: replica,
      clock,
      timers,
      health: () => this.health,
      readLocal: () => this.readLocal?.() ?? machine.auditRows(0, Number.MAX_SAFE_INTEGER),
      ...(this.readiness && { readiness: this.readiness }),
      authenticate: (token, isLoopback) => (token === 'ops' || (token === undefined && isLoopback) ? 'ops' : undefined),
      metrics: [nodeMetrics(replica), processMetrics(() => watched.read())],
      requests: { running: new RunningRequests([replica.commits]), slow: replica.slow },
      serverVersion: '0.1.0',
      actions: {
        transferLeadership: to => replica.transferLeadership(to, 5_000),
        drain: () => Promise.resolve(void this.done.push('drain')),
        checkpoint: () => replica.checkpoint(),
        audit: (limit, beforeSeq) => machine.auditRows(limit, beforeSeq),
      },
      onAction: (caller, action) => this.actions.push(`${caller} ${action}`),
      ...this.also,
    })
    return this
  }

  async ask(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
    isLoopback = true,
  ): Promise<Answer> {
    const request = new Request(`http://127.0.0.1:7420${path}`, {
      method,
      headers: { host: '127.0.0.1:7420', ...headers },
      ...(body !== undefined && { body }),
    })
    const { world } = this.trio
    const answered = async (): Promise<Answer> => {
      const response = await this.app.fetch(request, { isLoopback })
      return { status: response.status, text: await response.text(), headers: response.headers }
    }
    return world.runToCompletion(answered())
  }

  async status(path: string): Promise<number> {
    return (await this.ask('GET', path, {}, undefined, false)).status
  }

  pass(ms: number): Promise<void> {
    return this.trio.world.runToCompletion(this.trio.world.delay(ms))
  }
}
