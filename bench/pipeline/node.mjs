// The bare pipeline: what plain Node can do at best as a leader with two followers, durable on a majority. No Raft, no tree,
// no sessions: ws frames, one batch per turn, write + fdatasync on all three, a Map as state. The ceiling that Quorate is
// measured against. usage: node node.mjs ID PORT [FOLLOWER_PORT FOLLOWER_PORT]   (DIR = folder for the log; needs npm's ws)
import { WebSocketServer, WebSocket } from 'ws'
import fs from 'node:fs'
import zlib from 'node:zlib'

const [, , id, port, ...followers] = process.argv
const SEGMENT = 256 << 20
const file = fs.openSync(`${process.env.DIR}/log-${id}`, 'w')
for (let at = 0, zeros = Buffer.alloc(4 << 20); at < SEGMENT; at += zeros.length)
  fs.writeSync(file, zeros, 0, zeros.length, at)
fs.fsyncSync(file)
let end = 0
function persist(frame, done) {
  if (end + frame.length > SEGMENT) end = 0
  const at = end
  end += frame.length
  fs.write(file, frame, 0, frame.length, at, () => fs.fdatasync(file, done))
}
const state = new Map()
function put(bytes, o) {
  // request: u32 id, u8 key length, u16 value length, key, value
  const keyLength = bytes[o + 4],
    valueLength = bytes.readUInt16LE(o + 5),
    value = o + 7 + keyLength
  state.set(bytes.latin1Slice(o + 7, value), bytes.subarray(value, value + valueLength))
  return value + valueLength
}
const server = new WebSocketServer({ host: '127.0.0.1', port: +port, perMessageDeflate: false, maxPayload: 1 << 28 })
if (followers.length > 0) lead()
else follow()

function lead() {
  let seq = 0,
    synced = 0,
    writing = false,
    scheduled = false,
    pending = [],
    pendingBytes = 0
  const batches = []
  const links = followers.map(p => {
    const link = new WebSocket(`ws://127.0.0.1:${p}`, { perMessageDeflate: false })
    link.match = 0
    link.on('message', m => {
      link.match = m.readDoubleLE(0)
      commit()
    })
    return link
  })
  function turn() {
    scheduled = false
    if (pending.length === 0 || writing) return
    const requests = pending,
      frame = Buffer.allocUnsafe(pendingBytes + 16)
    let o = 16
    for (const r of requests) {
      r.body.copy(frame, o)
      o += r.body.length
      seq += r.count
    }
    pending = []
    pendingBytes = 0
    frame.writeDoubleLE(seq, 0)
    frame.writeUInt32LE(zlib.crc32(frame.subarray(16)), 8)
    const last = seq
    batches.push({ last, requests })
    for (const link of links) link.send(frame)
    writing = true
    persist(frame, () => {
      writing = false
      synced = last
      commit()
      turn()
    })
  }
  function commit() {
    const majority = [synced, ...links.map(l => l.match)].sort((a, b) => b - a)[1]
    while (batches.length > 0 && batches[0].last <= majority) {
      for (const { ws, count, body } of batches.shift().requests) {
        const reply = Buffer.allocUnsafe(4 + count * 4)
        reply.writeUInt32LE(count, 0)
        for (let k = 0, o = 0; k < count; k++) {
          reply.writeUInt32LE(body.readUInt32LE(o), 4 + k * 4)
          o = put(body, o)
        }
        ws.send(reply)
      }
    }
  }
  server.on('connection', ws =>
    ws.on('message', m => {
      pending.push({ ws, count: m.readUInt32LE(0), body: m.subarray(4) })
      pendingBytes += m.length - 4
      if (!scheduled) {
        scheduled = true
        setImmediate(turn)
      }
    }),
  )
}

function follow() {
  server.on('connection', ws => {
    let queue = [],
      busy = false
    function drain() {
      if (queue.length === 0 || busy) return
      busy = true
      const frames = queue
      queue = []
      persist(frames.length === 1 ? frames[0] : Buffer.concat(frames), () => {
        busy = false
        const ack = Buffer.allocUnsafe(8)
        ack.writeDoubleLE(frames[frames.length - 1].readDoubleLE(0))
        ws.send(ack)
        for (const f of frames) for (let o = 16; o < f.length;) o = put(f, o)
        drain()
      })
    }
    ws.on('message', m => {
      queue.push(m)
      if (!busy) setImmediate(drain)
    })
  })
}
