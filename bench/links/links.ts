// What the links between replicas carry: two processes on one machine, over the real handshake and WebSockets on loopback.
// Run: node dist/bench/links/links.js [--seconds 3]
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { PeerChannel, PeerTransport } from '../../src/model/index.ts'
import { createBenchTransport } from '../lib/peer-links.ts'
import { exitOf, freePort } from '../lib/processes.ts'
import { plain, quantile, renderTable, type Row } from '../lib/report.ts'

const PING_BYTES = 100

function option(name: string, otherwise: string): string {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : process.argv[at + 1]!
}

const seconds = Number(option('seconds', '3'))

/** The other process: counts what comes, sends control frames back, and tells what it has cost. */
async function receive(ports: readonly number[]): Promise<void> {
  const transport = createBenchTransport('n2', ports)
  let frames = 0
  let bytes = 0
  let cpu = process.cpuUsage()
  transport.onFrame = (peer, channel, frame) => {
    frames++
    bytes += frame.length
    if (channel === 'control') transport.send(peer, 'control', frame)
  }
  process.on('message', message => {
    if (message === 'end') {
      void transport.close().then(() => process.disconnect?.())
      return
    }
    const { user, system } = process.cpuUsage(cpu)
    process.send?.({ frames, bytes, cpuMicros: user + system })
    if (message === 'reset') {
      frames = 0
      bytes = 0
      cpu = process.cpuUsage()
    }
  })
  await transport.start()
}

interface Count {
  frames: number
  bytes: number
  cpuMicros: number
}

async function ask(child: ChildProcess, word: 'reset' | 'count'): Promise<Count> {
  return new Promise(resolve => {
    child.once('message', message => resolve(message as Count))
    child.send(word)
  })
}

/** Fills the log channel for the time given, `batch` frames a turn of the loop. */
async function flood(transport: PeerTransport, child: ChildProcess, frameBytes: number, batch: number): Promise<Row[]> {
  await ask(child, 'reset')
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const frame = new Uint8Array(frameBytes).fill(1)
  let sent = 0
  while (performance.now() - startMs < seconds * 1000) {
    for (let n = 0; n < batch && transport.bufferedBytes('n2', 'log') < 8 << 20; n++) {
      if (transport.send('n2', 'log', frame)) sent++
    }
    await new Promise(setImmediate)
  }
  let count = await ask(child, 'count')
  while (count.frames < sent) count = await ask(child, 'count')
  const elapsed = (performance.now() - startMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const what = `${frameBytes} B, ${batch} a turn`
  return [
    plain('links', `${what}: frames`, sent / elapsed, '/s'),
    plain('links', `${what}: bytes`, count.bytes / elapsed / 1e6, 'MB/s'),
    plain('links', `${what}: CPU of the sender`, (user + system) / sent, 'us/frame'),
    plain('links', `${what}: CPU of the receiver`, count.cpuMicros / count.frames, 'us/frame'),
  ]
}

async function roundTrips(transport: PeerTransport): Promise<Row[]> {
  const times: number[] = []
  let wake = (): void => {}
  transport.onFrame = () => wake()
  for (let n = 0; n < 3_000; n++) {
    const startMs = performance.now()
    const answered = new Promise<void>(resolve => (wake = resolve))
    transport.send('n2', 'control', new Uint8Array(PING_BYTES))
    await answered
    if (n >= 500) times.push(performance.now() - startMs)
  }
  times.sort((left, right) => left - right)
  return [
    plain('links', 'round trip of 100 B on control, p50', quantile(times, 0.5) * 1000, 'us'),
    plain('links', 'round trip of 100 B on control, p99', quantile(times, 0.99) * 1000, 'us'),
  ]
}

export async function run(): Promise<Row[]> {
  const ports = [await freePort(), await freePort()]
  const child = fork(fileURLToPath(import.meta.url), ['--receive', ports.join()])
  const transport = createBenchTransport('n1', ports)
  const channels = new Set<PeerChannel>()
  const linked = new Promise<void>(resolve => {
    transport.onLink = (_peer, channel) => {
      if (channels.add(channel).size === 3) resolve()
    }
  })
  await transport.start()
  await linked
  const rows: Row[] = [
    ...(await roundTrips(transport)),
    ...(await flood(transport, child, 300, 1)),
    ...(await flood(transport, child, 300, 100)),
    ...(await flood(transport, child, 65_536, 16)),
    ...(await flood(transport, child, 1 << 20, 4)),
  ]
  child.send('end')
  await exitOf(child)
  await transport.close()
  return rows
}

if (process.argv.includes('--receive')) await receive(option('receive', '').split(',').map(Number))
else if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${renderTable(await run())}\n`)
