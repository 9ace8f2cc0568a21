import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Engine } from '../../src/entry/engine.ts'
import type { OpenStore, Store } from './store.ts'

/** What `scripts/install-store-peers.mjs` has installed. */
const PEERS = join(process.cwd(), '.bench-peers', 'package.json')

/** Whether the other stores are installed. */
export function hasPeers(): boolean {
  return existsSync(join(dirname(PEERS), 'node_modules'))
}

/** What to say where they are not. */
export const HOW_TO_INSTALL = 'lmdb and classic-level are not installed: `npm run bench:peers` gets them'

function peer(name: string): unknown {
  return hasPeers() ? createRequire(PEERS)(name) : undefined
}

/** Durability `full`: a commit is acknowledged once it is synced. */
async function openQuorate(folder: string): Promise<Store> {
  const engine = await Engine.open(join(folder, 'data'))
  await engine.ddl({ type: 'createProject', project: 'bench' })
  const kv = engine.kv('bench')
  const keys = engine.newest().kv('bench')
  return {
    load: async entries => void (await kv.setMany(entries)),
    settle: async () => {
      // The second lets go of the pages and of the log that only the first one's predecessor needs.
      await engine.checkpoint()
      await kv.delete('nothing')
      await engine.checkpoint()
    },
    get: key => keys.get(key),
    scan: (start, limit) => {
      const entries = keys.scan({ start, limit })
      let bytes = 0
      for (let i = 0; i < entries.length; i++) bytes += entries.key(i).length + entries.value(i).length
      return bytes
    },
    put: (key, value) => kv.set(key, value),
    close: () => engine.close(),
  }
}

/** The part of lmdb's interface that is used. */
interface Lmdb {
  open(options: { path: string; encoding: 'binary'; overlappingSync: boolean }): {
    get(key: string): Uint8Array | undefined
    put(key: string, value: Uint8Array): Promise<boolean>
    batch(work: () => void): Promise<unknown>
    getRange(options: { start: string; limit: number }): Iterable<{ key: string; value: Uint8Array }>
    readonly flushed: Promise<unknown>
    close(): Promise<void>
  }
}

/** Without overlapping syncs `put` resolves once it is synced. */
async function openLmdb(folder: string): Promise<Store | undefined> {
  const lmdb = peer('lmdb') as Lmdb | undefined
  if (lmdb === undefined) return undefined
  const database = lmdb.open({ path: join(folder, 'data.mdb'), encoding: 'binary', overlappingSync: false })
  return {
    load: async entries => {
      await database.batch(() => {
        for (const [key, value] of entries) void database.put(key, value)
      })
    },
    settle: async () => void (await database.flushed),
    get: key => database.get(key),
    scan: (start, limit) => {
      let bytes = 0
      for (const { key, value } of database.getRange({ start, limit })) bytes += key.length + value.length
      return bytes
    },
    put: (key, value) => database.put(key, value),
    close: () => database.close(),
  }
}

interface BatchPut {
  readonly type: 'put'
  readonly key: string
  readonly value: Uint8Array
}

/** The part of classic-level's interface that is used. */
interface ClassicLevel {
  ClassicLevel: new (
    path: string,
    options: { valueEncoding: 'view' },
  ) => {
    open(): Promise<void>
    getSync(key: string): Uint8Array | undefined
    put(key: string, value: Uint8Array, options: { sync: boolean }): Promise<void>
    batch(puts: readonly BatchPut[]): Promise<void>
    iterator(options: { gte: string; limit: number }): {
      all(): Promise<[string, Uint8Array][]>
    }
    compactRange(start: string, end: string): Promise<void>
    close(): Promise<void>
  }
}

async function openClassicLevel(folder: string): Promise<Store | undefined> {
  const level = peer('classic-level') as ClassicLevel | undefined
  if (level === undefined) return undefined
  const database = new level.ClassicLevel(join(folder, 'data'), { valueEncoding: 'view' })
  await database.open()
  return {
    load: entries => database.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
    settle: () => database.compactRange('', '\u{10ffff}'),
    get: key => database.getSync(key),
    scan: async (start, limit) => {
      let bytes = 0
      for (const [key, value] of await database.iterator({ gte: start, limit }).all()) {
        bytes += key.length + value.length
      }
      return bytes
    },
    put: (key, value) => database.put(key, value, { sync: true }),
    close: () => database.close(),
  }
}

export const STORES: Readonly<Record<string, OpenStore>> = {
  quorate: openQuorate,
  lmdb: openLmdb,
  'classic-level': openClassicLevel,
}
