// What the gateway costs per request: frames of 64 commits or reads of 256-byte values from one client, over a node that answers at
// once with nothing done. Prints us of processor time per item (median of the rounds), frames decoded and answers encoded included.
// Run: node dist/bench/gateway/requests.js
import { ByteWriter, encodeEnvelope, encodePlainCommit, utf8Bytes } from '../../src/encoding/index.ts'
import { appendClientMessage, CLIENT_SUBPROTOCOL_BINARY, DEFAULT_SETTINGS } from '../../src/model/index.ts'
import type { ClientMessage, NodeService, StateView } from '../../src/model/index.ts'
import type { FrameLink } from '../../src/platform/index.ts'
import { nodeClock, nodeRandom } from '../../src/platform/node/index.ts'
import { createGateway } from '../../src/transport/gateway/index.ts'

const ITEMS = 64
const ROUNDS = 15
const FRAMES = 1_500

const value = new Uint8Array(256).fill(7)
const key = utf8Bytes('user/123456')
const outcome = encodePlainCommit(123_456)
const historyId = 'a'.repeat(32)
const entry = { key, value, seq: 7, createdSeq: 7, expiresAtMicros: undefined }

const view: StateView = {
  seq: 123_456,
  leaderTimeMicros: 1,
  read: () => ({ type: 'get', entries: [entry] }),
  readSync: () => ({ type: 'get', entries: [entry] }),
  release: () => undefined,
}

const service = {
  historyId,
  settings: DEFAULT_SETTINGS,
  leaderTimeMicros: 1_700_000_000_000_000,
  submit: (_request, onOutcome) => onOutcome(outcome, undefined),
  whenReadable: (_consistency, _deadlineMs, onView) => onView(view, undefined),
  topology: { historyId, term: 1, version: 1, leaderId: 1, nodeId: 1, members: [] },
  onTopology: () => () => undefined,
} as Partial<NodeService> as NodeService

let turn: (() => void) | undefined
const gateway = createGateway({
  service,
  clock: nodeClock(),
  random: nodeRandom(),
  timers: { after: () => ({ cancel: () => undefined }), endOfTurn: task => (turn = task) },
  authenticate: () => 'root',
  serverVersion: '0.1.0',
})
const link: FrameLink = {
  bufferedBytes: 0,
  remoteAddress: '127.0.0.1:1',
  onFrame: undefined,
  onClose: undefined,
  send: () => undefined,
  close: () => undefined,
}
gateway.accept(link, { subprotocol: CLIENT_SUBPROTOCOL_BINARY, isLoopback: true })

function frameOf(messages: readonly ClientMessage[]): Uint8Array {
  const out = new ByteWriter(1 << 16)
  for (const message of messages) appendClientMessage(out, message)
  return out.finish()
}

function deliver(frame: Uint8Array): void {
  link.onFrame!(frame)
  turn?.()
  turn = undefined
}

function measure(name: string, messages: readonly ClientMessage[]): void {
  const frame = frameOf(messages)
  for (let i = 0; i < FRAMES; i++) deliver(frame)
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Processor time, not wall time: other work on the machine does not count.
    const start = process.cpuUsage()
    for (let i = 0; i < FRAMES; i++) deliver(frame)
    const { user, system } = process.cpuUsage(start)
    rounds.push((user + system) / FRAMES / messages.length)
  }
  console.log(`${name.padEnd(32)} ${rounds.sort((a, b) => a - b)[ROUNDS >> 1]!.toFixed(3)} us`)
}

const session = { id: 5, nonce: new Uint8Array(16) }
deliver(frameOf([{ type: 'hello', requestId: 1, protocol: 1, clientName: 'bench', clientVersion: '1', session }]))
const envelope = encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'shop', key, value }] })
const ids = Array.from({ length: ITEMS }, (_, i) => i + 2)
measure(
  'commit, 64 in a frame',
  ids.map(id => ({
    type: 'commit',
    requestId: id,
    serial: id,
    acknowledgedThrough: 0,
    notAfterMicros: 0,
    copy: 0,
    caller: '',
    envelope,
  })),
)
const read = (requestId: number): ClientMessage => ({
  type: 'read',
  requestId,
  timeoutMs: 0,
  viewId: 0,
  consistency: 'linearizable',
  caller: '',
  request: { type: 'get', project: 'shop', scope: 'app', keys: [key] },
})
measure('get, 64 in a frame', ids.map(read))
measure('get, 1 in a frame', [read(2)])
