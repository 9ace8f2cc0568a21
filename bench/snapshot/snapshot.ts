// How fast the state of a node reaches another: leaf images read, framed, checked, installed beside the old state and made durable,
// between two processes over the real links of peers, on real files.
// Run: node dist/bench/snapshot/snapshot.js [--megabytes 1024] [--value 1000] [--budget 256] [--lag 200]
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { EngineStateMachine } from '../../src/engine/index.ts'
import type { PeerChannel, PeerTransport } from '../../src/model/index.ts'
import { nodePlatform } from '../../src/platform/node/index.ts'
import { SnapshotShipping } from '../../src/raft/snapshot-shipping/index.ts'
import type { SnapshotMessage } from '../../src/raft/snapshot-shipping/index.ts'
import { PeerFrameCursor, PeerFrameWriter, readPeerMessage } from '../../src/raft/wire/index.ts'
import type { OutgoingPeerMessage } from '../../src/raft/wire/index.ts'
import { createBenchTransport } from '../lib/peer-links.ts'
import { exitOf, freePort } from '../lib/processes.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atLeast, atMost, plain, renderTable } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'
import { Author, openMachine, shapeBytes } from './state.ts'
import type { Shape } from './state.ts'

const FRAME_BYTES_MAX = 64 << 20
const MB = 1e6

interface Case extends Shape {
  readonly name: string
  readonly budgetBytes: number
  /** Bytes of values that are changed for the incremental one; 0 = none. */
  readonly lagBytes: number
}

function caseOf(
  name: string,
  megabytes: number,
  valueBytes: number,
  lagMegabytes: number,
  budgetMegabytes: number,
): Case {
  const keys = Math.ceil((megabytes * 1024 * 1024) / shapeBytes({ keys: 1, valueBytes }))
  return { name, keys, valueBytes, budgetBytes: budgetMegabytes << 20, lagBytes: lagMegabytes << 20 }
}

const CASES: readonly Case[] = [
  caseOf('1 GiB in values of 1,000 B', 1024, 1000, 200, 256),
  caseOf('128 MiB in values of 40 B', 128, 40, 0, 256),
  caseOf('256 MiB in values of 256 B', 256, 256, 0, 256),
  caseOf('512 MiB in values of 64 KiB', 512, 65_536, 0, 256),
]

/** What a process has used since the last question. */
interface Usage {
  readonly cpuMs: number
  readonly residentMiB: number
}

interface Answer extends Usage {
  readonly digest: string
  readonly seq: number
}

let cpu = process.cpuUsage()
function usage(): Usage {
  const { user, system } = process.cpuUsage(cpu)
  cpu = process.cpuUsage()
  return { cpuMs: (user + system) / 1000, residentMiB: process.resourceUsage().maxRSS / 1024 }
}

/** One end: the links, shipping over them, and the state. `self` is 1 or 2. */
class End {
  readonly machine: EngineStateMachine
  readonly author: Author
  readonly shipping: SnapshotShipping
  readonly transport: PeerTransport
  onSent: (isOk: boolean) => void = () => {}
  bytes = 0
  readonly #self: number
  readonly #other: string

  private constructor(self: number, machine: EngineStateMachine, ports: readonly number[]) {
    this.#self = self
    this.#other = `n${3 - self}`
    this.machine = machine
    this.author = new Author(machine)
    this.transport = createBenchTransport(`n${self}`, ports)
    const { clock, timers, random } = nodePlatform()
    this.shipping = new SnapshotShipping({
      machine,
      self: () => self,
      send: (_to, message) => this.#send(message),
      bufferedBytes: () => this.transport.bufferedBytes(this.#other, 'snapshot'),
      clock,
      timers,
      random,
      onSent: (_to, _seq, isOk) => this.onSent(isOk),
      onMisfit: () => {},
      onInstalled: () => {},
      onFailed: reason => {
        throw new Error(reason)
      },
      beforeInstall: () => Promise.resolve(),
      beforeCommit: () => Promise.resolve(),
    })
  }

  static async open(self: number, directory: string, budgetBytes: number, ports: readonly number[]): Promise<End> {
    const end = new End(self, await openMachine(directory, budgetBytes), ports)
    const { transport } = end
    const linked = new Promise<void>(resolve => {
      const open = new Set<PeerChannel>()
      transport.onLink = (_peer, channel) => {
        if (open.add(channel).size === 3) resolve()
      }
    })
    const cursor = new PeerFrameCursor()
    transport.onFrame = (_peer, _channel, frame) => {
      end.bytes += frame.length
      cursor.open(frame, FRAME_BYTES_MAX)
      while (cursor.next()) {
        const message = readPeerMessage(cursor)
        if (message.type === 'snapshotOffer') end.shipping.install(1, message.meta)
        else end.shipping.onMessage(message as SnapshotMessage)
      }
    }
    await transport.start()
    await linked
    return end
  }

  /** Ships the present state; resolves when the other end has told that it is durable there. */
  async ship(): Promise<number> {
    const start = performance.now()
    await new Promise<void>((resolve, reject) => {
      this.onSent = isOk => (isOk ? resolve() : reject(new Error('not sent')))
      this.shipping.ship(2, 1, 1, offer => this.#send(offer))
    })
    return (performance.now() - start) / 1000
  }

  answer(): Answer {
    return { ...usage(), digest: JSON.stringify(this.machine.digest), seq: this.machine.appliedSeq }
  }

  async close(): Promise<void> {
    await this.shipping.close()
    await this.transport.close()
    await this.machine.close()
  }

  #send(message: OutgoingPeerMessage): boolean {
    const writer = new PeerFrameWriter(1)
    writer.add(message)
    const isBulk = this.#self === 1 && message.type !== 'snapshotOffer'
    return this.transport.send(this.#other, isBulk ? 'snapshot' : 'control', writer.finish())
  }
}

/** What the parent asks of an end. */
type Wish =
  | { readonly type: 'write'; readonly from: number; readonly count: number; readonly valueBytes: number }
  | { readonly type: 'begin' | 'reachDigest' | 'checkpoint' | 'usage' | 'ship' | 'close' }

async function fulfil(end: End, wish: Wish): Promise<unknown> {
  switch (wish.type) {
    case 'write':
      return end.author.write(wish.from, wish.count, wish.valueBytes)
    case 'begin':
    case 'reachDigest':
    case 'checkpoint':
      return end.author[wish.type]()
    case 'usage':
      return end.answer()
    case 'ship':
      return end.ship()
    case 'close':
      await end.close()
      process.disconnect()
      return undefined
    default:
      return wish satisfies never
  }
}

/** The process of one end. */
async function serve(self: number, directory: string, budgetBytes: number, ports: readonly number[]): Promise<void> {
  const end = await End.open(self, directory, budgetBytes, ports)
  process.on('message', wish => {
    void fulfil(end, wish as Wish).then(answer => process.connected && process.send!({ answer }))
  })
  process.send!({ answer: 'ready' })
}

function ask<T>(child: ChildProcess, wish: Wish): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', message => resolve((message as { answer: T }).answer))
    child.once('exit', code => reject(new Error(`an end ended with ${code}`)))
    child.send(wish)
  })
}

async function measure(one: Case): Promise<Row[]> {
  const folder = makeBenchFolder('snapshot')
  const ports = `${await freePort()},${await freePort()}`
  const ends = [1, 2].map(self =>
    fork(fileURLToPath(import.meta.url), ['--end', String(self), `${folder}/n${self}`, String(one.budgetBytes), ports]),
  )
  for (const end of ends) end.setMaxListeners(100)
  const [sender, receiver] = ends as [ChildProcess, ChildProcess]
  try {
    await Promise.all(ends.map(end => new Promise(resolve => end.once('message', resolve))))
    const empty = await ask<Answer>(receiver, { type: 'usage' })
    await ask(sender, { type: 'begin' })
    await ask(sender, { type: 'write', from: 0, count: one.keys, valueBytes: one.valueBytes })
    await ask(sender, { type: 'checkpoint' })
    const rows = await shipped(one.name, shapeBytes(one), sender, receiver, empty.residentMiB, one.budgetBytes)
    if (one.lagBytes > 0) rows.push(...(await lagging(one, sender, receiver)))
    for (const end of ends) end.send({ type: 'close' } satisfies Wish)
    await Promise.all(ends.map(exitOf))
    return rows
  } finally {
    for (const end of ends) end.kill('SIGKILL')
    await Promise.all(ends.map(exitOf))
    removeBenchFolder(folder)
  }
}

async function shipped(
  name: string,
  bytes: number,
  sender: ChildProcess,
  receiver: ChildProcess,
  emptyMiB: number,
  budgetBytes: number,
): Promise<Row[]> {
  const before = await ask<Answer>(sender, { type: 'usage' })
  await ask<Answer>(receiver, { type: 'usage' })
  const seconds = await ask<number>(sender, { type: 'ship' })
  const [from, to] = [await ask<Answer>(sender, { type: 'usage' }), await ask<Answer>(receiver, { type: 'usage' })]
  if (from.digest !== to.digest) throw new Error('not the same state')
  const megabytes = bytes / MB
  const budget = budgetBytes / 2 ** 20
  return [
    atLeast('snapshot', `${name}, to an empty node, durable`, megabytes / seconds, 100, 'MB/s'),
    plain('snapshot', `${name}: processor time of the sender`, from.cpuMs / megabytes, 'ms/MB'),
    plain('snapshot', `${name}: processor time of the receiver`, to.cpuMs / megabytes, 'ms/MB'),
    plain(
      'snapshot',
      `${name}: largest RSS of the sender, which had ${Math.round(before.residentMiB)}`,
      from.residentMiB,
      'MiB',
    ),
    atMost('snapshot', `${name}: largest RSS of the receiver`, to.residentMiB, emptyMiB + budget + 64, 'MiB'),
  ]
}

/** Both go on to a point that both record; then the sender alone changes a stretch of keys. */
async function lagging(one: Case, sender: ChildProcess, receiver: ChildProcess): Promise<Row[]> {
  for (const end of [sender, receiver]) {
    await ask(end, { type: 'reachDigest' })
    await ask(end, { type: 'checkpoint' })
  }
  const count = Math.floor(one.lagBytes / one.valueBytes)
  await ask(sender, { type: 'write', from: one.keys >>> 1, count, valueBytes: one.valueBytes })
  await ask(sender, { type: 'checkpoint' })
  await ask<Answer>(receiver, { type: 'usage' })
  const seconds = await ask<number>(sender, { type: 'ship' })
  const [from, to] = [await ask<Answer>(sender, { type: 'usage' }), await ask<Answer>(receiver, { type: 'usage' })]
  if (from.digest !== to.digest) throw new Error('not the same state')
  const what = `a node that lags by ${Math.round(one.lagBytes / MB)} MB of ${one.name}`
  return [
    plain('snapshot', `${what}: level and durable after`, seconds, 's'),
    plain('snapshot', `${what}: that is`, one.lagBytes / MB / seconds, 'MB/s'),
  ]
}

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

export async function run(cases: readonly Case[] = CASES): Promise<Row[]> {
  const rows: Row[] = []
  for (const one of cases) rows.push(...(await measure(one)))
  return rows
}

const endAt = process.argv.indexOf('--end')
if (endAt > 0) {
  const [self, directory, budget, ports] = process.argv.slice(endAt + 1)
  await serve(Number(self), directory!, Number(budget), ports!.split(',').map(Number))
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const megabytes = option('megabytes', 1024)
  const valueBytes = option('value', 1000)
  const name = `${megabytes} MiB in values of ${valueBytes} B`
  const rows = await run([caseOf(name, megabytes, valueBytes, option('lag', 0), option('budget', 256))])
  process.stdout.write(`${renderTable(rows)}\n`)
}
