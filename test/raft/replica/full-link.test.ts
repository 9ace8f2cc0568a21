import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QuorateError } from '../../../src/model/index.ts'
import { NAMES, Trio } from './trio.ts'

const KEY = { project: 'p', key: new Uint8Array([1]) }
const SET = { mutations: [{ type: 'kvSet' as const, ...KEY, value: new Uint8Array([2]) }] }

/** Three nodes with a project; the name of the leader and of a follower, and a session of the follower's client. */
async function ledTrio(): Promise<{ trio: Trio; leader: string; follower: string; session: number }> {
  const trio = new Trio(11)
  await trio.start()
  const leader = await trio.untilLed()
  const follower = NAMES.find(name => name !== leader)!
  const session = await trio.openSession(follower)
  const operation = { type: 'createProject' as const, project: 'p' }
  const created = trio.submit(follower, trio.request(session, { mutations: [{ type: 'ddl', operation }] }))
  assert.equal((await trio.world.runToCompletion(created)).status, 'committed')
  return { trio, leader, follower, session }
}

describe('a link whose queue is full', () => {
  it('loses no forwarded request: what it did not take is sent when it takes frames again, once and in order', async () => {
    const { trio, leader, follower, session } = await ledTrio()
    const { term } = trio.node(leader).replica.inspect().core
    trio.wire.full.add(`${follower} ${leader} log`)
    const answers: string[] = []
    for (let i = 0; i < 3; i++) {
      void trio
        .submit(follower, trio.request(session, SET))
        .then(({ status }) => answers.push(`${i} ${status}`), String)
    }
    await trio.world.runFor(400)
    assert.deepEqual(answers, [])
    trio.wire.full.clear()
    await trio.until('the answers', () => answers.length === 3, 200)
    assert.deepEqual(answers, ['0 committed', '1 committed', '2 committed'])
    assert.equal(trio.node(leader).replica.inspect().core.term, term, 'neither leader nor link has changed')
  })

  it('loses no answer of the leader either', async () => {
    const { trio, leader, follower, session } = await ledTrio()
    const absent = { mutations: [{ ...SET.mutations[0]!, project: 'absent' }] }
    let answer = ''
    trio.wire.full.add(`${leader} ${follower} control`)
    const error = trio.submit(follower, trio.request(session, absent)).then(
      ({ status }) => (answer = status),
      (reason: unknown) => (answer = reason instanceof QuorateError ? reason.code : String(reason)),
    )
    await trio.world.runFor(150)
    trio.wire.full.clear()
    await trio.until('the answer', () => answer !== '', 200)
    assert.equal(await error, 'project_not_found')
    assert.equal(trio.leader, leader)
  })

  it('fails no session opening for good', async () => {
    const { trio, leader, follower } = await ledTrio()
    trio.wire.full.add(`${follower} ${leader} control`)
    let opened: unknown
    const nonce = new Uint8Array(16).fill(9)
    const opening = trio.node(follower).replica.openSession({ caller: 'root', kind: 'client', nonce }, 5_000)
    void opening.then(
      id => (opened = id),
      (error: unknown) => (opened = error),
    )
    await trio.world.runFor(100)
    trio.wire.full.clear()
    await trio.until('an answer', () => opened !== undefined, 200)
    assert.ok(typeof opened === 'number', String(opened))
    assert.equal(trio.leader, leader)
  })
})
