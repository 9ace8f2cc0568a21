import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Ddl, Mutation, Row } from '../../../src/encoding/index.ts'
import { openEngine } from '../../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../../src/engine/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import { checkDataDirectory } from '../../../src/node/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import {
  SeededRandom,
  SimulatedCrash,
  SimulatedMachine,
  SimulatedWorld,
} from '../../../src/platform/simulated/index.ts'
import { ReferenceTables } from '../../../src/testing/simulation/reference-tables.ts'
import type { ReferenceTable } from '../../../src/testing/simulation/reference-tables.ts'
import { seed } from '../seed.ts'
import { Generator } from './generator.ts'
import type { Change } from './generator.ts'

/** Databases of one run, and lives of each; QUORATE_ROUNDS asks for more. */
const ROUNDS = Number(process.env['QUORATE_ROUNDS'] ?? 5)
const LIVES = 6
const STEPS = 40
/** Disk calls after which the power goes. */
const CALLS_MAX = 90
const OPTIONS: EngineOptions = {
  pageBytes: 4096,
  budgetBytes: 16 * 4096,
  segmentBytes: 32 << 10,
  checkpointLogBytes: 12 << 10,
}

const met = { committed: 0, refused: new Map<string, number>(), crashes: 0, applied: 0, lost: 0, jobsCutOff: 0 }

/** A change whose rows may not have been looked at yet. */
interface UnderWay {
  readonly change: Change
  readonly fits: boolean
  readonly seq: number
}

class Run {
  readonly #label: string
  readonly #world: SimulatedWorld
  readonly #machine: SimulatedMachine
  readonly #oracle = new ReferenceTables()
  readonly #generator: Generator
  #underWay: UnderWay | undefined
  /** The tables as they would be without the transaction that nobody has heard of. */
  #without: ReferenceTable[] | undefined

  constructor(runSeed: number) {
    this.#label = `seed ${runSeed}`
    this.#world = new SimulatedWorld({ seed: runSeed, drainMicrotasks })
    this.#machine = new SimulatedMachine(this.#world, { name: 'one' })
    this.#generator = new Generator(new SeededRandom(runSeed), this.#oracle)
  }

  async run(): Promise<void> {
    await this.#live(engine => this.#create(engine))
    for (let life = 0; life < LIVES; life++) {
      this.#arm()
      await this.#live(engine => this.#work(engine))
    }
    await this.#live(() => Promise.resolve())
  }

  #arm(): void {
    this.#machine.disk.crashAt(1 + this.#generator.below(CALLS_MAX), this.#generator.pick(['before', 'after']))
  }

  /** Opens, compares, works and closes, or is cut off on the way; what is on disk then is sound. */
  async #live(work: (engine: Engine) => Promise<void>): Promise<void> {
    const process = this.#machine.start()
    const life = (async () => {
      const engine = await openEngine('/data', OPTIONS, process)
      await this.#compare(engine)
      await work(engine)
      await this.#compare(engine)
      await engine.close()
    })()
    const isWhole = await this.#isWhole(life)
    this.#machine.disk.cancelCrash()
    if (!isWhole) met.crashes++
    else this.#machine.crash('process')
    await this.#checkDirectory()
  }

  async #isWhole(life: Promise<void>): Promise<boolean> {
    const run: { isOver: boolean; failure?: Error } = { isOver: false }
    life.then(
      () => (run.isOver = true),
      (error: unknown) => {
        run.failure = error instanceof Error ? error : new Error(String(error))
        run.isOver = true
      },
    )
    await this.#world.runWhileNot(() => run.isOver || this.#machine.process === undefined, 600_000)
    const isAlive = this.#machine.process !== undefined
    assert.ok(run.isOver || !isAlive, `${this.#label}: a life that does not end`)
    if (run.failure !== undefined && (isAlive || !isCrash(run.failure))) throw run.failure
    return isAlive
  }

  async #checkDirectory(): Promise<void> {
    const process = this.#machine.start()
    const check = checkDataDirectory(process.files, '/data', { withInvariants: true })
    const { verdict, inconsistencies } = await this.#world.runToCompletion(check)
    assert.ok(verdict === 'clean' || verdict === 'torn', `${this.#label}: ${verdict} ${inspect(inconsistencies)}`)
    this.#machine.crash('process')
  }

  async #create(engine: Engine): Promise<void> {
    await engine.ddl({ type: 'createProject', project: 'p' })
    for (let i = 0; i < 3; i++) {
      const table = this.#generator.table()
      const { name, columns, primaryKey, indexes, checks, foreignKeys } = structuredClone(table)
      const definition = { columns, primaryKey, indexes, checks, foreignKeys }
      await engine.ddl({ type: 'createTable', project: 'p', table: name, ...definition })
      this.#oracle.tables.push(table)
    }
  }

  async #work(engine: Engine): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      if (this.#generator.isChance(8)) await this.#change(engine)
      else await this.#transaction(engine)
    }
  }

  async #transaction(engine: Engine): Promise<void> {
    const count = 1 + (this.#generator.isChance(3) ? this.#generator.below(4) : 0)
    const mutations = Array.from({ length: count }, () => withoutTtl(this.#generator.mutation()))
    const expected = this.#oracle.apply(0, 0, mutations)
    this.#without = typeof expected === 'string' ? undefined : this.#oracle.before?.slice()
    const where = `${this.#label}: ${inspect(mutations, { depth: 6 })}`
    const found = await engine.commit({ mutations }).then(
      ({ results }) => results,
      (error: unknown) => {
        if (error instanceof QuorateError && error.applied === 'no' && !isCrash(error)) return error.code
        throw error
      },
    )
    this.#without = undefined
    if (typeof found === 'string') {
      assert.equal(found, expected, where)
      met.refused.set(found, (met.refused.get(found) ?? 0) + 1)
      return
    }
    assert.ok(typeof expected !== 'string', `${where} should have been refused: ${String(expected)}`)
    assert.deepEqual(found, expected.some(result => result !== undefined) ? expected : [], where)
    met.committed++
  }

  /** The operation itself is not cut off, for then nobody knows whether there is one; what it leaves to do is. */
  async #change(engine: Engine): Promise<void> {
    const change = this.#generator.change()
    if (change === undefined) return
    const { table, alteration } = change
    const at = { project: 'p', table }
    const operation: Ddl =
      alteration.type === 'createIndex' || alteration.type === 'dropIndex'
        ? { ...at, ...alteration }
        : { type: 'alterTable', ...at, alteration }
    const fits = change.fits()
    this.#machine.disk.cancelCrash()
    try {
      const { seq } = await engine.ddl(operation)
      this.#underWay = { change, fits, seq }
    } catch (error) {
      // An index that a foreign key needs, or actions that a table cannot have.
      if (!(error instanceof QuorateError) || error.code !== 'invalid_argument') throw error
      return
    } finally {
      this.#arm()
    }
    await this.#settle(engine)
  }

  async #settle(engine: Engine): Promise<void> {
    const { change, fits, seq } = this.#underWay!
    await engine.waitForJobs({ project: 'p' })
    const [description] = (await engine.tables('p')).filter(({ name }) => name === change.table)
    const failures = description!.failures.filter(failure => failure.seq >= seq)
    assert.equal(failures.length === 0, fits, `${this.#label}: ${inspect(change, { depth: 6 })} ${inspect(failures)}`)
    this.#underWay = undefined
    if (fits) change.apply()
  }

  async #compare(engine: Engine): Promise<void> {
    if (this.#underWay !== undefined) {
      met.jobsCutOff++
      await this.#settle(engine)
    }
    const without = this.#without
    this.#without = undefined
    for (const { name } of this.#oracle.tables) {
      const found = await storedRows(engine, name)
      if (without !== undefined && !isDeepStrictEqual(found, this.#rowsOf(name))) {
        met.lost++
        this.#oracle.tables = without
        return this.#compare(engine)
      }
      assert.deepEqual(found, this.#rowsOf(name), `${this.#label}, table ${name}`)
    }
    if (without !== undefined) met.applied++
  }

  /** In the order of the primary key. */
  #rowsOf(name: string): Row[] {
    const table = this.#oracle.table(name)
    return this.#oracle
      .live(table)
      .map(({ cells }) => Object.fromEntries(table.columns.map(column => [column.name, cells[column.name] ?? null])))
  }
}

function isCrash(error: unknown): boolean {
  if (error instanceof SimulatedCrash) return true
  return error instanceof Error && error.cause !== undefined && isCrash(error.cause)
}

function withoutTtl(mutation: Mutation): Mutation {
  if (!('ttlMs' in mutation)) return mutation
  const { ttlMs: _never, ...rest } = mutation
  return rest
}

async function storedRows(engine: Engine, table: string): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of engine.table({ project: 'p', table }).scan()) rows.push(row)
  return rows
}

describe(`constraints of an engine that loses power (seed ${seed}, QUORATE_ROUNDS=${ROUNDS})`, () => {
  it('hold whole, whichever disk call is the last', async () => {
    for (let i = 0; i < ROUNDS; i++) await new Run(seed * 1_000 + i).run()
    const { committed, refused, crashes } = met
    assert.ok(committed > 30 * ROUNDS && crashes > 3 * ROUNDS, inspect(met))
    for (const code of ['duplicate_key', 'unique_violation', 'foreign_key_violation', 'check_failed']) {
      assert.ok((refused.get(code) ?? 0) > 0, `${code}: ${inspect(met)}`)
    }
  })
})
