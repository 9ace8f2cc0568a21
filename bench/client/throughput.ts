// What the client costs: writers in a closed loop against a node that answers at once, in a process of its own. Prints commits a second
// and processor time of this process per commit. Run: node dist/bench/client/throughput.js
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/entry/client.ts'

const VALUE = new Uint8Array(256).fill(7)
const WARM_MS = 1_000
const MEASURE_MS = 2_000

const child = fork(fileURLToPath(new URL('echo-gateway.js', import.meta.url)))
const port = await new Promise<number>(resolve => child.once('message', message => resolve(message as number)))
const client = await connect(`ws://127.0.0.1:${port}`)
const kv = client.kv('shop')

async function measure(writers: number): Promise<void> {
  let count = 0
  const run = { isOver: false }
  const writing = Array.from({ length: writers }, async (_, writer) => {
    for (let i = 0; !run.isOver; i++) {
      await kv.set(`user/${writer}/${i % 1_000}`, VALUE)
      count++
    }
  })
  const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
  await pause(WARM_MS)
  const before = count
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await pause(MEASURE_MS)
  const { user, system } = process.cpuUsage(cpu)
  const done = count - before
  const seconds = (performance.now() - startMs) / 1000
  console.log(
    `${String(writers).padStart(4)} writers: ${Math.round(done / seconds)} commits/s, ${((user + system) / done).toFixed(2)} us of processor each`,
  )
  run.isOver = true
  await Promise.all(writing)
}

for (const writers of [1, 16, 64, 256, 1_024]) await measure(writers)
await client.close()
child.disconnect()
