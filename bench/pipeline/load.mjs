// Closed-loop writers against the bare pipeline: 256-B values, requests of one tick in one frame.
// usage: node load.mjs PORT WRITERS SECONDS
import { WebSocket } from 'ws'
const [, , port, writers, seconds] = process.argv
const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
await new Promise(r => ws.on('open', r))
const value = Buffer.alloc(256, 7),
  started = new Float64Array(+writers),
  latencies = [],
  end = performance.now() + seconds * 1000
let out = [],
  scheduled = false,
  n = 0
function put(writer) {
  const key = `key:${(n++ * 2654435761) % 100_000}`,
    request = Buffer.allocUnsafe(7 + key.length + value.length)
  request.writeUInt32LE(writer, 0)
  request[4] = key.length
  request.writeUInt16LE(value.length, 5)
  request.latin1Write(key, 7)
  value.copy(request, 7 + key.length)
  started[writer] = performance.now()
  out.push(request)
  if (!scheduled) {
    scheduled = true
    setImmediate(flush)
  }
}
function flush() {
  scheduled = false
  const head = Buffer.allocUnsafe(4)
  head.writeUInt32LE(out.length)
  ws.send(Buffer.concat([head, ...out]))
  out = []
}
ws.on('message', m => {
  const now = performance.now()
  for (let i = 0, count = m.readUInt32LE(0); i < count; i++) {
    const writer = m.readUInt32LE(4 + i * 4)
    latencies.push(now - started[writer])
    if (now < end) put(writer)
  }
  if (now < end) return
  latencies.sort((a, b) => a - b)
  const at = q => latencies[Math.floor((latencies.length - 1) * q)].toFixed(2)
  console.log(`writers=${writers} ops/s=${Math.round(latencies.length / seconds)} p50=${at(0.5)} p99=${at(0.99)} ms`)
  process.exit()
})
for (let w = 0; w < +writers; w++) put(w)
