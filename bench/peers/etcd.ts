import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { end, freePort, run, until } from '../lib/processes.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import type { LoadFigures } from '../pipeline/pipeline.ts'

/** Where the peers are installed: QUORATE_PEERS, a folder with `etcd`, `etcdctl` and `etcd-benchmark`. */
export function peersFolder(): string | undefined {
  const folder = process.env['QUORATE_PEERS']
  return folder !== undefined && existsSync(join(folder, 'etcd-benchmark')) ? folder : undefined
}

export interface EtcdCluster {
  endpoints: string[]
  put(writers: number, total: number): Promise<LoadFigures>
  read(clients: number, total: number): Promise<LoadFigures>
  close(): Promise<void>
}

/** Starts three members with default settings on loopback, data on the same disk as Quorate's. */
export async function startEtcd(folder: string): Promise<EtcdCluster> {
  const data = makeBenchFolder('etcd')
  const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()))
  const peer = (i: number): string => `http://127.0.0.1:${ports[i + 3]}`
  const endpoints = [0, 1, 2].map(i => `http://127.0.0.1:${ports[i]}`)
  const cluster = [0, 1, 2].map(i => `m${i}=${peer(i)}`).join(',')
  const members: ChildProcess[] = [0, 1, 2].map(i =>
    spawn(
      join(folder, 'etcd'),
      [
        `--name=m${i}`,
        `--data-dir=${join(data, `m${i}`)}`,
        `--initial-cluster=${cluster}`,
        `--listen-client-urls=${endpoints[i]}`,
        `--advertise-client-urls=${endpoints[i]}`,
        `--listen-peer-urls=${peer(i)}`,
        `--initial-advertise-peer-urls=${peer(i)}`,
        '--log-level=error',
      ],
      { stdio: 'ignore' },
    ),
  )
  const close = async (): Promise<void> => {
    await Promise.all(members.map(member => end(member)))
    removeBenchFolder(data)
  }
  const ctl = (...args: string[]): Promise<string> =>
    run(join(folder, 'etcdctl'), ['--endpoints', endpoints.join(','), ...args])
  try {
    await until('etcd', () =>
      ctl('put', 'foo', 'x'.repeat(256)).then(
        () => true,
        () => false,
      ),
    )
  } catch (error) {
    await close()
    throw error
  }
  const load = async (clients: number, args: string[]): Promise<LoadFigures> => {
    const conns = Math.min(16, clients)
    const flags = ['--endpoints', endpoints.join(','), '--conns', String(conns), '--clients', String(clients)]
    return parse(clients, await run(join(folder, 'etcd-benchmark'), [...flags, '--target-leader', ...args]))
  }
  const putArgs = ['put', '--key-size=8', '--val-size=256', '--sequential-keys', '--key-space-size=100000']
  return {
    endpoints,
    put: (writers, total) => load(writers, [...putArgs, `--total=${total}`]),
    read: (clients, total) => load(clients, ['range', 'foo', '--consistency=l', `--total=${total}`]),
    close,
  }
}

function parse(writers: number, output: string): LoadFigures {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? Number.NaN)
  return {
    writers,
    perSecond: number(/Requests\/sec:\s*([\d.]+)/),
    p50Ms: number(/50% in ([\d.]+) secs/) * 1000,
    p99Ms: number(/99% in ([\d.]+) secs/) * 1000,
  }
}
