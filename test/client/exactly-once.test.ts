import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeOutcome } from '../../src/encoding/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { errorOf, keys, set } from './calls.ts'
import { FakeCluster } from './fake-cluster.ts'

describe('a commit that is refused', () => {
  it('as busy is offered again after the wait that the node asks for, and those behind it stay behind', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    let refusals = 0
    cluster.node(1).rule = message => {
      if (message.type !== 'commit' || refusals >= 4) return 'pass'
      refusals++
      const error = new QuorateError('busy', 'later', { retryable: true, backoffMs: 100, applied: 'no' })
      return [{ type: 'error', requestId: message.requestId, error }]
    }
    const startMs = cluster.world.nowMs
    await cluster.world.runToCompletion(Promise.all(keys(4).map(key => set(client, key))))
    assert.ok(cluster.world.nowMs - startMs >= 100)
    assert.deepEqual(cluster.applied, ['k0', ...keys(4)])
    // Nothing was in doubt: the second offer may still be refused by what the state says.
    assert.deepEqual(
      cluster.node(1).commits.map(({ serial, copy }) => [serial, copy]),
      [1, 2, 3, 4, 5, 2, 3, 4, 5].map(serial => [serial, 0]),
    )
  })

  it('for good fails with what the node said, and only it', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    cluster.node(1).rule = message => {
      if (message.type !== 'commit' || message.serial !== 2) return 'pass'
      return [{ type: 'error', requestId: message.requestId, error: new QuorateError('key_too_large', 'too long') }]
    }
    const [first, second, third] = keys(3).map(key => set(client, key))
    assert.equal((await cluster.world.runToCompletion(errorOf(second!))).code, 'key_too_large')
    await cluster.world.runToCompletion(Promise.all([first, third]))
    assert.deepEqual(cluster.applied, ['k1', 'k3'])
  })

  it('because leader time had run ahead is made anew with what is left of its time', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    cluster.node(1).rule = message => {
      if (message.type !== 'commit' || message.serial !== 2) return 'pass'
      const outcome = encodeOutcome({ status: 'refused', seq: ++cluster.seq, code: 'expired', message: 'too late' })
      cluster.leaderTimeMicros += 60_000_000
      return [{ type: 'outcome', requestId: message.requestId, leaderTimeMicros: cluster.leaderTimeMicros, outcome }]
    }
    await cluster.world.runToCompletion(set(client, 'k1', { timeoutMs: 5_000 }))
    const [, early, late] = cluster.node(1).commits
    assert.equal(late!.serial, 3)
    assert.ok(late!.notAfterMicros - early!.notAfterMicros > 50_000_000)
  })

  it('because a later one came first is not made anew: it would be applied behind what was issued after it', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    let overtaken = 0
    cluster.node(1).rule = message => {
      if (message.type !== 'commit') return 'pass'
      if (message.serial === 2) {
        overtaken = message.requestId
        return []
      }
      const { requestId } = message
      const answer = (id: number, outcome: Uint8Array) =>
        ({ type: 'outcome', requestId: id, leaderTimeMicros: cluster.leaderTimeMicros, outcome }) as const
      const third = encodeOutcome({ status: 'committed', seq: ++cluster.seq, results: [] })
      const second = encodeOutcome({ status: 'refused', seq: ++cluster.seq, code: 'expired', message: 'overtaken' })
      return [answer(requestId, third), answer(overtaken, second)]
    }
    const [second, third] = ['k1', 'k2'].map(key => set(client, key))
    const error = await cluster.world.runToCompletion(errorOf(second!))
    assert.equal(error.code, 'expired')
    assert.equal(error.applied, 'no')
    assert.equal(error.retryable, true)
    await cluster.world.runToCompletion(third!)
    assert.deepEqual(
      cluster.node(1).commits.map(({ serial }) => serial),
      [1, 2, 3],
    )
  })
})

describe('a session that the cluster has forgotten', () => {
  it('costs nothing where nothing is in doubt: another is opened, and the order of calls is kept', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    cluster.sessions.clear()
    await cluster.world.runToCompletion(Promise.all(keys(20).map(key => set(client, key))))
    assert.deepEqual(cluster.applied, ['k0', ...keys(20)])
    const types = cluster.events.map(({ type }) => type).filter(type => type.startsWith('session'))
    assert.deepEqual(types, ['sessionOpened', 'sessionLost', 'sessionOpened'])
  })

  it('leaves in doubt what was on its way when its connection was lost, with its reference', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    const [session] = cluster.sessions.keys()
    cluster.node(1).rule = message => (message.type === 'commit' ? 'ignore' : 'pass')
    const doubted = errorOf(set(client, 'k1'))
    await cluster.world.runFor(20)
    cluster.sessions.clear()
    cluster.node(1).kill()
    const error = await cluster.world.runToCompletion(doubted)
    assert.equal(error.code, 'session_ended')
    assert.equal(error.applied, 'unknown')
    assert.deepEqual(error.reference, { session, serial: 2 })
    await cluster.world.runToCompletion(set(client, 'k2'))
    assert.deepEqual(cluster.applied, ['k0', 'k2'])
  })
})

describe('a caller that stops waiting', () => {
  it('before anything is sent knows that nothing was applied', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    assert.equal((await errorOf(set(client, 'k1', { signal: AbortSignal.abort() }))).applied, 'no')
    for (const node of cluster.nodes) node.kill()
    await cluster.world.runFor(50)
    const controller = new AbortController()
    const aborted = errorOf(set(client, 'k1', { signal: controller.signal }))
    const late = errorOf(set(client, 'k2', { timeoutMs: 300 }))
    controller.abort(new Error('enough'))
    const { code, applied, cause } = await aborted
    assert.deepEqual([code, applied, String(cause)], ['aborted', 'no', 'Error: enough'])
    const startMs = cluster.world.nowMs
    const timeout = await cluster.world.runToCompletion(late)
    assert.deepEqual([timeout.code, timeout.applied, timeout.reference], ['timeout', 'no', undefined])
    assert.ok(cluster.world.nowMs - startMs <= 301)
    for (const node of cluster.nodes) node.start()
    await cluster.world.runToCompletion(set(client, 'k3'))
    assert.deepEqual(cluster.applied, ['k3'])
  })

  it('afterwards does not, and the outcome is kept for whoever asks', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    cluster.node(1).rule = message => {
      if (message.type === 'commit') setTimeoutOn(cluster, () => cluster.node(1).usual(message, link()), 500)
      return message.type === 'commit' ? 'ignore' : 'pass'
    }
    const link = () => [...cluster.node(1).links][0]!
    const error = await cluster.world.runToCompletion(errorOf(set(client, 'k1', { timeoutMs: 100 })))
    assert.deepEqual([error.code, error.applied, error.reference?.serial], ['timeout', 'unknown', 2])
    await cluster.world.runFor(1_000)
    assert.deepEqual(cluster.applied, ['k0', 'k1'])
    cluster.node(1).rule = () => 'pass'
    for (const key of ['k2', 'k3']) await cluster.world.runToCompletion(set(client, key))
    const last = cluster.node(1).commits.at(-1)!
    assert.deepEqual([last.serial, last.acknowledgedThrough], [4, 1], 'the outcome that nobody heard is not forgotten')
  })

  it('closing the client: what is on its way is waited for, or ends in doubt', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    const waited = Promise.all(keys(20).map(key => set(client, key)))
    await cluster.world.runToCompletion(client.close())
    assert.equal((await waited).length, 20)
    assert.equal((await errorOf(set(client, 'k21'))).code, 'closed')

    const other = new FakeCluster()
    const hasty = await other.connect()
    await other.world.runToCompletion(set(hasty, 'k0'))
    const lost = errorOf(set(hasty, 'k1'))
    await hasty.close({ drain: false })
    const { code, applied, reference } = await lost
    assert.deepEqual([code, applied, reference?.serial], ['closed', 'unknown', 2])
  })
})

function setTimeoutOn(cluster: FakeCluster, task: () => void, ms: number): void {
  cluster.world.schedule(ms, task)
}

describe('a client that the nodes do not want', () => {
  it('hears why at once', async () => {
    const cluster = new FakeCluster()
    for (const node of cluster.nodes) {
      node.rule = () => [
        { type: 'error', requestId: 0, error: new QuorateError('unauthenticated', 'a token is needed') },
      ]
    }
    const error = await errorOf(cluster.connect())
    assert.equal(error.code, 'unauthenticated')
    assert.ok(cluster.world.nowMs < 1_000)
  })

  it('that nobody hears gives up when its time is over', async () => {
    const cluster = new FakeCluster()
    for (const node of cluster.nodes) node.kill()
    const error = await errorOf(cluster.connect({ timeoutMs: 2_000 }))
    assert.deepEqual([error.code, error.retryable], ['unavailable', true])
    assert.ok(cluster.world.nowMs >= 2_000 && cluster.world.nowMs < 2_100)
  })
})
