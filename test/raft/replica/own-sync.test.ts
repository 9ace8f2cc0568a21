import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { TransactionEnvelope } from '../../../src/encoding/index.ts'
import { startLogWriter } from '../../../src/log/index.ts'
import { activateMutant } from '../../../src/raft/core/index.ts'
import { NAMES, Trio } from './trio.ts'

const WRITES = 20
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const

function put(key: string): TransactionEnvelope {
  return { mutations: [{ type: 'kvSet', project: 'p', scope: 'app', key: utf8Bytes(key), value: utf8Bytes('v') }] }
}

/** Virtual ms that the slowest of some writes took, with one member gone and the leader's disk always the last that they wait for. */
async function slowestWithoutThird(): Promise<number> {
  const trio = new Trio(7)
  await trio.start()
  const leader = await trio.untilLed()
  const session = await trio.openSession(leader)
  await trio.commit(leader, session, PROJECT)
  trio.wire.cutOff.add(NAMES.find(name => name !== leader)!)
  let slowestMs = 0
  for (let i = 0; i < WRITES; i++) {
    trio.machines.get(leader)!.stallThreads(10)
    const sinceMs = trio.world.nowMs
    await trio.commit(leader, session, put(`k${i}`))
    slowestMs = Math.max(slowestMs, trio.world.nowMs - sinceMs)
  }
  return slowestMs
}

describe('the sync of a leader', () => {
  afterEach(() => activateMutant(null))

  it('wakes it as soon as a majority lacks nothing else', async () => {
    const slowestMs = await slowestWithoutThird()
    assert.ok(slowestMs < 20, `${slowestMs} ms`)
    activateMutant('own sync awaited by nobody')
    const laterMs = await slowestWithoutThird()
    assert.ok(laterMs > 20, `${laterMs} ms: it is seen when something else makes a turn`)
  })

  it('mostly does not, since an answer decides, and is counted all the same', async () => {
    const trio = new Trio(8)
    const told: number[] = []
    trio.startLog = context => {
      const at = told.push(0) - 1
      const post = (message: unknown): void => {
        told[at]!++
        context.post(message)
      }
      return startLogWriter({ ...context, post })
    }
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const before = [...told]
    const { frames } = trio.node(leader).log.stats
    const { count } = trio.node(leader).log.stats.syncDuration
    for (let i = 0; i < WRITES; i++) await trio.commit(leader, session, put(`k${i}`))
    await trio.world.runFor(200)
    const since = NAMES.map((name, i) => ({ name, messages: told[i]! - before[i]! }))
    for (const { name, messages } of since) {
      if (name === leader) assert.ok(messages < WRITES / 2, `${messages} messages of the leader's log`)
      else assert.ok(messages >= WRITES, `${messages} messages of the log of ${name}`)
    }
    const { stats } = trio.node(leader).log
    assert.ok(stats.frames - frames >= WRITES)
    assert.equal(stats.syncDuration.count - count, stats.frames - frames)
    assert.ok(stats.syncDuration.maxMs < 20, 'by when it was synced, not by when that was seen')
  })
})
