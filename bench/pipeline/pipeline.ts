import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { end, freePort, run, until } from '../lib/processes.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'

export interface LoadFigures {
  writers: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

const folder = join(import.meta.dirname, '../../../bench/pipeline')

/** Runs the bare pipeline (a leader and two followers, no Raft, no tree: the ceiling) under each number of writers. */
export async function measurePipeline(writerCounts: readonly number[], seconds: number): Promise<LoadFigures[]> {
  const data = makeBenchFolder('pipeline')
  const env = { ...process.env, DIR: data }
  const ports = [await freePort(), await freePort(), await freePort()]
  const start = (id: number, args: readonly number[]) =>
    spawn('node', [join(folder, 'node.mjs'), String(id), ...args.map(String)], { env, stdio: 'ignore' })
  const followers = [start(2, [ports[1]!]), start(3, [ports[2]!])]
  try {
    await until('pipeline followers', async () => (await canConnect(ports[1]!)) && (await canConnect(ports[2]!)))
    const leader = start(1, ports)
    followers.push(leader)
    await until('pipeline leader', () => canConnect(ports[0]!))
    const figures: LoadFigures[] = []
    for (const writers of writerCounts) {
      const output = await run('node', [join(folder, 'load.mjs'), String(ports[0]), String(writers), String(seconds)])
      figures.push(parseLoad(output))
    }
    return figures
  } finally {
    await Promise.all(followers.map(child => end(child)))
    removeBenchFolder(data)
  }
}

export async function canConnect(port: number): Promise<boolean> {
  const { connect } = await import('node:net')
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function parseLoad(line: string): LoadFigures {
  const match = /writers=(\d+) ops\/s=(\d+) p50=([\d.]+) p99=([\d.]+)/.exec(line)
  if (match === null) throw new Error(`not a figure of the pipeline: ${line}`)
  return { writers: +match[1]!, perSecond: +match[2]!, p50Ms: +match[3]!, p99Ms: +match[4]! }
}
