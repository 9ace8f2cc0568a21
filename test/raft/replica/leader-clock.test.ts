import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LeaderClock } from '../../../src/raft/leader-clock.ts'

const HOUR_MS = 3_600_000
const VOTERS = [1, 2, 3]

/** Three nodes' clocks; node 1 is the one under test. */
class Rig {
  nowMs = 1_000_000
  /** What each node's wall clock is ahead of true time, ms. */
  readonly ahead = { 1: 0, 2: 0, 3: 0 }
  readonly clock: LeaderClock

  constructor() {
    this.clock = new LeaderClock({
      monotonicMs: () => this.nowMs,
      wallMicros: () => (this.nowMs + this.ahead[1]) * 1000,
    })
  }

  hear(...peers: (2 | 3)[]): void {
    for (const peer of peers) this.clock.notePeer(peer, (this.nowMs - 2 + this.ahead[peer]) * 1000, 4)
  }

  /** The peer read its clock just now, in answer to what took `roundTripMs` to reach it. */
  hearLate(peer: 2 | 3, roundTripMs: number): void {
    this.clock.notePeer(peer, (this.nowMs + this.ahead[peer]) * 1000, roundTripMs)
  }

  /** Next entry's time against true time, ms. */
  get next(): number {
    return this.clock.next(VOTERS, 1) / 1000 - this.nowMs
  }
}

describe('leader time', () => {
  it('is not given out before clocks of a majority are known, nor after they have gone silent', () => {
    const rig = new Rig()
    assert.equal(rig.clock.isSet(VOTERS, 1), false)
    rig.hear(2)
    assert.equal(rig.clock.isSet(VOTERS, 1), true)
    rig.nowMs += 10_001
    assert.equal(rig.clock.isSet(VOTERS, 1), false)
  })

  it('follows the median: one clock that is an hour off moves nothing, whose ever it is', () => {
    for (const wrong of VOTERS as (1 | 2 | 3)[]) {
      for (const sign of [-1, 1]) {
        const rig = new Rig()
        rig.ahead[wrong] = sign * HOUR_MS
        rig.hear(2, 3)
        assert.equal(rig.next, 0, `node ${wrong} by ${sign} hours`)
      }
    }
  })

  it('does not jump ahead with one of two clocks', () => {
    const rig = new Rig()
    rig.ahead[2] = HOUR_MS
    rig.hear(2)
    assert.equal(rig.next, 0)
  })

  it('does not follow a step of the own clock, not even before the next heartbeat', () => {
    const rig = new Rig()
    rig.hear(2, 3)
    rig.nowMs += 10
    rig.ahead[1] = HOUR_MS
    assert.equal(rig.next, 0)
  })

  it('passes at a tenth of the speed while the median lies behind what was given out, and never falls', () => {
    const rig = new Rig()
    rig.hear(2, 3)
    rig.clock.noteEntry((rig.nowMs + 1_000) * 1000)
    assert.equal(rig.next, 1_000)
    rig.nowMs += 100
    rig.hear(2, 3)
    assert.equal(rig.next, 910)
    rig.nowMs += 2_000
    rig.hear(2, 3)
    assert.equal(rig.next, 0)
  })

  it('does not make up for the time between two leaderships', () => {
    const rig = new Rig()
    rig.hear(2, 3)
    assert.equal(rig.next, 0)
    rig.nowMs += HOUR_MS
    rig.hear(2, 3)
    rig.clock.leadershipBegan()
    rig.clock.noteEntry((rig.nowMs + 1_000) * 1000)
    assert.equal(rig.next, 1_000)
  })

  it('tells how far the own clock is off', () => {
    const rig = new Rig()
    rig.ahead[1] = 700
    rig.hear(2, 3)
    assert.equal(rig.clock.ownOffsetMicros(VOTERS, 1, 1), 700_000)
    assert.equal(rig.clock.ownOffsetMicros([], 1, 1), 0)
  })

  it('tells a follower how far its clock is off by what its leader tells alone', () => {
    const rig = new Rig()
    rig.ahead[1] = 900
    rig.clock.noteTold(2, rig.nowMs * 1000)
    assert.equal(rig.clock.ownOffsetMicros(VOTERS, 1, 2), 900_000)
    rig.nowMs += 5_000
    assert.equal(rig.clock.ownOffsetMicros(VOTERS, 1, 2), 900_000)
    assert.equal(rig.clock.ownOffsetMicros(VOTERS, 1, 3), 0, 'another leader has told nothing yet')
    assert.equal(rig.clock.isSet(VOTERS, 1), false, 'what a leader tells is no clock')
    rig.nowMs += 6_000
    assert.equal(rig.clock.ownOffsetMicros(VOTERS, 1, 2), 0, 'that was long ago')
  })

  it('does not run ahead because requests reached the peers late', () => {
    const rig = new Rig()
    rig.ahead[1] = 10_000
    rig.hearLate(2, 3_000)
    rig.hearLate(3, 3_000)
    assert.equal(rig.next, 0)
  })
})
