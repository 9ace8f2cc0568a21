import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl, Mutation, Value } from '../../../src/encoding/index.ts'
import { openEngine } from '../../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../../src/engine/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { QueryData, View } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import { judge } from '../conditions/condition-oracle.ts'
import { Dice, SEED } from '../keyspace/support.ts'
import { answer, assertAnswer, describeQuery, textOfRow } from './oracle.ts'
import { pick, randomCondition, randomQuery, randomRows, sampleOf } from './random.ts'
import { ModelTable, PROJECT } from './table-model.ts'

/** Worlds of one run; QUORATE_ROUNDS asks for more. */
const ROUNDS = Number(process.env['QUORATE_ROUNDS'] ?? 3)
const STEPS = 45
/** So few pages that next to nothing stays in memory. */
const OPTIONS: EngineOptions = {
  pageBytes: 4096,
  budgetBytes: 12 * 4096,
  segmentBytes: 64 << 10,
  checkpointLogBytes: 96 << 10,
}
/** The oracle looks at every pair of rows. */
const JOINED_ROWS_MAX = 100
const CALLERS = ['root', 'a'] as const

type State = ReturnType<ModelTable['state']>[]

/** What a run has met, so that a test can tell that it met enough. */
const met = { queries: 0, changes: 0, crashes: 0, inDoubt: 0, loaded: 0, pagesOfOld: 0, rowsFound: 0 }

class Run {
  readonly seed: number
  readonly dice: Dice
  readonly world: SimulatedWorld
  readonly machine: SimulatedMachine
  readonly tables: ModelTable[] = []
  #view: { readonly view: View; readonly state: State } | undefined
  /** A query whose first page was read, and what all of its pages should have. */
  #open: { query: QueryData; caller: string; cursor: string; state: State; rows: Value[][] } | undefined

  constructor(seed: number) {
    this.seed = seed
    this.dice = new Dice(seed)
    this.world = new SimulatedWorld({ seed, drainMicrotasks })
    this.machine = new SimulatedMachine(this.world, { name: 'one' })
  }

  state(): State {
    return this.tables.map(table => table.state())
  }

  async run(): Promise<void> {
    const { world, machine, dice } = this
    let isCreated = false
    for (let life = 0; life < 3; life++) {
      const engine = await world.runToCompletion(openEngine('/data', OPTIONS, machine.start()))
      if (isCreated) await world.runToCompletion(this.#compareAll(engine))
      else await world.runToCompletion(this.#create(engine))
      isCreated = true
      await world.runToCompletion(this.#work(engine))
      met.loaded += engine.metrics().pages.loaded
      if (life === 2) await world.runToCompletion(this.#close(engine))
      else await this.#losePower(engine, dice.chance(3) ? 'process' : 'power')
    }
  }

  async #close(engine: Engine): Promise<void> {
    await this.#view?.view.close()
    await engine.close()
  }

  async #create(engine: Engine): Promise<void> {
    const { dice } = this
    const permission = { type: 'tableRead', project: PROJECT } as const
    await engine.ddl([
      { type: 'createProject', project: PROJECT },
      { type: 'grant', caller: 'a', permission },
    ])
    for (const [i, name] of ['t', 'u'].entries()) {
      const table = new ModelTable(dice, i + 1, name)
      await engine.ddl(table.create())
      this.tables.push(table)
      await this.#commit(engine, this.#fill(table, 20 + dice.below(40)))
    }
  }

  async #work(engine: Engine): Promise<void> {
    const { dice } = this
    for (let step = 0; step < STEPS; step++) {
      const table = pick(dice, this.tables)
      const choice = dice.below(20)
      if (choice < 5) await this.#commit(engine, this.#mutation(table))
      else if (choice < 8) await this.#change(engine, table)
      else if (choice === 8) await engine.checkpoint()
      else if (choice === 9) await this.#look(engine)
      else if (choice === 10) await this.#turnPage(engine)
      else await this.#query(engine, engine, this.state())
    }
    // A view and a cursor are of this life.
    await this.#view?.view.close()
    this.#view = undefined
    this.#open = undefined
  }

  async #commit(engine: Engine, { mutation, apply }: Planned): Promise<void> {
    await engine.commit({ mutations: [mutation] })
    apply()
  }

  #fill(table: ModelTable, count: number): Planned {
    const rows = randomRows(this.dice, table.table, count, 200)
    const mutation: Mutation = { type: 'upsert', project: PROJECT, table: table.name, rows }
    return { mutation, apply: () => table.put(rows) }
  }

  #mutation(table: ModelTable): Planned {
    const { dice } = this
    const at = { project: PROJECT, table: table.name }
    const choice = dice.below(4)
    if (choice < 2) return this.#fill(table, 1 + dice.below(20))
    const where = randomCondition(dice, table.table, column => column, 1, false)
    const free = table.columns.filter(({ name }) => !table.primaryKey.includes(name))
    if (choice === 2 && free.length > 0) {
      const { name, type } = pick(dice, free)
      const value = sampleOf(dice, type)
      const mutation: Mutation = { type: 'updateWhere', ...at, where, set: { [name]: { set: value } } }
      return { mutation, apply: () => table.update(where, name, value) }
    }
    return { mutation: { type: 'deleteWhere', ...at, where }, apply: () => table.removeWhere(where) }
  }

  /** Builds of indexes and removals go on beside the queries that follow. */
  async #change(engine: Engine, table: ModelTable): Promise<void> {
    const operation: Ddl | undefined = table.change(this.dice)
    if (operation === undefined) return
    await engine.ddl(operation)
    met.changes++
  }

  async #query(engine: Engine, source: Pick<View, 'query'>, state: State): Promise<void> {
    const { dice } = this
    const joins = dice.chance(3) && state.every(({ rows }) => rows.length < JOINED_ROWS_MAX)
    const query = randomQuery(dice, joins ? state.map(tableOf) : [tableOf(pick(dice, state))])
    const caller = source === engine ? pick(dice, CALLERS) : 'root'
    const rows = await (source === engine ? engine.as(caller) : source).query(query).all()
    this.#assert(query, rows.map(cellsOf), state, caller)
    if (source !== engine || this.#open !== undefined) return
    const limited = { ...query, limit: 1 + dice.below(4) }
    const page = await engine.as(caller).query(limited).page()
    if (page.cursor === undefined) return
    this.#open = { query: limited, caller, cursor: page.cursor, state, rows: page.rows.map(cellsOf) }
  }

  /** What is seen must be what was there when the view or the first page was opened. */
  async #look(engine: Engine): Promise<void> {
    if (this.#view === undefined) this.#view = { view: await engine.view(), state: this.state() }
    else {
      await this.#query(engine, this.#view.view, this.#view.state)
      if (!this.dice.chance(3)) return
      await this.#view.view.close()
      this.#view = undefined
    }
  }

  async #turnPage(engine: Engine): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    try {
      const page = await engine.as(open.caller).query(open.query).page(open.cursor)
      met.pagesOfOld++
      open.rows.push(...page.rows.map(cellsOf))
      if (page.cursor !== undefined) this.#open = { ...open, cursor: page.cursor }
      else this.#assert(open.query, open.rows, open.state, open.caller)
    } catch (error) {
      // A policy is that of now, and may name a column that has another name or was not there.
      if (
        !(error instanceof QuorateError) ||
        !['seq_unavailable', 'column_not_found', 'invalid_cursor'].includes(error.code)
      ) {
        throw new Error(this.#label(open.query), { cause: error })
      }
    }
  }

  #assert(query: QueryData, rows: readonly (readonly Value[])[], state: State, caller: string): void {
    met.queries++
    met.rowsFound += rows.length
    const seen = state
      .filter(({ name }) => isNamed(query, name))
      .map(table => ({
        ...table,
        rows: table.rows.filter(
          row => caller === 'root' || table.policy === undefined || judge(table.policy, row, caller) === true,
        ),
      }))
    try {
      assertAnswer(query, rows, answer(query, seen, caller))
    } catch (error) {
      throw new Error(this.#label(query), { cause: error })
    }
  }

  #label(query: QueryData): string {
    return `seed ${this.seed}: ${describeQuery(query)}`
  }

  async #compareAll(engine: Engine): Promise<void> {
    for (const table of this.tables)
      assert.deepEqual(await storedIn(engine, table), storedOf(table), `seed ${this.seed}`)
  }

  /** With a commit under way, of which nobody has heard: afterwards it is whole, or it never was. */
  async #losePower(engine: Engine, kind: 'power' | 'process'): Promise<void> {
    const { dice, world, machine } = this
    const table = pick(dice, this.tables)
    const { mutation, apply } = this.#mutation(table)
    const isUnderWay = dice.chance(2)
    if (isUnderWay) engine.commit({ mutations: [mutation] }).catch(() => undefined)
    for (let i = dice.below(12); i > 0; i--) await world.step()
    machine.crash(kind)
    met.crashes++
    if (!isUnderWay) return
    const again = await world.runToCompletion(openEngine('/data', OPTIONS, machine.start()))
    const found = await world.runToCompletion(storedIn(again, table))
    if (!isSame(found, storedOf(table))) {
      apply()
      met.inDoubt++
    }
    assert.deepEqual(found, storedOf(table), `seed ${this.seed}: a commit is there in part`)
    machine.crash(kind)
  }
}

interface Planned {
  readonly mutation: Mutation
  readonly apply: () => void
}

function tableOf({ table }: State[number]): ModelTable['table'] {
  return table
}

function isNamed({ from, joins = [] }: QueryData, name: string): boolean {
  return from === name || joins.some(({ table }) => table === name)
}

function cellsOf(row: object): Value[] {
  return Object.values(row) as Value[]
}

async function storedIn(engine: Engine, { name }: ModelTable): Promise<string[]> {
  const rows = await engine.query({ project: PROJECT, from: name, allowFullScan: true }).all()
  return rows.map(row => textOfRow(cellsOf(row))).sort()
}

function storedOf({ columns, rows }: ModelTable): string[] {
  return [...rows.values()].map(row => textOfRow(columns.map(({ name }) => row[name]!))).sort()
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i])
}

describe(`queries of a whole engine against an oracle (seed ${SEED}, QUORATE_ROUNDS=${ROUNDS})`, () => {
  it('are right while tables change, jobs run, pages are evicted and the power goes', async () => {
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) await new Run(seed).run()
    const { queries, changes, crashes, loaded, pagesOfOld, rowsFound } = met
    assert.ok(queries > 40 * ROUNDS && changes > 10 * ROUNDS && crashes === 2 * ROUNDS, JSON.stringify(met))
    assert.ok(loaded > 10 * ROUNDS && pagesOfOld > ROUNDS && rowsFound > 100 * ROUNDS, JSON.stringify(met))
  })
})
