import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Effects, Leases } from '../../../src/model/index.ts'
import { bytes, failure, open, text } from '../facade-support.ts'

const NAMESPACE = { project: 'shop' }
const set = (value: string) => [{ type: 'kvSet', project: 'shop', key: bytes('k'), value: bytes(value) }] as const

describe('a lease', () => {
  it('is held by one at a time, until its time is over', async () => {
    const { core, database } = await open()
    const leases = new Leases(database, NAMESPACE)
    const won = await Promise.all(['a', 'b', 'c'].map(owner => leases.acquire('boss', owner, 1_000)))
    const [first] = won.filter(lease => lease !== undefined)
    assert.ok(first !== undefined && won.filter(Boolean).length === 1)
    assert.equal((await leases.status('boss'))?.owner, first.owner)
    assert.equal(await leases.acquire('boss', first.owner, 1_000), undefined)
    core.advanceTimeMs(1_000)
    assert.equal(await leases.status('boss'), undefined)
    const second = await leases.acquire('boss', 'd', 1_000)
    assert.ok(second!.fencingToken > first.fencingToken)
    assert.equal(await leases.renew(first, 1_000), undefined)
    assert.equal(await leases.release(first), false)
    assert.equal((await leases.status('boss'))?.owner, 'd')
  })

  it('lasts as long as it is renewed, under one fencing token', async () => {
    const { core, database } = await open()
    const leases = new Leases(database, NAMESPACE)
    const lease = (await leases.acquire('boss', 'a', 1_000))!
    let held = lease
    for (let i = 0; i < 5; i++) {
      core.advanceTimeMs(900)
      held = (await leases.renew(held, 1_000))!
      assert.equal(held.fencingToken, lease.fencingToken)
    }
    // One whose renewals were answered to another part of the same program.
    assert.ok((await leases.renew(lease, 1_000)) !== undefined)
    assert.equal((await leases.status('boss'))?.fencingToken, lease.fencingToken)
    assert.equal(await leases.release(held), true)
    assert.equal(await leases.status('boss'), undefined)
  })

  it('guards commits: they apply while it is held, and change nothing after', async () => {
    const { core, database, kv } = await open()
    const leases = new Leases(database, NAMESPACE)
    const lease = (await leases.acquire('boss', 'a', 1_000))!
    assert.ok((await leases.commit(lease, set('1'))) !== undefined)
    await leases.renew(lease, 1_000)
    assert.ok((await leases.commit(lease, set('2'))) !== undefined)
    core.advanceTimeMs(1_000)
    assert.equal(await leases.commit(lease, set('3')), undefined)
    await leases.acquire('boss', 'b', 1_000)
    assert.equal(await leases.commit(lease, set('4')), undefined)
    assert.equal(text(await kv.get('k')), '2')
    // A condition of the caller's own that fails is no lost lease.
    const other = (await leases.acquire('other', 'a', 1_000))!
    const assertions = [{ type: 'keyExists', project: 'shop', key: bytes('none'), expected: true }] as const
    await failure(leases.commit(other, set('5'), { assertions }), 'assertion_failed')
  })
})

describe('an effect', () => {
  it('is fresh for one, begun for those who come after, and done for ever', async () => {
    const { database, kv } = await open()
    const effects = new Effects<{ receipt: number }>(database, NAMESPACE)
    const begun = await Promise.all([1, 2, 3].map(() => effects.begin('pay-7')))
    assert.deepEqual(begun.map(({ state }) => state).toSorted(), ['begun', 'begun', 'fresh'])
    const ends = await Promise.all(
      [1, 2].map(receipt => effects.complete('pay-7', { receipt }, set(`paid ${receipt}`))),
    )
    const [applied] = ends.filter(({ isApplied }) => isApplied)
    assert.equal(ends.filter(({ isApplied }) => isApplied).length, 1)
    assert.deepEqual(ends[0]?.result, ends[1]?.result)
    assert.equal(text(await kv.get('k')), `paid ${applied?.result.receipt}`)
    assert.deepEqual(await effects.begin('pay-7'), { state: 'done', result: applied?.result })
    assert.deepEqual(await effects.begin('pay-8'), { state: 'fresh', attempts: 1 })
    assert.equal(await effects.status('pay-9'), undefined)
  })

  it('may be forgotten after its time', async () => {
    const { core, database } = await open()
    const effects = new Effects(database, { ...NAMESPACE, keptMs: 1_000 })
    await effects.begin('mail')
    core.advanceTimeMs(5_000)
    assert.deepEqual(await effects.begin('mail'), { state: 'begun', attempts: 2 })
    await effects.complete('mail', 'sent')
    core.advanceTimeMs(1_000)
    assert.deepEqual(await effects.begin('mail'), { state: 'fresh', attempts: 1 })
  })
})
