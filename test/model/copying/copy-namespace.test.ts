import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../../src/engine/index.ts'
import type { Engine } from '../../../src/engine/index.ts'
import { copyNamespace, createTable, defineTable, integer, QuorateError, text } from '../../../src/model/index.ts'
import type { CopyOptions, CopyResult, Database, Namespace } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import { code } from '../../error-code.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const authors = defineTable('authors', {
  project: 'library',
  columns: { id: integer().primaryKey(), name: text() },
  indexes: [{ columns: ['name'] }],
})
const books = defineTable('books', {
  project: 'library',
  columns: { id: integer().primaryKey(), author: integer(), title: text().nullable() },
  foreignKeys: [{ columns: ['author'], table: 'authors' }],
})

class Bed {
  readonly world = new SimulatedWorld({ seed, drainMicrotasks })
  readonly process = new SimulatedMachine(this.world, { name: 'one' }).start()
  source!: Engine
  target!: Engine

  run<T>(work: Promise<T>): Promise<T> {
    return this.world.runToCompletion(work, 600_000)
  }

  /** A library whose tables point at each other against the order of their names, and an empty database. */
  async open(): Promise<this> {
    const options = { pageBytes: 4096, budgetBytes: 4 << 20 } as const
    this.source = await openEngine('/source', options, this.process)
    this.target = await openEngine('/target', options, this.process)
    const { source } = this
    await source.ddl([
      { type: 'createProject', project: 'library', owner: 'ann' },
      { type: 'createScope', project: 'library', scope: 'other' },
      createTable(authors),
      createTable(books),
      { type: 'setQuota', project: 'library', records: 100_000 },
      {
        type: 'setReadPolicy',
        project: 'library',
        table: 'books',
        policy: { op: 'gte', column: 'id', value: 0 },
      },
    ])
    const kv = source.kv('library')
    for (let i = 0; i < 60; i++) await kv.set(`k${i}`, new Uint8Array(1 + ((i * 131) % 7_000)).fill(i))
    await kv.set('hour', Uint8Array.of(1), { ttlMs: 3_600_000 })
    await kv.set('second', Uint8Array.of(2), { ttlMs: 1_000 })
    await source.kv('library', { scope: 'other' }).set('there', Uint8Array.of(3))
    await source.table(authors).insertMany(Array.from({ length: 40 }, (_, id) => ({ id, name: `a${id % 5}` })))
    await source.table(books).insertMany(Array.from({ length: 90 }, (_, id) => ({ id, author: id % 40, title: null })))
    await source.table(books).insert({ id: 1_000, author: 1, title: 'soon gone' }, { ttlMs: 7_200_000 })
    await this.world.delay(2_000, this.process)
    return this
  }

  copy(from: Namespace, options: Partial<CopyOptions> = {}, target: Database = this.target): Promise<CopyResult> {
    return copyNamespace(this.source, target, from, { id: 'one', batch: 25, ...options })
  }
}

async function keysOf(database: Database, project: string, scope = 'app'): Promise<string[]> {
  const found: string[] = []
  for await (const { key, value } of database.kv(project, { scope }).scan())
    found.push(`${key}:${value.length}:${value[0]}`)
  return found
}

/** Loses the answers of commits from the `after`th on, as if the process had ended there. */
function breaking(database: Database, after: number): Database {
  let commits = 0
  return new Proxy(database, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target)
      if (name === 'commit') {
        return async (...args: Parameters<Database['commit']>) => {
          if (commits++ >= after) throw new QuorateError('aborted', 'the process ends')
          return await target.commit(...args)
        }
      }
      return typeof found === 'function' ? (found.bind(target) as unknown) : found
    },
  })
}

describe('a copy of a project', () => {
  it('has its scopes, keys, rows, indexes, rules, policies, lifetimes and quota under another name, and goes on as one', async () => {
    const bed = new Bed()
    await bed.run(
      (async () => {
        await bed.open()
        const progress: number[] = []
        const result = await bed.copy(
          { project: 'library' },
          { to: { project: 'copy' }, onProgress: done => progress.push(done) },
        )
        assert.deepEqual([result.rows, result.expired, result.skipped], [131, 0, 0])
        const { source, target } = bed
        assert.deepEqual(await keysOf(target, 'copy'), await keysOf(source, 'library'))
        assert.deepEqual(await keysOf(target, 'copy', 'other'), ['there:1:3'])
        assert.ok(progress.length > 5 && progress.at(-1) === result.keys + result.rows)
        assert.deepEqual(
          (await target.projects()).map(({ name }) => name),
          ['copy'],
        )
        for (const name of ['authors', 'books']) {
          const [there, here] = [
            await target.table({ project: 'copy', table: name }).describe(),
            await source.table({ project: 'library', table: name }).describe(),
          ]
          assert.deepEqual([there.rows, there.owner], [here.rows, here.owner])
          assert.deepEqual(there.definition.indexes, here.definition.indexes)
          assert.deepEqual(there.readPolicy, here.readPolicy)
        }
        const rows = target.table({ project: 'copy', table: 'books' })
        assert.equal(await code(rows.insert({ id: 7_000, author: 999, title: null })), 'foreign_key_violation')
        const hour = (await target.kv('copy').entry('hour'))!.expiresAtMicros!
        assert.ok(Math.abs(hour - (await source.kv('library').entry('hour'))!.expiresAtMicros!) < 1_000_000)
        assert.ok((await rows.entry({ id: 1_000 }))!.expiresAtMicros! > hour)
        assert.equal((await target.usage('copy')).quota.records, 100_000)
        assert.deepEqual(result.plan.omitted, [])
      })(),
    )
  })

  it('is refused where the project is there, and says what it would do without doing it', async () => {
    const bed = new Bed()
    await bed.run(
      (async () => {
        await bed.open()
        const { target } = bed
        const dry = await bed.copy({ project: 'library' }, { isDryRun: true })
        assert.deepEqual([dry.rows, dry.plan.scopes.length, dry.plan.isProjectThere], [131, 2, false])
        assert.deepEqual(await target.projects(), [])
        await target.ddl({ type: 'createProject', project: 'library' })
        await target.kv('library').set('own', Uint8Array.of(1))
        await target.kv('library').set('k1', Uint8Array.of(77))
        assert.equal(await code(bed.copy({ project: 'library' })), 'already_exists')
        assert.equal(await code(bed.copy({ project: 'library' }, { isDryRun: true })), 'already_exists')
        assert.deepEqual(await keysOf(target, 'library'), ['k1:1:77', 'own:1:1'])
        await bed.copy({ project: 'library' }, { isIntoExisting: true })
        const found = await keysOf(target, 'library')
        assert.ok(found.includes('own:1:1') && found.includes('k1:132:1'))
        assert.equal((await target.usage('library')).quota.records, undefined, 'the quota of what was there stays')
        for (const [from, wanted] of [
          [{ project: 'none' }, 'project_not_found'],
          [{ project: 'library', scope: 'none' }, 'scope_not_found'],
          [{ project: 'library', table: 'none' }, 'table_not_found'],
        ] as const) {
          assert.equal(await code(bed.copy(from, { to: { project: 'x' } })), wanted)
        }
        assert.equal(await code(bed.copy({ project: 'library' }, { to: { table: 'x' } })), 'invalid_argument')
      })(),
    )
  })

  it('goes on where it broke off, wherever that is, and writes nothing twice', async () => {
    const bed = new Bed()
    await bed.run(
      (async () => {
        await bed.open()
        const wanted = await keysOf(bed.source, 'library')
        let breaks = 0
        for (let after = 0; after < 40; after++) {
          const project = `p${after}`
          const to = { to: { project } }
          const first = await code(bed.copy({ project: 'library' }, to, breaking(bed.target, after)))
          if (first === 'none') break
          assert.equal(first, 'aborted')
          breaks++
          const other = code(bed.copy({ project: 'library' }, { ...to, id: 'another' }))
          assert.equal(await other, after === 0 ? 'none' : 'already_exists')
          if (after === 0) continue
          const result = await bed.copy({ project: 'library' }, to)
          assert.equal(result.skipped, 25 * (after - 1))
          assert.deepEqual(await keysOf(bed.target, project), wanted)
          assert.equal(await bed.target.table({ project, table: 'books' }).count(), 91)
          const versions: number[] = []
          for await (const { seq, createdSeq } of bed.target.kv(project).scan()) versions.push(seq - createdSeq)
          assert.ok(
            versions.every(difference => difference === 0),
            'each key was set once',
          )
        }
        assert.ok(breaks > 5, `broke off ${breaks} times`)
      })(),
    )
  })
})

describe('a copy of a scope or a table', () => {
  it('comes beside what is there, under names of its own; rules towards what is not there are left out and told', async () => {
    const bed = new Bed()
    await bed.run(
      (async () => {
        await bed.open()
        const { source } = bed
        const into = (from: Namespace, to: Partial<Namespace>, id: string): Promise<CopyResult> =>
          copyNamespace(source, source, from, { id, to })
        await into({ project: 'library', scope: 'other' }, { scope: 'again' }, 'a')
        assert.deepEqual(await keysOf(source, 'library', 'again'), ['there:1:3'])
        assert.equal(await code(into({ project: 'library', scope: 'other' }, { scope: 'app' }, 'b')), 'already_exists')
        const table = await into({ project: 'library', table: 'books' }, { table: 'old_books' }, 'c')
        assert.deepEqual([table.keys, table.rows, table.plan.omitted], [0, 91, []])
        const old = source.table({ project: 'library', table: 'old_books' })
        assert.equal(await old.count(), 91)
        assert.equal(await code(old.insert({ id: 7_000, author: 999, title: null })), 'foreign_key_violation')
        const elsewhere = await into({ project: 'library', table: 'books' }, { project: 'elsewhere' }, 'd')
        assert.equal(elsewhere.plan.omitted.length, 1)
        await source.table({ project: 'elsewhere', table: 'books' }).insert({ id: 7_000, author: 999, title: null })
        assert.equal(await code(into({ project: 'library', table: 'books' }, {}, 'e')), 'already_exists')
      })(),
    )
  })
})
