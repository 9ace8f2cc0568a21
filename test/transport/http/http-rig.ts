import { ReplicaCore } from '../../../src/raft/index.ts'
import { createHttpApp } from '../../../src/transport/http/index.ts'
import type { HttpApp, HttpOptions } from '../../../src/transport/http/index.ts'
import { Trio } from '../../raft/replica/trio.ts'

export interface Answer {
  status: number
  headers: Headers
  bytes: Uint8Array
  /** The body as JSON; undefined if it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test asserts what it expects in there
  body: any
}

export interface Ask {
  headers?: Record<string, string>
  body?: string | Uint8Array
  isLoopback?: boolean
}

/** The HTTP door of one of three nodes on virtual time. */
export class HttpRig {
  readonly trio: Trio
  readonly app: HttpApp
  readonly faults: unknown[] = []
  readonly core: ReplicaCore
  readonly name: string

  constructor(trio: Trio, name: string, options: Partial<HttpOptions>) {
    this.trio = trio
    const { clock, timers, random } = trio.machines.get(name)!.process!
    const service = trio.node(name).replica
    this.name = name
    this.core = new ReplicaCore({ service, clock, timers, random })
    this.app = createHttpApp({
      service,
      core: this.core,
      authenticate: (token, isLoopback) => token ?? (isLoopback ? 'root' : undefined),
      serverVersion: '0.1.0',
      onFault: error => this.faults.push(error),
      ...options,
    })
  }

  static async open(options: Partial<HttpOptions> & { place?: 'leader' | 'follower' } = {}): Promise<HttpRig> {
    const { place = 'leader', ...rest } = options
    const trio = new Trio(11)
    await trio.start()
    const leader = await trio.untilLed()
    const name = place === 'leader' ? leader : [...trio.nodes.keys()].find(other => other !== leader)!
    const rig = new HttpRig(trio, name, rest)
    const headers = { authorization: 'Bearer root' }
    await rig.ask('POST', '/v1/ddl', { headers, body: JSON.stringify({ type: 'createProject', project: 'p' }) })
    return rig
  }

  ask(method: string, target: string, { headers = {}, body, isLoopback = true }: Ask = {}): Promise<Answer> {
    const request = new Request(`http://127.0.0.1:7400${target}`, {
      method,
      headers: { host: '127.0.0.1:7400', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : body.slice() }),
    })
    const answered = async (): Promise<Answer> => {
      const response = await this.app.fetch(request, { target, isLoopback })
      const bytes = new Uint8Array(await response.arrayBuffer())
      return { status: response.status, headers: response.headers, bytes, body: jsonOf(bytes) }
    }
    return this.trio.world.runToCompletion(answered())
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
