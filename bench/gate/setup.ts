import { Engine } from '../../src/entry/engine.ts'
import type { EngineOptions } from '../../src/entry/engine.ts'
import { createTable, defineTable, integer, text } from '../../src/model/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'

export const PROJECT = 'bench'
export const CALLER = 'bench'
export const RUN_MS = 1_500

/** The seed's `high_throughput_config`. */
export const HIGH_THROUGHPUT: EngineOptions = {
  durability: 'batch',
  batchIntervalMs: 10,
  batchBytes: Number.MAX_SAFE_INTEGER,
}

/** Permissive and synced by the operating system. */
export const OS_BUFFERED: EngineOptions = { durability: 'os' }

export const users = defineTable('users', {
  project: PROJECT,
  columns: { id: integer().primaryKey(), name: text(), age: integer() },
})

const folders: string[] = []
const engines: Engine[] = []

export function benchFolder(): string {
  const folder = makeBenchFolder('gate')
  folders.push(folder)
  return folder
}

/** An engine in a folder of its own, with the project `bench` and its scope `app`. */
export async function openBench(options: EngineOptions, directory = `${benchFolder()}/data`): Promise<Engine> {
  const engine = await Engine.open(directory, options)
  engines.push(engine)
  await engine.ddl({ type: 'createProject', project: PROJECT })
  return engine
}

/** The seed's `setup`: the table `users`, read permission for `bench`, and two commits a row, one after the other. */
export async function setup(options: EngineOptions, rows: number): Promise<Engine> {
  const engine = await openBench(options)
  await engine.ddl(createTable(users))
  const permission = { type: 'kvRead', project: PROJECT, scope: 'app' } as const
  await engine.ddl({ type: 'grant', caller: CALLER, permission })
  const table = engine.table(users)
  const kv = engine.kv(PROJECT)
  for (let i = 0; i < rows; i++) {
    await table.upsert({ id: i, name: `user-${i}`, age: 18 + (i % 50) })
    await kv.set(`bank:user:${i}:balance`, new Uint8Array(32))
  }
  return engine
}

/**
 * An engine that is open, and has been at work, from before the first warm-up until the end. When the last engine of a process is closed
 * and collected, V8 forgets the shapes of its objects, and knows those of the next one for others: after four such engines code treats them as
 * of any shape, for good, and a commit takes half as long again. No program opens and forgets engines one after the other as the warm-ups do.
 */
export async function keepOneOpen(): Promise<AsyncDisposable> {
  const kept = await setup(OS_BUFFERED, 20)
  engines.splice(engines.indexOf(kept), 1)
  const folder = folders.pop()!
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await kept.close()
      removeBenchFolder(folder)
    },
  }
}

/** Engines, and commits of each, until a fresh one in the same process is as quick as one that has been at work. */
const WARM_ENGINES = 6
const WARM_COMMITS = 2_000

/**
 * Commits until their code is compiled, which takes several thousand: the seed's modules have 160 to 500 of a kind, so that
 * figures after a run or two of them are those of the interpreter. In several engines, because what was compiled for the first is compiled
 * again when a second one is opened (bench/RESULTS.md). The last one stays open: code that was compiled with an object of an engine in it goes
 * when that is collected.
 */
export async function warmUpCommits(): Promise<void> {
  for (let round = 0; round < WARM_ENGINES; round++) {
    const engine = await setup(OS_BUFFERED, 100)
    const kv = engine.kv(PROJECT)
    const value = filled(64, 1)
    for (let i = 0; i < WARM_COMMITS; i++) await kv.set(`warm:${i}`, value)
    for (let i = 0; i < 200; i++) await kv.increment(`warm:${i % 10}:n`, 1n, { width: 256 })
    for (let i = 0; i < 50; i++) {
      await Promise.all(Array.from({ length: 32 }, (_, n) => kv.set(`warm:${i}:${n}`, value)))
      await kv.setMany(Array.from({ length: 16 }, (_, n) => [`warm-many:${i}:${n}`, value] as const))
    }
    if (round + 1 < WARM_ENGINES) await tearDown()
  }
}

/** Closes and removes what this process has opened. */
export async function tearDown(): Promise<void> {
  for (const engine of engines.splice(0)) await engine.close()
  for (const folder of folders.splice(0)) removeBenchFolder(folder)
}

/** Runs `work` and gives how long it took, ms. */
export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export function timedNow(work: () => unknown): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

/** Commits a second of `commit(n)`, one after the other for `RUN_MS`. */
export async function sequential(
  commit: (n: number) => Promise<unknown>,
): Promise<{ count: number; perSecond: number }> {
  const start = performance.now()
  let count = 0
  while (performance.now() - start < RUN_MS) await commit(count++)
  return { count, perSecond: Math.floor((count * 1000) / (performance.now() - start)) }
}

/** Runs a loop of reads until its code is compiled: the 300 or 120 of the seed are fewer than that takes. */
export function warmUp(loop: () => unknown, times: number): void {
  for (let i = 0; i < times; i++) loop()
}

export function filled(bytes: number, i: number): Uint8Array {
  return new Uint8Array(bytes).fill(i % 251)
}

export function digits(i: number, count = 4): string {
  return String(i).padStart(count, '0')
}
