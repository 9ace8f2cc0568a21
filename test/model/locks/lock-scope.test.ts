import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TableLockScope } from '../../../src/model/locks/lock-scope.ts'
import { LockTable } from '../../../src/model/locks/lock-table.ts'
import { VirtualTime } from '../virtual-time.ts'

function scopes(): [TableLockScope, TableLockScope] {
  const clock = new VirtualTime()
  const table = new LockTable()
  const time = {
    monotonicMs: () => clock.nowMs,
    delay: (ms: number, signal?: AbortSignal) => clock.delay(ms, signal),
  }
  return [new TableLockScope(table, time), new TableLockScope(table, time)]
}

describe('lockAll that fails', () => {
  it('releases what it took, and nothing that was locked before', async () => {
    const [own, other] = scopes()
    other.tryLock('c')
    await own.lock('a')
    await assert.rejects(own.lockAll(['a', 'b', 'c'], { timeoutMs: 100 }), { code: 'timeout' })
    assert.equal(other.tryLock('a'), undefined)
    assert.notEqual(other.tryLock('b'), undefined)
  })

  it('keeps what lock and tryLock were given of it meanwhile', async () => {
    const [own, other] = scopes()
    other.tryLock('d')
    const failing = assert.rejects(own.lockAll(['a', 'b', 'c', 'd'], { timeoutMs: 100 }), { code: 'timeout' })
    const [a, b] = [await own.lock('a'), own.tryLock('b')]
    await failing
    assert.deepEqual([other.tryLock('a'), other.tryLock('b')], [undefined, undefined])
    assert.notEqual(other.tryLock('c'), undefined)
    assert.deepEqual([await own.lock('a'), own.tryLock('b')], [a, b], 'the same locks')
  })

  it('keeps what it waited for together with a lock', async () => {
    const [own, other] = scopes()
    other.tryLock('a')
    other.tryLock('b')
    const failing = assert.rejects(own.lockAll(['a', 'b'], { timeoutMs: 100 }), { code: 'timeout' })
    const waiting = own.lock('a')
    await new Promise(setImmediate)
    other.unlock('a')
    await waiting
    await failing
    assert.equal(other.tryLock('a'), undefined)
  })

  it('leaves to another lockAll of the scope what both have', async () => {
    const [own, other] = scopes()
    other.tryLock('b')
    other.tryLock('c')
    const short = assert.rejects(own.lockAll(['a', 'b'], { timeoutMs: 100 }), { code: 'timeout' })
    const long = own.lockAll(['a', 'c'], { timeoutMs: 10_000 })
    await short
    assert.equal(other.tryLock('a'), undefined, 'the second one has it')
    other.unlock('c')
    assert.equal((await long).length, 2)
    assert.equal(other.tryLock('a'), undefined)
  })

  it('releases what two of them had when both fail, but not what was unlocked and locked by another', async () => {
    const [own, other] = scopes()
    other.tryLock('c')
    const both = ['a', 'b'].map(name =>
      assert.rejects(own.lockAll([name, 'a', 'c'], { timeoutMs: 100 }), { code: 'timeout' }),
    )
    await new Promise(setImmediate)
    assert.equal(own.unlock('a'), true)
    const taken = other.tryLock('a')
    await Promise.all(both)
    assert.notEqual(taken, undefined)
    assert.deepEqual(other.tryLock('a'), taken)
    assert.notEqual(other.tryLock('b'), undefined)
  })
})
