import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl, Permission } from '../../src/encoding/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import type { ErrorCode, ReadResult } from '../../src/model/index.ts'
import { at, bytes, Harness, set } from './harness.ts'

async function ddl(harness: Harness, ...operations: Ddl[]): Promise<(string | boolean | undefined)[]> {
  const outcome = await harness.commit({ mutations: operations.map(operation => ({ type: 'ddl', operation })) })
  return outcome.status === 'committed' ? outcome.results.map(Boolean) : [outcome.code]
}

async function grant(harness: Harness, caller: string, permission: Permission): Promise<void> {
  assert.deepEqual(await ddl(harness, { type: 'grant', caller, permission }), [true])
}

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    assert.ok(error instanceof QuorateError)
    return error.code
  }
}

describe('permissions', () => {
  it('let nobody but root do anything without a grant, through writes, preconditions and reads', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1')] })
    const caller = 'alice'
    assert.equal(await harness.refusal({ mutations: [set('a', '2')] }, { caller }), 'permission_denied')
    const operation = { type: 'createProject', project: 'q' } as const
    assert.equal(await harness.refusal({ mutations: [{ type: 'ddl', operation }] }, { caller }), 'permission_denied')
    const exists = { type: 'keyExists', ...at('a'), expected: true } as const
    assert.equal(await harness.refusal({ assertions: [exists], mutations: [] }, { caller }), 'permission_denied')
    const points = [{ ...at('a'), seq: 0 }]
    assert.equal(await harness.refusal({ readSet: { points }, mutations: [] }, { caller }), 'permission_denied')
    const ranges = [{ project: 'p', limit: 0, digest: '0'.repeat(16) }]
    assert.equal(await harness.refusal({ readSet: { ranges }, mutations: [] }, { caller }), 'permission_denied')
    assert.equal(
      codeOf(() => harness.get('a', 'app', caller)),
      'permission_denied',
    )
    const scan = { type: 'scan', project: 'p', scope: 'app', limit: 10 } as const
    assert.equal(
      codeOf(() => harness.read(scan, caller)),
      'permission_denied',
    )
    assert.equal(
      codeOf(() => harness.read({ type: 'grants' }, caller)),
      'permission_denied',
    )
  })

  it('on projects and scopes that were dropped do not count against the number that a caller may have', async () => {
    const harness = await Harness.withProject()
    const caller = 'service'
    const dropped: Ddl[] = [
      { type: 'createProject', project: 'gone' },
      { type: 'createScope', project: 'p', scope: 'gone' },
    ]
    assert.deepEqual(await ddl(harness, ...dropped), [true, true])
    const grants = Array.from({ length: 1_000 }, (_, number): Ddl => {
      const place = number % 2 === 0 ? { project: 'gone', scope: 'app' } : { project: 'p', scope: 'gone' }
      return { type: 'grant', caller, permission: { type: 'kvRead', ...place, prefix: bytes(`${number}`) } }
    })
    for (let from = 0; from < grants.length; from += 100) await ddl(harness, ...grants.slice(from, from + 100))
    const read: Permission = { type: 'kvRead', project: 'p', scope: 'app' }
    const full = await ddl(harness, { type: 'grant', caller, permission: read })
    assert.deepEqual(full, ['transaction_too_large'], 'as many as there may be')
    await ddl(harness, { type: 'dropProject', project: 'gone' }, { type: 'dropScope', project: 'p', scope: 'gone' })
    await grant(harness, caller, read)
    assert.equal(harness.get('a', 'app', caller), undefined)
    const { grants: left } = harness.read({ type: 'grants', caller }) as Extract<ReadResult, { type: 'grants' }>
    assert.deepEqual(left, [{ caller, permission: read }])
  })

  it('reach as far as project, scope and prefix say, reading and writing apart', async () => {
    const harness = await Harness.withProject()
    const caller = 'alice'
    await grant(harness, caller, { type: 'kvWrite', project: 'p', scope: 'app', prefix: bytes('a/') })
    assert.equal((await harness.commit({ mutations: [set('a/1', '1')] }, { caller })).status, 'committed')
    assert.equal(
      await harness.refusal({ mutations: [set('a/1', '1'), set('b/1', '1')] }, { caller }),
      'permission_denied',
    )
    assert.equal(await harness.refusal({ mutations: [set('a', '1')] }, { caller }), 'permission_denied')
    const elsewhere = { type: 'kvSet', ...at('a/1', 'other'), value: bytes('1') } as const
    assert.equal(await harness.refusal({ mutations: [elsewhere] }, { caller }), 'permission_denied')
    assert.equal(
      codeOf(() => harness.get('a/1', 'app', caller)),
      'permission_denied',
      'writing is not reading',
    )
    await grant(harness, caller, { type: 'kvRead', project: 'p', scope: 'app', prefix: bytes('a/') })
    assert.equal(harness.get('a/1', 'app', caller), '1')
    const scan = (start: string, end: string): ErrorCode | undefined =>
      codeOf(() =>
        harness.read(
          { type: 'scan', project: 'p', scope: 'app', start: bytes(start), end: bytes(end), limit: 10 },
          caller,
        ),
      )
    assert.equal(scan('a/', 'a0'), undefined)
    assert.equal(scan('a/3', 'a/5'), undefined)
    assert.equal(scan('a/', 'a00'), 'permission_denied', 'one key too far')
    assert.equal(scan('a', 'a0'), 'permission_denied', 'one key too early')
    await grant(harness, caller, { type: 'kvWrite', project: 'p' })
    assert.equal((await harness.commit({ mutations: [elsewhere] }, { caller })).status, 'committed')
  })

  it('can be revoked, and root keeps everything', async () => {
    const harness = await Harness.withProject()
    await grant(harness, 'alice', { type: 'admin' })
    const operation = { type: 'revoke', caller: 'root', permission: { type: 'admin' } } as const
    const byAlice = await harness.commit({ mutations: [{ type: 'ddl', operation }] }, { caller: 'alice' })
    assert.deepEqual(byAlice.status === 'committed' && byAlice.results, [false])
    assert.deepEqual(await ddl(harness, { type: 'revoke', caller: 'alice', permission: { type: 'admin' } }), [true])
    assert.equal(await harness.refusal({ mutations: [set('a', '1')] }, { caller: 'alice' }), 'permission_denied')
    assert.equal((await harness.commit({ mutations: [set('a', '1')] })).status, 'committed')
  })

  it('stay with a renamed scope and do not come back with a new one of the old name', async () => {
    const harness = await Harness.withProject()
    await grant(harness, 'alice', { type: 'kvWrite', project: 'p', scope: 'app' })
    await ddl(harness, { type: 'renameScope', project: 'p', scope: 'app', to: 'moved' })
    const moved = { type: 'kvSet', ...at('a', 'moved'), value: bytes('1') } as const
    assert.equal((await harness.commit({ mutations: [moved] }, { caller: 'alice' })).status, 'committed')
    await ddl(harness, { type: 'createScope', project: 'p', scope: 'app' })
    assert.equal(await harness.refusal({ mutations: [set('a', '1')] }, { caller: 'alice' }), 'permission_denied')
    assert.deepEqual(harness.read({ type: 'grants', caller: 'alice' }), {
      type: 'grants',
      grants: [{ caller: 'alice', permission: { type: 'kvWrite', project: 'p', scope: 'moved' } }],
    })
    await ddl(harness, { type: 'dropScope', project: 'p', scope: 'moved' })
    await ddl(harness, { type: 'createScope', project: 'p', scope: 'moved' })
    assert.equal(await harness.refusal({ mutations: [moved] }, { caller: 'alice' }), 'permission_denied')
  })
})

describe('the catalog', () => {
  it('refuses what does not exist, exists already or has no proper name', async () => {
    const harness = await Harness.withProject()
    const cases: [Ddl, string | boolean][] = [
      [{ type: 'createProject', project: 'p' }, 'already_exists'],
      [{ type: 'createProject', project: 'p', ifNotExists: true }, false],
      [{ type: 'createProject', project: 'a b' }, 'invalid_name'],
      [{ type: 'createProject', project: '_system' }, 'invalid_name'],
      [{ type: 'createProject', project: 'x'.repeat(129) }, 'invalid_name'],
      [{ type: 'renameProject', project: 'none', to: 'q' }, 'project_not_found'],
      [{ type: 'renameProject', project: 'p', to: 'p' }, false],
      [{ type: 'dropProject', project: 'none' }, 'project_not_found'],
      [{ type: 'dropProject', project: 'none', ifExists: true }, false],
      [{ type: 'createScope', project: 'none', scope: 's' }, 'project_not_found'],
      [{ type: 'createScope', project: 'p', scope: 'app' }, 'already_exists'],
      [{ type: 'createScope', project: 'p', scope: 'app', ifNotExists: true }, false],
      [{ type: 'renameScope', project: 'p', scope: 'app', to: 'other' }, 'already_exists'],
      [{ type: 'renameScope', project: 'p', scope: 'none', to: 's' }, 'scope_not_found'],
      [{ type: 'dropScope', project: 'p', scope: 'none' }, 'scope_not_found'],
      [{ type: 'grant', caller: '', permission: { type: 'admin' } }, 'invalid_argument'],
      [{ type: 'grant', caller: 'a', permission: { type: 'kvRead', project: 'none' } }, 'not_found'],
      [{ type: 'setSetting', name: 'none', value: 1 }, 'setting_not_found'],
      [{ type: 'setSetting', name: 'toString', value: 1 }, 'setting_not_found'],
      [{ type: 'setSetting', name: 'tickKeysMax', value: 0 }, 'setting_out_of_range'],
      [{ type: 'setSetting', name: 'tickKeysMax', value: 1.5 }, 'setting_out_of_range'],
      [{ type: 'setSetting', name: 'tickKeysMax', value: Number.NaN }, 'setting_out_of_range'],
      [{ type: 'setSetting', name: 'electionTimeoutMinMs', value: 60_000 }, 'setting_out_of_range'],
    ]
    for (const [operation, expected] of cases) {
      assert.deepEqual(await ddl(harness, operation), [expected], JSON.stringify(operation))
    }
    const missing = { type: 'kvSet', project: 'none', key: bytes('a'), value: bytes('1') } as const
    assert.equal(await harness.refusal({ mutations: [missing] }), 'project_not_found')
    const noScope = { type: 'kvSet', ...at('a', 'none'), value: bytes('1') } as const
    assert.equal(await harness.refusal({ mutations: [noScope] }), 'scope_not_found')
  })

  it('changes all or nothing, and later mutations of the same transaction see it', async () => {
    const harness = await Harness.withProject()
    const create = { type: 'ddl', operation: { type: 'createScope', project: 'p', scope: 'new' } } as const
    const write = { type: 'kvSet', ...at('a', 'new'), value: bytes('1') } as const
    const drop = { type: 'ddl', operation: { type: 'dropScope', project: 'p', scope: 'new' } } as const
    assert.equal(await harness.refusal({ mutations: [create, write, drop, write] }), 'scope_not_found')
    assert.equal(
      codeOf(() => harness.get('a', 'new')),
      'scope_not_found',
    )
    assert.equal((await harness.commit({ mutations: [create, write] })).status, 'committed')
    assert.equal(harness.get('a', 'new'), '1')
  })

  it('gives a dropped scope’s keys back in steps, and never shows them again', async () => {
    const harness = await Harness.withProject()
    const keys = Array.from({ length: 300 }, (_, i) => set(`k${i}`, 'v', i % 3 === 0 ? 60_000 : undefined))
    const empty = await Harness.withProject()
    await harness.commit({ mutations: keys })
    await ddl(harness, { type: 'dropScope', project: 'p', scope: 'app' })
    assert.equal(
      codeOf(() => harness.get('k1')),
      'scope_not_found',
    )
    await ddl(harness, { type: 'createScope', project: 'p', scope: 'app' })
    assert.equal(harness.get('k1'), undefined)
    let ticks = 0
    while (harness.core.nextExpiryMicros() === harness.timeMicros) {
      await harness.tick(100)
      ticks++
      assert.ok(ticks < 10)
    }
    assert.equal(ticks, 3)
    assert.equal(harness.core.nextExpiryMicros(), 1_060_000_000, 'the first expiry was of a dropped key')
    harness.timeMicros += 100_000_000
    await harness.tick()
    assert.equal(harness.core.nextExpiryMicros(), undefined)
    assert.equal(empty.core.nextExpiryMicros(), undefined)
  })

  it('answers with names in order', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'createProject', project: 'a' }, { type: 'renameProject', project: 'p', to: 'z' })
    const projects = harness.read({ type: 'projects' })
    assert.deepEqual(projects.type === 'projects' && projects.projects.map(({ name }) => name), ['a', 'z'])
    const scopes = harness.read({ type: 'scopes', project: 'z' })
    assert.deepEqual(scopes.type === 'scopes' && scopes.scopes.map(({ name }) => name), ['app', 'other'])
  })
})
