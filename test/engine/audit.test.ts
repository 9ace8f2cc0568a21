import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Harness, set } from './harness.ts'

/** Ops may impersonate, ann may write keys that begin with `a`, bob may do nothing. */
async function world(settings: Record<string, number> = {}): Promise<Harness> {
  const harness = await Harness.withProject()
  const grant = (caller: string, permission: object): object => ({
    type: 'ddl',
    operation: { type: 'grant', caller, permission },
  })
  const mutations = [
    grant('ops', { type: 'impersonate' }),
    grant('ann', { type: 'kvWrite', project: 'p' }),
    ...Object.entries(settings).map(([name, value]) => ({
      type: 'ddl',
      operation: { type: 'setSetting', name, value },
    })),
  ]
  const made = await harness.commit({ mutations: mutations as never })
  assert.equal(made.status, 'committed', JSON.stringify(made))
  return harness
}

const rowsOf = async (harness: Harness): Promise<object[]> =>
  (await harness.core.auditRows(100, Number.MAX_SAFE_INTEGER)).map(({ kind, actor, caller, code }) => ({
    kind,
    actor,
    caller,
    code,
  }))

describe('audit rows', () => {
  it('tell who acted in whose name, and whether it was refused', async () => {
    const harness = await world()
    const { session } = await harness.openSession({ caller: 'ops' })
    await harness.commit({ mutations: [set('a', '1')] }, { session, serial: 1, caller: 'ann' })
    await harness.commit({ mutations: [set('a', '2')] }, { session, serial: 2, caller: 'bob' })
    const increment = { type: 'kvIncrement', project: 'p', key: Uint8Array.of(99), by: 1n, width: 64 } as never
    await harness.commit({ mutations: [increment] }, { session, serial: 3, caller: 'ann' })
    assert.deepEqual(await rowsOf(harness), [
      { kind: 'impersonated', actor: 'ops', caller: 'ann', code: '' },
      { kind: 'impersonated', actor: 'ops', caller: 'bob', code: 'permission_denied' },
      { kind: 'impersonated', actor: 'ops', caller: 'ann', code: '' },
    ])
    const [newest] = await harness.core.auditRows(1, Number.MAX_SAFE_INTEGER)
    assert.deepEqual([newest?.seq, newest?.timeMicros], [harness.core.appliedSeq, harness.timeMicros])
    const older = await harness.core.auditRows(5, newest!.seq)
    assert.equal(older.length, 2)
  })

  it('are not made for what a caller does in its own name, for refusals only where they are wanted', async () => {
    const harness = await world()
    const ann = await harness.openSession({ caller: 'ann' })
    await harness.commit({ mutations: [set('a', '1')] }, { session: ann.session, serial: 1, caller: 'ann' })
    await harness.commit({ mutations: [set('a', '1')] }, { caller: 'bob' })
    await harness.commit({ mutations: [set('a', '1')] }, { session: ann.session, serial: 2, caller: 'bob' })
    assert.deepEqual(await rowsOf(harness), [])
    const strict = await world({ auditRefusals: 1 })
    const bob = await strict.openSession({ caller: 'bob' })
    await strict.commit({ mutations: [set('a', '1')] }, { session: bob.session, serial: 1, caller: 'bob' })
    await strict.commit({ mutations: [set('a', '1')] }, { session: bob.session, serial: 2, caller: 'ann' })
    assert.deepEqual(await rowsOf(strict), [
      { kind: 'denied', actor: 'bob', caller: 'ann', code: 'permission_denied' },
      { kind: 'denied', actor: 'bob', caller: 'bob', code: 'permission_denied' },
    ])
  })

  it('are bounded: the oldest go, also when the bound falls, and none are kept where it is 0', async () => {
    const harness = await world({ auditRowsMax: 10 })
    const { session } = await harness.openSession({ caller: 'ops' })
    let serial = 0
    const act = async (): Promise<unknown> =>
      harness.commit({ mutations: [set('a', '1')] }, { session, serial: ++serial, caller: 'ann' })
    for (let i = 0; i < 25; i++) await act()
    const kept = await harness.core.auditRows(100, Number.MAX_SAFE_INTEGER)
    assert.equal(kept.length, 10)
    assert.equal(kept[0]!.seq, harness.core.appliedSeq)
    assert.equal(kept.at(-1)!.seq, harness.core.appliedSeq - 9)
    const bound = async (value: number): Promise<unknown> =>
      harness.commit({
        mutations: [{ type: 'ddl', operation: { type: 'setSetting', name: 'auditRowsMax', value } }] as never,
      })
    await bound(3)
    for (let i = 0; i < 5; i++) await act()
    assert.equal((await rowsOf(harness)).length, 3)
    await bound(0)
    for (let i = 0; i < 5; i++) await act()
    assert.deepEqual(await rowsOf(harness), [])
  })

  it('are part of the state: a copy of an entry adds none, replicas have the same, and a restart keeps them', async () => {
    const harness = await world()
    const { session } = await harness.openSession({ caller: 'ops' })
    for (let i = 0; i < 2; i++) {
      await harness.commit({ mutations: [set('a', '1')] }, { session, serial: 1, caller: 'ann' })
    }
    assert.equal((await rowsOf(harness)).length, 1)
    const other = await Harness.create({ pageBytes: 4096 })
    other.entries.push(...harness.entries)
    await other.applyAll(3)
    assert.deepEqual(await rowsOf(other), await rowsOf(harness))
    assert.equal(other.digest(), harness.digest())
    await harness.checkpoint()
    assert.equal((await rowsOf(await harness.reopen())).length, 1)
  })
})
