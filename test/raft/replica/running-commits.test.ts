import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeEnvelope, encodeRequest, utf8Bytes } from '../../../src/encoding/index.ts'
import type { TransactionEnvelope } from '../../../src/encoding/index.ts'
import type { QuorateError } from '../../../src/model/index.ts'
import { RequestTable } from '../../../src/raft/requests.ts'
import { Trio } from './trio.ts'

const set = (key: string): TransactionEnvelope => ({
  mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes(key), value: utf8Bytes('secret') }],
})

async function trioWithProject(): Promise<{ trio: Trio; leader: string; session: number }> {
  const trio = new Trio(5)
  await trio.start()
  const leader = await trio.untilLed()
  const session = await trio.openSession(leader)
  await trio.commit(leader, session, {
    mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }],
  })
  return { trio, leader, session }
}

describe('a commit under way', () => {
  it('that nobody was given yet can be cancelled, and is never applied', async () => {
    const { trio, leader, session } = await trioWithProject()
    const lonely = [...trio.nodes.keys()].find(name => name !== leader)!
    trio.wire.cutOff.add(lonely)
    const { replica } = trio.node(lonely)
    await trio.until('the node to know no leader', () => replica.topology.leaderId === 0)
    const answer = trio.submit(lonely, trio.request(session, set('a'))).catch((error: unknown) => error)
    const kept = trio.submit(lonely, trio.request(session, set('b')))
    const running = replica.commits.running()
    const [first] = running
    assert.deepEqual(
      running.map(({ kind, caller, project, state }) => [kind, caller, project, state]),
      [
        ['commit', 'root', 'p', 'waiting'],
        ['commit', 'root', 'p', 'waiting'],
      ],
    )
    assert.equal(replica.commits.cancel('commit-1-99'), false)
    assert.equal(replica.commits.cancel('nonsense'), false)
    assert.equal(replica.commits.cancel(first!.id), true)
    const error = (await answer) as QuorateError
    assert.deepEqual([error.code, error.applied, error.retryable], ['cancelled', 'no', false])
    trio.wire.cutOff.clear()
    await trio.world.runToCompletion(kept)
    assert.equal(await trio.read(leader, utf8Bytes('a')), undefined)
    assert.deepEqual(await trio.read(leader, utf8Bytes('b')), utf8Bytes('secret'))
    assert.deepEqual(replica.commits.running(), [])
  })

  it('that a log may have cannot be cancelled, says so, and is answered', async () => {
    const { trio, leader, session } = await trioWithProject()
    const { replica } = trio.node(leader)
    const others = [...trio.nodes.keys()].filter(name => name !== leader)
    for (const name of others) trio.wire.cutOff.add(name)
    const answer = trio.submit(leader, trio.request(session, set('a')))
    await trio.until('the commit to be placed', () => replica.commits.running()[0]?.state === 'submitted')
    assert.throws(() => replica.commits.cancel(replica.commits.running()[0]!.id), { code: 'not_cancellable' })
    trio.wire.cutOff.clear()
    assert.equal((await trio.world.runToCompletion(answer)).status, 'committed')
  })
})

it('what is cancelled is placed nowhere', () => {
  const requests = new RequestTable(() => 5)
  const told: unknown[] = []
  const header = { caller: 'ann', session: 3, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
  for (const serial of [1, 2, 3]) {
    const request = encodeRequest({ ...header, serial }, encodeEnvelope(set(`k${serial}`)))
    requests.add(request, (_, error) => told.push([serial, error?.code]))
  }
  assert.equal(requests.cancel(3, 2), true)
  assert.equal(requests.cancel(3, 2), undefined)
  assert.deepEqual(told, [[2, 'cancelled']])
  assert.deepEqual(
    requests.takeUnplaced(1).map(({ serial }) => serial),
    [1, 3],
  )
  assert.throws(() => requests.cancel(3, 1), { code: 'not_cancellable' })
})

describe('a commit that takes long', () => {
  it('is noted with where its time went, and without a value', async () => {
    const { trio, leader, session } = await trioWithProject()
    const { replica } = trio.node(leader)
    replica.slow.thresholdMs = 200
    await trio.commit(leader, session, set('quick'))
    assert.deepEqual(replica.slow.list(), [])
    const others = [...trio.nodes.keys()].filter(name => name !== leader)
    for (const name of others) trio.wire.cutOff.add(name)
    const answer = trio.submit(leader, trio.request(session, set('a')))
    await trio.world.runToCompletion(trio.world.delay(250))
    trio.wire.cutOff.clear()
    await trio.world.runToCompletion(answer)
    const [noted, ...rest] = replica.slow.list()
    assert.deepEqual(
      [rest.length, noted?.kind, noted?.caller, noted?.project, noted?.mutations, noted?.code],
      [0, 'commit', 'root', 'p', 1, undefined],
    )
    const { queueMs, commitMs, applyMs, replyMs } = noted!.phases
    assert.ok(commitMs! >= 240, `${commitMs}`)
    assert.equal(queueMs + commitMs! + applyMs! + replyMs, noted!.totalMs)
    assert.doesNotMatch(JSON.stringify(noted), /secret/)
    replica.slow.thresholdMs = 0
    await trio.commit(leader, session, {
      assertions: [{ type: 'keyExists', project: 'p', key: utf8Bytes('a'), expected: false }],
      mutations: [],
    })
    assert.equal(replica.slow.list()[0]?.code, 'assertion_failed')
    assert.ok(replica.inspect().durations.commit.count >= 4)
    assert.ok(replica.inspect().durations.apply.count >= 4)
  })
})
