// How fast a snapshot of the whole state reaches an empty replica: leaf images read, framed, checked, installed on an unpublished
// root and committed to disk, between two state machines on real files: in one process (one processor for both sides), or with
// --sockets in two, over TCP.
// Run: node dist/bench/snapshot/snapshot.js [--megabytes 200] [--value 1000] [--receiver-budget 512] [--chunk 128] [--sockets]
import { fork } from 'node:child_process'
import { connect as dial, createServer, type AddressInfo, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  encodeConfiguration,
  encodeEntry,
  encodeEnvelope,
  encodeRequest,
  EntryKind,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import type { EntryBatch, Mutation } from '../../src/encoding/index.ts'
import { openStateMachine } from '../../src/engine/index.ts'
import type { EngineStateMachine } from '../../src/engine/index.ts'
import { nodeClock, nodeFiles, nodeRandom, nodeTimers } from '../../src/platform/node/index.ts'
import { SnapshotShipping } from '../../src/raft/snapshot-shipping/index.ts'
import type { ShippingOptions } from '../../src/raft/snapshot-shipping/index.ts'
import { PeerFrameCursor, PeerFrameWriter, readPeerMessage } from '../../src/raft/wire/index.ts'
import type { OutgoingPeerMessage } from '../../src/raft/wire/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atLeast, atMost, plain, renderTable } from '../lib/report.ts'

const DIRECTORY_ID = '0'.repeat(32)

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

const megabytes = option('megabytes', 200)
const valueBytes = option('value', 1_000)
const receiverBudgetMegabytes = option('receiver-budget', 512)
const chunkBytes = option('chunk', 128) << 10
const senderPort = option('sender-port', 0)
const folder = makeBenchFolder('snapshot')

async function openMachine(name: string, budgetMegabytes: number): Promise<EngineStateMachine> {
  const { machine } = await openStateMachine({
    files: nodeFiles(),
    directory: `${folder}/${name}`,
    directoryId: DIRECTORY_ID,
    groupId: 1,
    pageBytes: 8192,
    budgetBytes: budgetMegabytes << 20,
    clock: nodeClock(),
  })
  return machine
}

function member(nodeId: number): { nodeId: number; name: string; peerAddress: string; clientAddress: string } {
  return { nodeId, name: `n${nodeId}`, peerAddress: `h${nodeId}:7410`, clientAddress: `h${nodeId}:7400` }
}

async function fill(machine: EngineStateMachine): Promise<void> {
  let seq = 0
  const apply = async (kind: EntryKind, payload: Uint8Array): Promise<void> => {
    const bytes = encodeEntry({ kind, seq: ++seq, term: 1, leaderTimeMicros: 1_000_000 }, payload)
    const batch: EntryBatch = { firstSeq: seq, lastSeq: seq, bytes }
    while (machine.appliedSeq < seq) await machine.apply(batch, () => false).cold
    if (machine.isBusy) await machine.checkpoint(() => Promise.resolve(machine.appliedSeq))
  }
  const commit = (mutations: Mutation[]): Promise<void> => {
    const header = { caller: 'root', session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
    return apply(EntryKind.transaction, encodeRequest(header, encodeEnvelope({ mutations })))
  }
  const members = [1, 2].map(nodeId => ({ ...member(nodeId), directoryId: DIRECTORY_ID }))
  const lists = { voters: [1, 2], outgoing: [], learners: [], learnersNext: [] }
  await apply(EntryKind.configuration, encodeConfiguration({ historyId: 'a'.repeat(32), members, ...lists }))
  await commit([{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }])
  const keys = Math.floor((megabytes << 20) / (valueBytes + 20))
  for (let key = 0; key < keys;) {
    const mutations: Mutation[] = []
    for (; mutations.length < 64 && key < keys; key++) {
      const target = { project: 'p', key: utf8Bytes(`user/${String(key).padStart(10, '0')}`) }
      mutations.push({ type: 'kvSet', ...target, value: new Uint8Array(valueBytes).fill(key) })
    }
    await commit(mutations)
  }
  await machine.checkpoint(() => Promise.resolve(machine.appliedSeq))
}

interface Shipped {
  bytes: number
  /** When the last chunk was installed, and the processor time in us until then. */
  chunksAt: number
  chunksCpu: number
}

/** Both ends of a link of frames within the process: one frame a turn. */
function connect(sender: EngineStateMachine, receiver: EngineStateMachine): Promise<Shipped> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let chunksAt = 0
    let chunksCpu = 0
    const timers = nodeTimers()
    const ends: SnapshotShipping[] = []
    const end = (id: number, machine: EngineStateMachine): SnapshotShipping => {
      const writer = new PeerFrameWriter(1)
      const send = (to: number, message: OutgoingPeerMessage): boolean => {
        writer.add(message)
        const frame = writer.finish()
        bytes += frame.length
        timers.endOfTurn(() => {
          const cursor = new PeerFrameCursor()
          cursor.open(frame, 64 << 20)
          cursor.next()
          ends[to - 1]!.onMessage(readPeerMessage(cursor) as Parameters<SnapshotShipping['onMessage']>[0])
        })
        return true
      }
      const options: ShippingOptions = {
        machine,
        self: () => id,
        send,
        bufferedBytes: () => 0,
        clock: nodeClock(),
        timers,
        random: nodeRandom(),
        onSent: (_to, _seq, isOk) => (isOk ? resolve({ bytes, chunksAt, chunksCpu }) : reject(new Error('not sent'))),
        onInstalled: () => {},
        onFailed: reason => reject(new Error(reason)),
        beforeInstall: () => Promise.resolve(),
        beforeCommit: () => {
          chunksAt = performance.now()
          const { user, system } = process.cpuUsage()
          chunksCpu = user + system
          return Promise.resolve()
        },
        limits: { chunkBytes },
      }
      return new SnapshotShipping(options)
    }
    ends.push(end(1, sender), end(2, receiver))
    ends[0]!.ship(2, 1, 1, offer => ends[1]!.install(1, offer.meta))
  })
}

/** Frames over TCP: u32 length, frame. */
function frameSocket(
  socket: Socket,
  id: number,
  machine: EngineStateMachine,
  rest: Partial<ShippingOptions>,
): SnapshotShipping {
  socket.setNoDelay(true)
  const writer = new PeerFrameWriter(1)
  const shipping = new SnapshotShipping({
    machine,
    self: () => id,
    send: (_to, message) => {
      writer.add(message)
      const frame = writer.finish()
      const length = Buffer.alloc(4)
      length.writeUInt32LE(frame.length)
      socket.cork()
      socket.write(length)
      socket.write(frame)
      socket.uncork()
      return true
    },
    bufferedBytes: () => socket.writableLength,
    clock: nodeClock(),
    timers: nodeTimers(),
    random: nodeRandom(),
    onSent: () => {},
    onInstalled: () => {},
    onFailed: reason => {
      throw new Error(reason)
    },
    beforeCommit: () => Promise.resolve(),
    limits: { chunkBytes },
    ...rest,
  })
  let pieces: Buffer[] = []
  let held = 0
  let wanted = 4
  let isLength = true
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece)
    held += piece.length
    while (held >= wanted) {
      const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, held)
      const part = all.subarray(0, wanted)
      pieces = all.length > wanted ? [all.subarray(wanted)] : []
      held -= wanted
      isLength = !isLength
      wanted = isLength ? 4 : part.readUInt32LE(0)
      if (!isLength) continue
      const cursor = new PeerFrameCursor()
      cursor.open(part, 64 << 20)
      cursor.next()
      const message = readPeerMessage(cursor)
      if (message.type === 'snapshotOffer') shipping.install(1, message.meta)
      else shipping.onMessage(message as Parameters<SnapshotShipping['onMessage']>[0])
    }
  })
  return shipping
}

interface Received {
  digest: string
  /** Processor time from its start to the end of the install. */
  cpuMs: number
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The receiver's process: ends when it has told the sender that all is installed. */
async function receive(port: number): Promise<void> {
  const machine = await openMachine('receiver', receiverBudgetMegabytes)
  const socket = dial(port, '127.0.0.1')
  await new Promise(
    resolve => socket.once('close', resolve).on('error', resolve) && frameSocket(socket, 2, machine, {}),
  )
  process.send!({ digest: JSON.stringify(machine.digest), cpuMs: cpuMs() })
  await machine.close()
}

/** Ships to a process of its own; prints what a node's operator would see. */
async function shipOverSockets(): Promise<void> {
  const sender = await openMachine('sender', 512)
  await fill(sender)
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const child = fork(process.argv[1]!, [...process.argv.slice(2), '--sender-port', String(port)])
  const received = new Promise<Received>(resolve => child.once('message', message => resolve(message as Received)))
  const socket = await new Promise<Socket>(resolve => server.once('connection', resolve))
  const start = performance.now()
  const startCpuMs = cpuMs()
  await new Promise<void>(resolve => {
    const shipping = frameSocket(socket, 1, sender, { onSent: () => resolve() })
    const writer = new PeerFrameWriter(1)
    shipping.ship(2, 1, 1, offer => {
      writer.add(offer)
      const frame = writer.finish()
      const length = Buffer.alloc(4)
      length.writeUInt32LE(frame.length)
      socket.write(Buffer.concat([length, frame]))
    })
  })
  const mebibytes = socket.bytesWritten / 2 ** 20
  const rate = mebibytes / ((performance.now() - start) / 1000)
  const senderMs = cpuMs() - startCpuMs
  socket.destroy()
  server.close()
  const receiver = await received
  if (JSON.stringify(sender.digest) !== receiver.digest) throw new Error('not the same state')
  const section = 'snapshot'
  const rows = [
    plain(section, 'shipped to another process', mebibytes, 'MiB'),
    atLeast(section, 'over TCP, durable', rate, 100, 'MiB/s'),
    plain(section, "sender's processor time", senderMs / mebibytes, 'ms/MiB'),
    plain(section, "receiver's processor time, its start included", receiver.cpuMs / mebibytes, 'ms/MiB'),
  ]
  console.log(renderTable(rows))
  await sender.close()
}

async function shipInProcess(): Promise<void> {
  const sender = await openMachine('sender', 512)
  await fill(sender)
  const receiver = await openMachine('receiver', receiverBudgetMegabytes)
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const cpu = process.cpuUsage()
  const start = performance.now()
  const { bytes, chunksAt, chunksCpu } = await connect(sender, receiver)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  delays.disable()
  const mebibytes = bytes / 2 ** 20
  if (JSON.stringify(sender.digest) !== JSON.stringify(receiver.digest)) throw new Error('not the same state')
  const section = 'snapshot'
  console.log(
    renderTable([
      plain(section, 'shipped', mebibytes, 'MiB'),
      atLeast(section, 'both sides on one processor, durable', mebibytes / seconds, 50, 'MiB/s'),
      plain(section, 'before the commit', mebibytes / ((chunksAt - start) / 1000), 'MiB/s'),
      plain(section, 'processor time of that', (chunksCpu - cpu.user - cpu.system) / 1000 / mebibytes, 'ms/MiB'),
      plain(section, 'processor time in all', (user + system) / 1000 / mebibytes, 'ms/MiB'),
      plain(section, 'loop delay p50', delays.percentile(50) / 1e6, 'ms'),
      atMost(section, 'loop delay p99', delays.percentile(99) / 1e6, 10, 'ms'),
      plain(section, 'loop delay, longest', delays.max / 1e6, 'ms'),
    ]),
  )
  await sender.close()
  await receiver.close()
}

try {
  if (senderPort !== 0) await receive(senderPort)
  else if (process.argv.includes('--sockets')) await shipOverSockets()
  else await shipInProcess()
} finally {
  removeBenchFolder(folder)
}
