// A node that answers every commit at once and does nothing else: what remains is the client's own cost. Prints its port.
import { ByteWriter, encodePlainCommit } from '../../src/encoding/index.ts'
import {
  appendServerMessage,
  CLIENT_SUBPROTOCOL_BINARY,
  ClientFrameCursor,
  DEFAULT_SETTINGS,
  readClientMessage,
} from '../../src/model/index.ts'
import type { ClientMessage } from '../../src/model/index.ts'
import type { FrameLink } from '../../src/platform/index.ts'
import { listenHttp } from '../../src/platform/node/index.ts'
import { acceptWebSocket } from '../../src/transport/websocket/index.ts'

const MAX_FRAME_BYTES = 16 << 20
const outcome = encodePlainCommit(12_345)
const historyId = 'a'.repeat(32)

function answer(out: ByteWriter, message: ClientMessage): void {
  const { requestId } = message
  const leaderTimeMicros = 1
  if (message.type === 'commit') {
    appendServerMessage(out, { type: 'outcome', requestId, leaderTimeMicros, outcome })
  } else if (message.type === 'ping') appendServerMessage(out, { type: 'pong', requestId, leaderTimeMicros })
  else if (message.type === 'hello') {
    const session = message.session === undefined ? undefined : { id: 7, window: 1_024, lifetimeMs: 60_000 }
    appendServerMessage(out, {
      type: 'welcome',
      requestId,
      protocol: 1,
      serverVersion: 'echo',
      historyId,
      nodeId: 1,
      caller: 'root',
      session,
      leaderTimeMicros,
      topology: { historyId, term: 1, version: 1, leaderId: 1, nodeId: 1, members: [] },
      maxFrameBytes: MAX_FRAME_BYTES,
      limits: DEFAULT_SETTINGS,
    })
  }
}

function serve(link: FrameLink): void {
  const cursor = new ClientFrameCursor()
  const out = new ByteWriter(65_536)
  link.onFrame = frame => {
    cursor.open(frame, MAX_FRAME_BYTES)
    out.reset()
    while (cursor.next()) answer(out, readClientMessage(cursor))
    if (out.length > 0) link.send(out.finish())
  }
}

const acceptor = acceptWebSocket({
  path: '/v1/connect',
  subprotocols: [CLIENT_SUBPROTOCOL_BINARY],
  maxFrameBytes: MAX_FRAME_BYTES,
  onLink: ({ link }) => serve(link),
})
const server = await listenHttp({
  host: '127.0.0.1',
  port: 0,
  onUpgrade: (request, socket, head) => void acceptor.handleUpgrade(request, socket, head),
})
process.send?.(server.port)
process.on('disconnect', () => process.exit(0))
