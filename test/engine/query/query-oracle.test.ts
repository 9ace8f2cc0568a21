import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RecordReader } from '../../../src/engine/record-store.ts'
import type { Table } from '../../../src/engine/tables/index.ts'
import type { QueryData } from '../../../src/model/index.ts'
import { judge } from '../conditions/condition-oracle.ts'
import { Dice, SEED } from '../keyspace/support.ts'
import { allPages, contextFor, loadsSeen, memoryOf, pagesOf, recordsOf, runQuery } from './fixture.ts'
import type { Cells } from './fixture.ts'
import { answer, assertAnswer, compareKeys, describeQuery, textOfRow } from './oracle.ts'
import type { OracleRow, OracleTable } from './oracle.ts'
import { randomQuery, randomRows, randomTable } from './random.ts'

const CALLER = 'a'
const NOW = 1_000

interface World {
  readonly tables: readonly Table[]
  readonly rows: readonly (readonly Cells[])[]
  readonly reader: RecordReader
  close(): Promise<void>
}

/** Rows, some of them expired, in memory or in pages of which few stay in memory. */
async function makeWorld(dice: Dice, names: readonly string[], rowsMax: number, inPages: boolean): Promise<World> {
  const tables = names.map((name, i) => randomTable(dice, i + 1, name))
  const rows = tables.map(table => randomRows(dice, table, dice.below(rowsMax), inPages ? 200 : 0))
  const live: Cells[][] = tables.map(() => [])
  const puts = tables.flatMap((table, i) =>
    rows[i]!.flatMap(row => {
      const isGone = dice.chance(8)
      if (!isGone) live[i]!.push(row)
      return recordsOf(table, row, 1 + dice.below(5), isGone ? 1 + dice.below(NOW) : dice.chance(3) ? NOW + 1 : 0)
    }),
  )
  if (!inPages) return { tables, rows: live, reader: memoryOf(puts), close: () => Promise.resolve() }
  const stored = await pagesOf(puts, 4096 * 6)
  return { tables, rows: live, reader: stored.reader, close: () => stored.close() }
}

function oracleTables({ tables, rows }: World, policies: boolean): OracleTable[] {
  return tables.map((table, i) => ({
    name: table.name,
    columns: table.columns.map(({ name }) => name),
    floats: table.columns.filter(({ type }) => type === 'float').map(({ name }) => name),
    wides: table.columns.filter(({ type }) => type === 'u256' || type === 'i256').map(({ name }) => name),
    rows: rows[i]!.filter(row => {
      const { readPolicy } = table.parts
      return !policies || readPolicy === undefined || judge(readPolicy, row, CALLER) === true
    }),
  }))
}

async function check(seed: number, names: readonly string[], rowsMax: number, inPages: boolean): Promise<void> {
  const dice = new Dice(seed)
  const world = await makeWorld(dice, names, rowsMax, inPages)
  try {
    for (let i = 0; i < 12; i++) {
      const query = randomQuery(dice, world.tables)
      const bypass = dice.chance(3)
      const context = contextFor(world.tables, world.reader, {
        caller: CALLER,
        timeMicros: NOW,
        policyOf: (table: Table) => (bypass ? undefined : table.parts.readPolicy),
      })
      const expected = answer(query, oracleTables(world, !bypass), CALLER)
      try {
        assertAnswer(
          query,
          await allPages(context, { ...query, limit: 1 + dice.below(dice.chance(2) ? 5 : 1_000) }),
          expected,
        )
        await checkWindow(dice, context, query, expected)
      } catch (error) {
        throw new Error(`seed ${seed}, query ${i}: ${describeQuery(query)}`, { cause: error })
      }
    }
  } finally {
    await world.close()
  }
}

/** An offset and a limit cut the order at the right places. */
async function checkWindow(
  dice: Dice,
  context: ReturnType<typeof contextFor>,
  query: QueryData,
  expected: readonly OracleRow[],
): Promise<void> {
  const offset = dice.below(6)
  const limit = 1 + dice.below(8)
  const { result } = await runQuery(context, { ...query, offset, limit })
  const window = expected.slice(offset, offset + limit)
  assert.equal(result.rows.length, window.length)
  assert.equal(result.cursor !== undefined, expected.length > offset + limit)
  const all = new Map<string, OracleRow[]>()
  for (const row of expected) {
    const text = textOfRow(row.cells)
    all.set(text, [...(all.get(text) ?? []), row])
  }
  result.rows.forEach((row, i) => {
    const candidates = all.get(textOfRow(row)) ?? []
    assert.ok(
      candidates.some(({ keys }) => compareKeys(query, keys, window[i]!.keys) === 0),
      `row ${i} of the window`,
    )
  })
}

describe(`queries against an oracle (seed ${SEED})`, () => {
  it('of one table: by any index, by sort and by scan the answer is the same', async () => {
    for (let seed = SEED; seed < SEED + 90; seed++) await check(seed, ['t'], 60, false)
  })

  it('of one table in pages that do not fit in memory', async () => {
    const before = loadsSeen()
    for (let seed = SEED; seed < SEED + 6; seed++) await check(seed, ['t'], 600, true)
    assert.ok(loadsSeen() > before, 'pages were read again')
  })

  it('of two and three tables, joined in all ways', async () => {
    for (let seed = SEED; seed < SEED + 60; seed++) await check(seed, ['t', 'u'], 14, false)
    for (let seed = SEED; seed < SEED + 60; seed++) await check(seed, ['t', 'u', 'v'], 7, false)
  })

  it('of joined tables in pages that do not fit in memory', async () => {
    const before = loadsSeen()
    for (let seed = SEED; seed < SEED + 6; seed++) await check(seed, ['t', 'u'], 60, true)
    assert.ok(loadsSeen() > before, 'pages were read again')
  })
})
