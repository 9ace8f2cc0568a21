import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { TransactionEnvelope } from '../../../src/encoding/index.ts'
import { RaftCore } from '../../../src/raft/core/index.ts'
import { Trio } from './trio.ts'

const WRITES = 50
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const

function put(key: string): TransactionEnvelope {
  return { mutations: [{ type: 'kvSet', project: 'p', scope: 'app', key: utf8Bytes(key), value: utf8Bytes('v') }] }
}

/** Turns that leaders and others make while `act` runs. */
async function countTurns(act: () => Promise<void>): Promise<{ leaders: number; others: number }> {
  const turns = { leaders: 0, others: 0 }
  // oxlint-disable-next-line typescript/unbound-method -- called with its own this below
  const { takeEffects } = RaftCore.prototype
  RaftCore.prototype.takeEffects = function (this: RaftCore) {
    turns[this.state.role === 'leader' ? 'leaders' : 'others']++
    return takeEffects.call(this)
  }
  try {
    await act()
  } finally {
    RaftCore.prototype.takeEffects = takeEffects
  }
  return turns
}

describe('a round of replication', () => {
  it('is two turns of a leader and two of each follower, beside those that fall due by time', async () => {
    const trio = new Trio(3)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const sinceMs = trio.world.nowMs
    const turns = await countTurns(async () => {
      for (let i = 0; i < WRITES; i++) await trio.commit(leader, session, put(`k${i}`))
    })
    const beats = Math.ceil((trio.world.nowMs - sinceMs) / 50)
    // A heartbeat is a turn that sends it, and what its answers bring; the first turn after it may be one for the clock alone.
    assert.ok(turns.leaders <= 2 * WRITES + 4 * beats, `${turns.leaders} turns of the leader`)
    assert.ok(turns.others <= 2 * (2 * WRITES + 4 * beats), `${turns.others} turns of the followers`)
  })
})
