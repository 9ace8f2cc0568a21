import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { LockTable } from '../../../src/model/locks/lock-table.ts'
import { seed } from '../../engine/seed.ts'

interface Owner {
  readonly name: string
  /** Names that it waits for. */
  readonly waits: Set<string>
  readonly held: Set<string>
}

/** Whether everybody gets everything in the end if whoever waits for nothing lets go. */
function canFinish(owners: readonly Owner[], table: LockTable): boolean {
  for (;;) {
    const idle = owners.find(owner => owner.waits.size === 0 && owner.held.size > 0)
    if (idle === undefined) return owners.every(owner => owner.waits.size === 0)
    for (const name of idle.held) {
      idle.held.delete(name)
      assert.ok(table.release(name, idle))
    }
  }
}

describe('in-process locks', () => {
  it('leave nobody waiting for ever, whatever is asked for in whatever order, and refuse only what would', () => {
    const step = fc.record({ owner: fc.nat(3), name: fc.constantFrom('a', 'b', 'c'), isRelease: fc.boolean() })
    const check = (steps: { owner: number; name: string; isRelease: boolean }[]): void => {
      const table = new LockTable()
      const owners = [0, 1, 2, 3].map((i): Owner => ({ name: `o${i}`, waits: new Set(), held: new Set() }))
      for (const { owner: i, name, isRelease } of steps) {
        const owner = owners[i]!
        if (isRelease) {
          assert.equal(table.release(name, owner), owner.held.delete(name))
        } else if (!owner.waits.has(name)) {
          if (table.tryAcquire(name, owner) !== undefined) owner.held.add(name)
          else {
            try {
              table.wait(name, owner, token => {
                assert.ok(token !== undefined && owner.waits.delete(name))
                owner.held.add(name)
              })
              owner.waits.add(name)
            } catch (error) {
              assert.equal((error as { code?: string }).code, 'deadlock')
              assert.ok(owner.held.size > 0 || owner.waits.size > 0, 'who has nothing holds nobody up')
            }
          }
        }
        for (const other of ['a', 'b', 'c']) {
          assert.ok(owners.filter(({ held }) => held.has(other)).length <= 1, `two have ${other}`)
        }
      }
      assert.ok(canFinish(owners, table))
      assert.equal(table.size, 0)
    }
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), check), { seed, numRuns: 500 })
  })

  it('end several waits of one owner for one lock together', () => {
    const table = new LockTable()
    const [a, b] = [{}, {}]
    table.tryAcquire('n', a)
    const tokens: (number | undefined)[] = []
    table.wait('n', b, token => tokens.push(token))
    const forget = table.wait('n', b, () => assert.fail('nobody waits'))
    table.wait('n', b, token => tokens.push(token))
    forget()
    assert.ok(table.release('n', a))
    assert.equal(tokens.length, 2)
    assert.equal(tokens[0], tokens[1])
    assert.ok(table.release('n', b))
    assert.equal(table.size, 0)
  })
})
