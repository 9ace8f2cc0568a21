import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { decodeOutcome } from '../../../src/encoding/index.ts'
import type { Ddl, Mutation, Outcome } from '../../../src/encoding/index.ts'
import { prefixEnd } from '../../../src/engine/record-store.ts'
import { RowView, rowsPrefix } from '../../../src/engine/tables/index.ts'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { Harness } from '../harness.ts'
import { seed } from '../seed.ts'
import { Bed } from './bed.ts'
import { Generator } from './generator.ts'
import type { Change } from './generator.ts'
import { addColumn } from '../../../src/testing/simulation/reference-alterations.ts'
import { ReferenceTables } from '../../../src/testing/simulation/reference-tables.ts'

const TABLES_MAX = 4

/** A bed that is driven at random beside an oracle, and compared with it. */
class Run {
  readonly bed = new Bed()
  readonly oracle = new ReferenceTables()
  readonly generator: Generator
  readonly #label: string
  committed = 0
  refused = new Map<string, number>()

  constructor(runSeed: number) {
    this.#label = `seed ${runSeed}`
    this.generator = new Generator(new SeededRandom(runSeed), this.oracle)
  }

  step(): void {
    const { generator, oracle, bed } = this
    bed.timeMicros += generator.isChance(8) ? 1_000 * generator.below(3) : 1
    const choice = generator.below(20)
    if (oracle.tables.length === 0 || (choice === 0 && oracle.tables.length < TABLES_MAX)) this.#createTable()
    else if (choice === 1) this.#dropTable()
    else if (choice < 5) this.#change()
    else if (choice === 5) this.#tick()
    else this.#transaction()
    if (generator.isChance(6)) this.compare()
  }

  #outcome(outcome: Outcome, expected: string | unknown[], what: unknown): void {
    const where = `${this.#label}, entry ${this.bed.seq}: ${inspect(what, { depth: 6 })}`
    if (outcome.status === 'refused') {
      assert.equal(outcome.code, expected, `${where} ${outcome.message}`)
      this.refused.set(outcome.code, (this.refused.get(outcome.code) ?? 0) + 1)
      return
    }
    assert.ok(Array.isArray(expected), `${where} should have been refused: ${inspect(expected)}`)
    assert.deepEqual(outcome.results, expected.some(result => result !== undefined) ? expected : [], where)
    this.committed++
  }

  #createTable(): void {
    const table = this.generator.table()
    const { name, columns, primaryKey, indexes, checks, foreignKeys } = structuredClone(table)
    this.bed.ddl({ type: 'createTable', project: 'p', table: name, columns, primaryKey, indexes, checks, foreignKeys })
    this.oracle.tables.push(table)
  }

  #dropTable(): void {
    const { oracle, generator, bed } = this
    const table = generator.pick(oracle.tables)
    const others = oracle.tables.filter(
      other => other !== table && other.foreignKeys.some(key => key.table === table.name),
    )
    const expected = others.some(({ rows }) => rows.length > 0) ? 'foreign_key_violation' : [true]
    const operation: Ddl = { type: 'dropTable', project: 'p', table: table.name }
    this.#outcome(bed.submit({ mutations: [{ type: 'ddl', operation }] }), expected, operation)
    if (typeof expected === 'string') return
    oracle.tables = oracle.tables.filter(other => other !== table)
    for (const other of others) other.foreignKeys = other.foreignKeys.filter(key => key.table !== table.name)
  }

  #tick(): void {
    this.bed.tick(1 + this.generator.below(50))
    if (this.bed.applier.earliestExpiryMicros > this.bed.timeMicros) this.oracle.tick(this.bed.timeMicros)
    else this.#tick()
  }

  #operation(change: Change): Ddl {
    const { table, alteration } = change
    if (alteration.type === 'createIndex' || alteration.type === 'dropIndex')
      return { project: 'p', table, ...alteration }
    return { type: 'alterTable', project: 'p', table, alteration }
  }

  /** Rules wait for their rows to be looked at; everything else leaves its jobs to the ticks to come. */
  #change(): void {
    const { generator, oracle, bed } = this
    const change = generator.change()
    if (change === undefined) return
    this.#tick()
    const operation = this.#operation(change)
    const fits = change.fits()
    const outcome = bed.submit({ mutations: [{ type: 'ddl', operation }] })
    if (outcome.status === 'refused') {
      // An index that a foreign key needs, or actions that a table cannot have.
      assert.equal(outcome.code, 'invalid_argument', `${this.#label}: ${inspect(operation, { depth: 6 })}`)
      return
    }
    if (change.isRule) {
      bed.settle(1 + generator.below(60))
      oracle.tick(bed.timeMicros)
      const failures = bed.table(change.table).parts.failures.filter(({ seq }) => seq > outcome.seq)
      assert.equal(
        failures.length === 0,
        fits,
        `${this.#label}: ${inspect(operation, { depth: 6 })} ${inspect(failures)}`,
      )
    }
    if (fits) change.apply()
  }

  #transaction(): void {
    const { generator, oracle, bed } = this
    const isAltering = generator.isChance(10)
    const mutations = Array.from({ length: 1 + (generator.isChance(3) ? generator.below(5) : 0) }, () =>
      generator.mutation(),
    )
    if (!isAltering) {
      const expected = oracle.apply(bed.seq + 1, bed.timeMicros, mutations)
      this.#outcome(bed.submit({ mutations }), expected, mutations)
      return
    }
    // A column that the same transaction adds: gone with it if it is refused.
    const { name } = generator.pick(oracle.tables)
    const column = { name: generator.name('x'), type: 'integer', nullable: true, default: 4 } as const
    const operation: Ddl = { type: 'alterTable', project: 'p', table: name, alteration: { type: 'addColumn', column } }
    const expected = oracle.apply(bed.seq + 1, bed.timeMicros, mutations, () => addColumn(oracle.table(name), column))
    const all: Mutation[] = [{ type: 'ddl', operation }, ...mutations]
    this.#outcome(bed.submit({ mutations: all }), typeof expected === 'string' ? expected : [true, ...expected], all)
  }

  compare(): void {
    const { bed, oracle } = this
    oracle.passTo(bed.timeMicros)
    for (const table of oracle.tables) {
      const expected = oracle.live(table).map(({ cells, seq, createdSeq, expiresAtMicros }) => ({
        cells,
        seq,
        createdSeq,
        expiresAtMicros,
      }))
      assert.deepEqual(storedRows(bed, table.name), expected, `${this.#label}, entry ${bed.seq}, table ${table.name}`)
    }
    bed.checkIndexes()
  }
}

function storedRows(bed: Bed, name: string): unknown[] {
  const table = bed.table(name)
  const view = new RowView(table)
  const prefix = rowsPrefix(table.id)
  const rows: unknown[] = []
  bed.store.walk(prefix, prefixEnd(prefix), false, (key, { versionSeq, createdSeq, expiresAtMicros }, value) => {
    if (expiresAtMicros !== 0 && expiresAtMicros <= bed.timeMicros) return true
    view.open(key, value())
    const cells = Object.fromEntries(table.columns.map((column, position) => [column.name, view.cell(position)]))
    rows.push({ cells, seq: versionSeq, createdSeq, expiresAtMicros })
    return true
  })
  return rows
}

describe(`tables (seed ${seed})`, () => {
  it('do what an oracle does, for random tables, rows and changes of both', () => {
    let committed = 0
    const refused = new Map<string, number>()
    for (let i = 0; i < 15; i++) {
      const run = new Run(seed * 1_000 + i)
      for (let step = 0; step < 250; step++) run.step()
      run.compare()
      run.bed.settle()
      run.bed.checkIndexes()
      committed += run.committed
      for (const [code, count] of run.refused) refused.set(code, (refused.get(code) ?? 0) + count)
    }
    assert.ok(committed > 1_000, `only ${committed} transactions were committed`)
    for (const code of [
      'duplicate_key',
      'unique_violation',
      'foreign_key_violation',
      'check_failed',
      'not_null_violation',
      'row_not_found',
      'type_mismatch',
      'column_not_found',
      'invalid_argument',
      'overflow',
    ]) {
      assert.ok((refused.get(code) ?? 0) > 2, `${code} was met ${refused.get(code)} times`)
    }
  })

  it('are the same on all replicas, whatever pages, memory and batches they have and wherever they begin again', async () => {
    const run = new Run(seed * 1_000 + 500)
    for (let step = 0; step < 1_000; step++) run.step()
    run.bed.settle()
    const outcomes: Outcome[] = []
    let sum: string | undefined
    for (const [pageBytes, budgetBytes, batch, restarts] of [
      [32768, 1 << 24, 1000, 0],
      [4096, 1, 1, 0],
      [4096, 40 * 4096, 7, 6],
      [8192, 1 << 20, 64, 12],
    ] as const) {
      const random = new SeededRandom(seed + batch)
      let harness = await Harness.create({ pageBytes, budgetBytes })
      for (const { kind, timeMicros, payload } of run.bed.entries) {
        harness.timeMicros = timeMicros
        harness.append(kind, payload)
      }
      const found: Outcome[] = []
      let begun = 0
      while (harness.core.appliedSeq < harness.entries.length) {
        const from = harness.core.appliedSeq + 1
        const result = harness.core.apply(
          harness.batch(from, Math.min(harness.entries.length, from + batch - 1)),
          () => false,
        )
        if (restarts === 0) found.push(...result.outcomes.map(({ outcome }) => decodeOutcome(outcome)))
        await result.cold
        if (result.cold !== undefined) continue
        if (harness.core.isBusy || random.u32() % 100 === 0) await harness.checkpoint()
        if (begun < restarts && random.u32() % 8 === 0) {
          begun++
          harness = await harness.reopen()
        }
      }
      assert.equal(begun, restarts, 'it began again as often as it should')
      if (restarts === 0 && outcomes.length > 0) assert.deepEqual(found, outcomes)
      else if (restarts === 0) outcomes.push(...found)
      sum ??= harness.digest()
      assert.equal(harness.digest(), sum, `pages of ${pageBytes}, budget ${budgetBytes}, seed ${seed}`)
      await harness.checkpoint()
      const again = await harness.reopen()
      assert.equal(again.digest(), sum)
      await again.core.close()
    }
  })
})
