import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  add,
  addProposed,
  coalesce,
  copyOf,
  createTable,
  defineTable,
  integer,
  QuorateError,
  subtract,
  text,
  type Transaction,
} from '../../../src/model/index.ts'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { seed } from '../../platform/seed.ts'
import { open } from '../facade-support.ts'

const things = defineTable('things', {
  project: 'shop',
  columns: {
    a: integer(),
    b: text(),
    n: integer().default(7),
    m: integer().nullable(),
    t: text().nullable(),
  },
  primaryKey: ['a', 'b'],
})

type Table = ReturnType<typeof tableOf>
const tableOf = (tx: Transaction) => tx.table(things)
type Key = { a: number; b: string }
const KEYS: readonly Key[] = [1, 2].flatMap(a => ['x', 'y\u0000', ''].map(b => ({ a, b })))

const below = (random: SeededRandom, bound: number): number => Math.floor(random.float() * bound)

/** Writes at random; those that could not be read before the commit are rare, so that most runs can be compared. */
function write(table: Table, random: SeededRandom): void {
  const key = KEYS[below(random, KEYS.length)]!
  const n = below(random, 100)
  switch (below(random, 9)) {
    case 0:
      return table.insert({ ...key, n })
    case 1:
      return table.upsert(below(random, 2) === 0 ? { ...key, m: n } : { ...key, n, t: `${n}` })
    case 2:
      return table.delete(key)
    case 3:
      return table.update(key, { n: add(n), m: copyOf('n') })
    case 4:
      return table.update(key, { m: coalesce(n), n: subtract(1n) })
    case 5:
      return table.update(key, { t: null, n })
    case 6:
      return table.upsertMany([
        { ...key, n },
        { ...KEYS[0]!, m: null },
      ])
    case 7:
      return below(random, 20) === 0
        ? table.insert({ ...key, n }, { onConflict: { action: { update: { n: addProposed('n') } } } })
        : table.update(key, { t: 'again' })
    default:
      return below(random, 20) === 0 ? table.updateWhere(c => c.n.gt(50), { m: 1 }) : table.delete(key)
  }
}

it(`what a transaction reads of its own writes is what its commit makes of them (seed ${seed})`, async () => {
  const random = new SeededRandom(seed)
  let compared = 0
  for (let round = 0; round < 400; round++) {
    const { database } = await open()
    await database.ddl(createTable(things))
    const table = database.table(things)
    for (const key of KEYS) if (below(random, 2) === 0) await table.insert({ ...key, n: below(random, 60), m: null })
    const writes = 1 + below(random, 6)
    let seen: readonly unknown[] | undefined
    try {
      await database.transaction(async tx => {
        const inside = tableOf(tx)
        for (let i = 0; i < writes; i++) write(inside, random)
        const named = tx.table({ project: 'shop', table: 'things' })
        seen = await inside.getMany(KEYS)
        assert.deepEqual(await named.getMany(KEYS), seen)
        for (const [i, key] of KEYS.entries()) assert.deepEqual(await inside.get(key), seen[i])
      })
    } catch (error) {
      // Refused: by the commit, or because only the commit could tell.
      const codes = ['duplicate_key', 'row_not_found', 'invalid_argument', 'overflow', 'underflow']
      if (!(error instanceof QuorateError) || !codes.includes(error.code)) throw error
      continue
    }
    assert.deepEqual(await table.getMany(KEYS), seen, `round ${round}`)
    compared++
  }
  assert.ok(compared > 100, `${compared} rounds were compared`)
})
