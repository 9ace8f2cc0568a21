import { openEngine, restoreBackup } from '../../../src/engine/index.ts'
import type { Engine, EngineOptions, RestoreOptions } from '../../../src/engine/index.ts'
import { createTable, defineTable, integer, text } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import type { SimulatedProcess } from '../../../src/platform/simulated/index.ts'
import { seed } from '../seed.ts'

export const OPTIONS: EngineOptions = { pageBytes: 4096, budgetBytes: 4 << 20, segmentBytes: 32 << 10 }
export const things = defineTable('things', {
  project: 'p',
  columns: { id: integer().primaryKey(), name: text() },
  indexes: [{ columns: ['name'] }],
})

/** A database on a simulated machine. */
export class Bed {
  readonly world: SimulatedWorld = new SimulatedWorld({ seed, drainMicrotasks })
  readonly machine: SimulatedMachine = new SimulatedMachine(this.world, { name: 'one' })
  process: SimulatedProcess = this.machine.start()
  #random = seed

  run<T>(task: Promise<T>): Promise<T> {
    return this.world.runToCompletion(task, 600_000)
  }

  open(directory = '/data', options: EngineOptions = OPTIONS): Promise<Engine> {
    return openEngine(directory, options, this.process)
  }

  async create(options: EngineOptions = OPTIONS, directory = '/data'): Promise<Engine> {
    const engine = await this.open(directory, options)
    await engine.ddl([{ type: 'createProject', project: 'p' }, createTable(things)])
    return engine
  }

  restore(backups: readonly string[], target: string, options: RestoreOptions = {}): ReturnType<typeof restoreBackup> {
    return restoreBackup(this.process, backups, target, { pageBytes: 4096, budgetBytes: 256 << 10, ...options })
  }

  next(below: number): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#random / 2 ** 32) * below)
  }

  /** Some commits of all kinds, large values among them. */
  async write(engine: Engine, commits: number): Promise<void> {
    const kv = engine.kv('p')
    for (let i = 0; i < commits; i++) {
      const key = `k${this.next(60)}`
      const kind = this.next(10)
      if (kind < 2) await kv.delete(key)
      else if (kind < 4) await kv.set(key, new Uint8Array(2_000 + this.next(9_000)).fill(this.next(250)))
      else await kv.set(key, new Uint8Array(1 + this.next(200)).fill(this.next(250)))
    }
  }

  async changeByte(path: string, offset: number): Promise<void> {
    const file = await this.process.files.open(path, 'readWrite')
    const byte = new Uint8Array(1)
    await file.read(byte, offset)
    byte[0]! ^= 0x10
    await file.write(byte, offset)
    await file.close()
  }
}

/** A test that runs in a bed of its own. */
export function inBed(test: (bed: Bed) => Promise<void>): () => Promise<void> {
  return () => {
    const bed = new Bed()
    return bed.run(test(bed))
  }
}
