import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BusySessions } from '../../../src/raft/busy-sessions.ts'

const SESSION = 7

describe('a session of which a serial was refused as busy', () => {
  let nowMs = 0
  const busyAt = (serial: number): BusySessions => {
    nowMs = 0
    const busy = new BusySessions(() => nowMs)
    busy.refuse(SESSION, serial)
    return busy
  }

  it('has all later ones refused until that one is offered again, and no earlier one', () => {
    const busy = busyAt(5)
    assert.equal(busy.refusesOffered(SESSION, 6), true)
    assert.equal(busy.refusesOffered(SESSION, 4), false)
    assert.equal(busy.refusesOffered(SESSION, 7), true)
    assert.equal(busy.refusesOffered(SESSION + 1, 6), false)
    assert.equal(busy.refusesOffered(SESSION, 5), false)
    assert.equal(busy.refusesOffered(SESSION, 6), false)
    assert.equal(busy.refusesOffered(SESSION, 7), false)
    assert.equal(busy.has(SESSION), false)
  })

  it('waits for those that were refused behind it, too, when the first comes again', () => {
    const busy = busyAt(5)
    assert.equal(busy.refusesOffered(SESSION, 6), true)
    assert.equal(busy.refusesOffered(SESSION, 5), false)
    assert.equal(busy.refusesOffered(SESSION, 7), true, '6 was refused, and 7 was under way')
    assert.equal(busy.refusesOffered(SESSION, 6), false)
    assert.equal(busy.refusesOffered(SESSION, 7), false)
  })

  it('waits for those that were refused behind it, too, when the first is waited for no longer', () => {
    const busy = busyAt(5)
    nowMs = 999
    assert.equal(busy.refusesOffered(SESSION, 8), true)
    nowMs = 1_000
    assert.equal(busy.refusesOffered(SESSION, 9), true, '8 has not come again')
    assert.equal(busy.refusesOffered(SESSION, 8), false)
    assert.equal(busy.refusesOffered(SESSION, 9), false)
  })

  it('forgets what was not offered again for a second', () => {
    const busy = busyAt(5)
    nowMs = 500
    assert.equal(busy.refusesOffered(SESSION, 6), true)
    nowMs = 1_000
    busy.expire()
    assert.equal(busy.has(SESSION), true)
    nowMs = 1_500
    busy.expire()
    assert.equal(busy.has(SESSION), false)
    assert.equal(busy.refusesOffered(SESSION, 9), false)
  })
})
