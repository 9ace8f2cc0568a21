import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl } from '../../src/encoding/index.ts'
import { Harness } from './harness.ts'

const table = (name: string): Ddl => ({
  type: 'createTable',
  project: 'p',
  table: name,
  columns: [{ name: 'id', type: 'integer' }],
  primaryKey: ['id'],
})

describe('the catalog', () => {
  it('has no more projects, scopes and tables than its settings allow, within one transaction too', async () => {
    const harness = await Harness.withProject()
    const ddl = async (...operations: Ddl[]): Promise<string> => {
      const outcome = await harness.commit({ mutations: operations.map(operation => ({ type: 'ddl', operation })) })
      return outcome.status === 'committed' ? 'committed' : outcome.code
    }
    const limit = (name: string, value: number): Promise<string> => ddl({ type: 'setSetting', name, value })
    await limit('tablesMax', 2)
    assert.equal(await ddl(table('a'), table('b'), table('c')), 'catalog_limit')
    assert.equal(await ddl(table('a'), table('b')), 'committed')
    assert.equal(await ddl(table('c')), 'catalog_limit')
    assert.equal(await ddl({ type: 'dropTable', project: 'p', table: 'a' }, table('c')), 'committed')
    await limit('scopesMax', 3)
    assert.equal(await ddl({ type: 'createScope', project: 'p', scope: 'third' }), 'committed')
    assert.equal(await ddl({ type: 'createScope', project: 'p', scope: 'fourth' }), 'catalog_limit')
    // A project comes with a scope.
    assert.equal(await ddl({ type: 'createProject', project: 'q' }), 'catalog_limit')
    await limit('scopesMax', 4)
    await limit('projectsMax', 1)
    assert.equal(await ddl({ type: 'createProject', project: 'q' }), 'catalog_limit')
    await limit('projectsMax', 2)
    assert.equal(await ddl({ type: 'createProject', project: 'q' }), 'committed')
  })

  it('has a bounded number of layouts of a table', async () => {
    const harness = await Harness.withProject()
    const alter = (alteration: Extract<Ddl, { type: 'alterTable' }>['alteration']): Ddl => ({
      type: 'alterTable',
      project: 'p',
      table: 't',
      alteration,
    })
    const column = { name: 'c', type: 'text', nullable: true } as const
    const mutations = Array.from({ length: 499 }, () => [
      alter({ type: 'addColumn', column }),
      alter({ type: 'dropColumn', column: 'c' }),
    ])
      .flat()
      .map(operation => ({ type: 'ddl' as const, operation }))
    const created = await harness.commit({ mutations: [{ type: 'ddl', operation: table('t') }, ...mutations] })
    assert.equal(created.status, 'committed')
    const operation = alter({ type: 'addColumn', column })
    assert.equal((await harness.commit({ mutations: [{ type: 'ddl', operation }] })).status, 'committed')
    const more = alter({ type: 'dropColumn', column: 'c' })
    assert.equal(await harness.refusal({ mutations: [{ type: 'ddl', operation: more }] }), 'catalog_limit')
  })
})
