import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl, Permission } from '../../src/encoding/index.ts'
import { Harness } from './harness.ts'

const table = { columns: [{ name: 'id', type: 'integer' as const }], primaryKey: ['id'] }

/** Project p with scopes app and other, each with tables t and u. */
async function world(): Promise<Harness> {
  const harness = await Harness.withProject()
  for (const scope of ['app', 'other']) {
    for (const name of ['t', 'u']) {
      assert.equal(await ddl(harness, { type: 'createTable', project: 'p', scope, table: name, ...table }), true)
    }
  }
  return harness
}

async function ddl(harness: Harness, operation: Ddl, caller = 'root'): Promise<unknown> {
  const outcome = await harness.commit({ mutations: [{ type: 'ddl', operation }] }, { caller })
  return outcome.status === 'committed' ? outcome.results[0] : outcome.code
}

const transfer = (harness: Harness, to: string, place: object, caller?: string): Promise<unknown> =>
  ddl(harness, { type: 'transferOwnership', project: 'p', ...place, to }, caller)

const owners = (harness: Harness): Record<string, unknown> => {
  const projects = harness.read({ type: 'projects' })
  const scopes = harness.read({ type: 'scopes', project: 'p' })
  const tables = harness.read({ type: 'tables', project: 'p', scope: 'app' })
  assert.ok(projects.type === 'projects' && scopes.type === 'scopes' && tables.type === 'tables')
  return {
    ...Object.fromEntries([...projects.projects, ...scopes.scopes].map(({ name, owner }) => [name, owner])),
    ...Object.fromEntries(tables.tables.map(({ name, owner }) => [name, owner])),
  }
}

describe('owners', () => {
  it('may give permissions as far as what they own reaches, and no further', async () => {
    const harness = await world()
    await transfer(harness, 'ann', {})
    await transfer(harness, 'bob', { scope: 'app' })
    await transfer(harness, 'cyd', { table: 't' })
    const everywhere: Permission[] = [{ type: 'admin' }, { type: 'impersonate' }, { type: 'kvRead' }]
    const project: Permission[] = [
      { type: 'projectAdmin', project: 'p' },
      { type: 'kvWrite', project: 'p' },
      { type: 'scopeAdmin', project: 'p', scope: 'other' },
    ]
    const scope: Permission[] = [
      { type: 'scopeAdmin', project: 'p', scope: 'app' },
      { type: 'tableDdl', project: 'p', scope: 'app' },
      { type: 'tableRead', project: 'p', scope: 'app', table: 'u' },
    ]
    const own: Permission[] = [
      { type: 'tableWrite', project: 'p', scope: 'app', table: 't' },
      { type: 'policyBypass', project: 'p', scope: 'app', table: 't' },
    ]
    const may: [string, Permission[], Permission[]][] = [
      ['ann', [...project, ...scope, ...own], everywhere],
      ['bob', [...scope, ...own], [...project, ...everywhere]],
      ['cyd', own, [...scope, ...project, ...everywhere]],
      ['dan', [], [...own, ...scope, ...project, ...everywhere]],
    ]
    for (const [caller, granted, refused] of may) {
      for (const permission of granted) {
        assert.equal(await ddl(harness, { type: 'grant', caller: 'x', permission }, caller), true, caller)
        assert.equal(await ddl(harness, { type: 'revoke', caller: 'x', permission }, caller), true, caller)
      }
      for (const permission of refused) {
        const operation = { type: 'grant', caller: 'x', permission } as const
        assert.equal(await ddl(harness, operation, caller), 'permission_denied', `${caller} ${permission.type}`)
      }
    }
    assert.equal(await ddl(harness, { type: 'dropScope', project: 'p', scope: 'app' }, 'bob'), 'permission_denied')
  })

  it('hand on what they own and what lies in it; administrators of it do not', async () => {
    const harness = await world()
    await ddl(harness, { type: 'grant', caller: 'adm', permission: { type: 'projectAdmin', project: 'p' } })
    assert.equal(await transfer(harness, 'adm', {}, 'adm'), 'permission_denied')
    assert.equal(await transfer(harness, 'ann', {}), true)
    assert.equal(await transfer(harness, 'ann', {}), false)
    assert.equal(await transfer(harness, 'bob', { scope: 'app' }, 'ann'), true)
    assert.equal(await transfer(harness, 'cyd', { table: 't' }, 'bob'), true)
    assert.equal(await transfer(harness, 'bob', { scope: 'other' }, 'bob'), 'permission_denied')
    assert.equal(await transfer(harness, 'bob', {}, 'bob'), 'permission_denied')
    assert.deepEqual(owners(harness), { p: 'ann', app: 'bob', other: undefined, t: 'cyd', u: '' })
    assert.equal(await transfer(harness, 'dan', {}, 'ann'), true)
    assert.equal(await transfer(harness, 'ann', {}, 'ann'), 'permission_denied')
    assert.equal(await transfer(harness, '', { scope: 'app', table: 't' }, 'dan'), true)
    assert.equal(await transfer(harness, 'cyd', { table: 't' }, 'cyd'), 'permission_denied')
  })

  it('stay through renames, restarts and with replicas, and go with what they owned', async () => {
    const harness = await world()
    await transfer(harness, 'ann', {})
    await transfer(harness, 'bob', { scope: 'other' })
    await ddl(harness, { type: 'renameProject', project: 'p', to: 'q' })
    await ddl(harness, { type: 'renameScope', project: 'q', scope: 'other', to: 'moved' })
    await ddl(harness, { type: 'renameProject', project: 'q', to: 'p' })
    await harness.checkpoint()
    const again = await harness.reopen()
    assert.deepEqual(owners(again), { p: 'ann', app: undefined, moved: 'bob', t: '', u: '' })
    const other = await Harness.create()
    other.entries.push(...again.entries)
    await other.applyAll()
    assert.equal(other.digest(), again.digest())
    await ddl(again, { type: 'dropScope', project: 'p', scope: 'moved' })
    await ddl(again, { type: 'createScope', project: 'p', scope: 'moved' })
    assert.equal(owners(again)['moved'], undefined)
  })

  it('are named at the creation of a project, and refused where they are none', async () => {
    const harness = await world()
    assert.equal(await ddl(harness, { type: 'createProject', project: 'q', owner: 'ann' }), true)
    assert.equal(owners(harness)['q'], 'ann')
    const permission = { type: 'projectAdmin', project: 'q' } as const
    assert.equal(await ddl(harness, { type: 'grant', caller: 'ann', permission }, 'ann'), true)
    const long = 'x'.repeat(129)
    assert.equal(await ddl(harness, { type: 'createProject', project: 'r', owner: long }), 'invalid_argument')
    assert.equal(await transfer(harness, long, {}), 'invalid_argument')
    assert.equal(await transfer(harness, 'a', { scope: 'none' }), 'scope_not_found')
    assert.equal(await transfer(harness, 'a', { table: 'none' }), 'table_not_found')
    const operation = { type: 'transferOwnership', project: 'none', to: 'a' } as const
    assert.equal(await ddl(harness, operation), 'project_not_found')
    assert.equal(await ddl(harness, operation, 'ann'), 'permission_denied')
  })
})
