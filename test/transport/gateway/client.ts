import { ByteWriter, encodeEnvelope } from '../../../src/encoding/index.ts'
import type { TransactionEnvelope } from '../../../src/encoding/index.ts'
import {
  appendClientMessage,
  CLIENT_SUBPROTOCOL_BINARY,
  ClientFrameCursor,
  clientMessagesToJson,
  readServerMessage,
  serverMessagesFromJson,
} from '../../../src/model/index.ts'
import type { ClientMessage, NodeService, ServerMessage, SlowRequests } from '../../../src/model/index.ts'
import type { FrameLink } from '../../../src/platform/index.ts'
import { createGateway } from '../../../src/transport/gateway/index.ts'
import type { AcceptOptions, Gateway, GatewayOptions } from '../../../src/transport/gateway/index.ts'
import { Trio } from '../../raft/replica/trio.ts'

/** The server's end of a link without a network: what is sent lies in `sent` until the test looks, `bufferedBytes` is the test's. */
export class TestLink implements FrameLink {
  bufferedBytes = 0
  readonly remoteAddress = '127.0.0.1:50000'
  onFrame: FrameLink['onFrame'] = undefined
  onClose: FrameLink['onClose'] = undefined
  readonly sent: Uint8Array[] = []
  closed: { code: number; reason: string } | undefined
  isPaused = false
  /** Frames lie in `bufferedBytes` until the test says otherwise. */
  isSlow = false

  send(frame: Uint8Array): void {
    if (this.closed !== undefined) return
    this.sent.push(frame)
    if (this.isSlow) this.bufferedBytes += frame.length
  }

  close(code = 1000, reason = ''): void {
    this.closed ??= { code, reason }
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }
}

const utf8 = new TextEncoder()
const text = new TextDecoder()

/** A client that says exactly what a test wants. */
export class TestClient {
  readonly link = new TestLink()
  readonly messages: ServerMessage[] = []
  frames = 0
  readonly #isJson: boolean

  constructor(subprotocol: string = CLIENT_SUBPROTOCOL_BINARY) {
    this.#isJson = subprotocol.endsWith('+json')
  }

  say(...messages: ClientMessage[]): void {
    this.link.onFrame!(this.frame(...messages))
  }

  frame(...messages: ClientMessage[]): Uint8Array {
    if (this.#isJson) return utf8.encode(clientMessagesToJson(messages))
    const out = new ByteWriter()
    for (const message of messages) appendClientMessage(out, message)
    return out.finish()
  }

  /** Everything heard so far. */
  heard(): readonly ServerMessage[] {
    for (const frame of this.link.sent.splice(0)) {
      this.frames++
      if (this.#isJson) this.messages.push(...serverMessagesFromJson(text.decode(frame), 1 << 30))
      else {
        const cursor = new ClientFrameCursor()
        cursor.open(frame, 1 << 30)
        while (cursor.next()) this.messages.push(readServerMessage(cursor))
      }
    }
    return this.messages
  }

  find<T extends ServerMessage['type']>(type: T, requestId?: number): Extract<ServerMessage, { type: T }> | undefined {
    return this.heard().find(m => m.type === type && (requestId === undefined || m.requestId === requestId)) as
      | Extract<ServerMessage, { type: T }>
      | undefined
  }

  all<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { type: T }>[] {
    return this.heard().filter(m => m.type === type) as Extract<ServerMessage, { type: T }>[]
  }
}

export interface RigOptions {
  seed?: number
  limits?: GatewayOptions['limits']
  /** Which node: the leader, or one that is not. */
  place?: 'leader' | 'follower'
  /** Changes what the gateway sees of the node. */
  wrap?: (service: NodeService) => NodeService
  authenticate?: GatewayOptions['authenticate']
  slow?: SlowRequests
}

/** Three nodes on virtual time, with a gateway at one of them. */
export class Rig {
  readonly trio: Trio
  readonly name: string
  readonly gateway: Gateway
  readonly service: NodeService
  readonly faults: unknown[] = []
  /** Who read in whose name. */
  readonly impersonations: string[] = []

  private constructor(trio: Trio, name: string, options: RigOptions) {
    this.trio = trio
    this.name = name
    const { clock, timers, random } = trio.machines.get(name)!.process!
    const { replica } = trio.node(name)
    this.service = options.wrap?.(replica) ?? replica
    this.gateway = createGateway({
      service: this.service,
      clock,
      timers,
      random,
      serverVersion: '0.1.0',
      authenticate: options.authenticate ?? ((token, isLoopback) => (isLoopback ? (token ?? 'root') : token)),
      limits: options.limits ?? {},
      ...(options.slow !== undefined && { slow: options.slow }),
      onFault: error => this.faults.push(error),
      onImpersonation: (actor, caller) => this.impersonations.push(`${actor} as ${caller}`),
    })
  }

  static async open(options: RigOptions = {}): Promise<Rig> {
    const trio = new Trio(options.seed ?? 7)
    await trio.start()
    const leader = await trio.untilLed()
    const other = [...trio.nodes.keys()].find(name => name !== leader)!
    const rig = new Rig(trio, options.place === 'follower' ? other : leader, options)
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, { mutations: [ddl({ type: 'createProject', project: 'p' })] })
    await trio.until('the node to follow', () => trio.node(rig.name).machine.appliedSeq >= session + 1)
    return rig
  }

  connect(options: Partial<AcceptOptions> = {}): TestClient {
    const client = new TestClient(options.subprotocol)
    this.gateway.accept(client.link, { subprotocol: CLIENT_SUBPROTOCOL_BINARY, isLoopback: true, ...options })
    return client
  }

  /** A client with a session. */
  async welcome(options: Partial<AcceptOptions> & { as?: string } = {}): Promise<TestClient> {
    const client = this.connect(options)
    client.say(hello({ session: { id: 0, nonce: this.nonce() }, ...(options.as !== undefined && { as: options.as }) }))
    await this.until('welcome', () => client.find('welcome') !== undefined)
    return client
  }

  nonce(): Uint8Array {
    return Uint8Array.from({ length: 16 }, () => this.trio.world.random.below(256))
  }

  until(what: string, isTrue: () => boolean, limitMs?: number): Promise<void> {
    return this.trio.until(what, isTrue, limitMs)
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    const { world } = this.trio
    await world.runToCompletion(world.delay(ms))
  }
}

/** The node with some of its methods replaced. */
export function withMethods(service: NodeService, methods: Partial<NodeService>): NodeService {
  return new Proxy(service, {
    get(target, name) {
      if (name in methods) return methods[name as keyof NodeService]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

export function ddl(operation: Extract<TransactionEnvelope['mutations'][number], { type: 'ddl' }>['operation']): {
  type: 'ddl'
  operation: typeof operation
} {
  return { type: 'ddl', operation }
}

type Fields<T extends ClientMessage['type']> = Partial<Omit<Extract<ClientMessage, { type: T }>, 'type'>>

export function hello(fields: Fields<'hello'> = {}): ClientMessage {
  return { type: 'hello', requestId: 1, protocol: 1, clientName: 'test', clientVersion: '1', ...fields }
}

export const key = (name: string): Uint8Array => utf8.encode(name)

export function put(name: string, value: string, project = 'p'): TransactionEnvelope {
  return { mutations: [{ type: 'kvSet', project, key: key(name), value: key(value) }] }
}

export function commit(
  requestId: number,
  serial: number,
  envelope: TransactionEnvelope,
  fields: Fields<'commit'> = {},
): ClientMessage {
  return {
    type: 'commit',
    requestId,
    serial,
    acknowledgedThrough: 0,
    notAfterMicros: 0,
    copy: 0,
    caller: '',
    envelope: encodeEnvelope(envelope),
    ...fields,
  }
}

export function get(requestId: number, name: string, fields: Fields<'read'> = {}): ClientMessage {
  return {
    type: 'read',
    requestId,
    timeoutMs: 0,
    viewId: 0,
    consistency: 'linearizable',
    caller: '',
    request: { type: 'get', project: 'p', scope: 'app', keys: [key(name)] },
    ...fields,
  }
}

export function watch(requestId: number, fields: Fields<'watch'> = {}): ClientMessage {
  return {
    type: 'watch',
    requestId,
    caller: '',
    project: 'p',
    scope: 'app',
    prefix: new Uint8Array(0),
    from: undefined,
    ...fields,
  }
}
