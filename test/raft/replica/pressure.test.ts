import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { QuorateError } from '../../../src/model/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
const set = (key: string, value: string, project = 'p') =>
  ({ mutations: [{ type: 'kvSet', project, key: utf8Bytes(key), value: utf8Bytes(value) }] }) as const

async function started(): Promise<{ trio: Trio; leader: string; follower: string }> {
  const trio = new Trio(seed)
  await trio.start()
  const leader = await trio.untilLed()
  return { trio, leader, follower: NAMES.find(name => name !== leader)! }
}

describe(`a replica under pressure (seed ${seed})`, () => {
  for (const where of ['leader', 'follower'] as const) {
    it(`decides what one session asks without waiting in the order it was asked, at a ${where}`, async () => {
      const { trio, leader, follower } = await started()
      const at = where === 'leader' ? leader : follower
      const session = await trio.openSession(at)
      const asked = [PROJECT, set('k', 'first'), set('k', 'second')].map(envelope =>
        trio.submit(at, trio.request(session, envelope)),
      )
      for (const outcome of await trio.world.runToCompletion(Promise.all(asked)))
        assert.equal(outcome.status, 'committed')
      assert.deepEqual(await trio.read(at, utf8Bytes('k')), utf8Bytes('second'))
    })
  }

  it('refuses by the state only after everything asked before was applied, and lets nothing of the session overtake', async () => {
    const { trio, leader } = await started()
    const [first, second] = [await trio.openSession(leader), await trio.openSession(leader)]
    await trio.commit(leader, second, PROJECT)
    const order: string[] = []
    const note = (name: string, answer: Promise<unknown>): Promise<unknown> =>
      answer.then(
        () => order.push(name),
        (error: unknown) => order.push(`${name} ${(error as QuorateError).code}`),
      )
    const doubtful = note('other project', trio.submit(leader, trio.request(first, set('k', 'a', 'missing'))))
    const later = note('later', trio.submit(leader, trio.request(first, set('k', 'b'))))
    await trio.world.runToCompletion(Promise.all([doubtful, later]))
    assert.deepEqual(order, ['other project project_not_found', 'later'])
  })

  it('answers every read that waits for a round when it stops', async () => {
    const { trio, leader } = await started()
    for (const name of NAMES) if (name !== leader) trio.wire.cutOff.add(name)
    const { replica } = trio.node(leader)
    const answers: (string | undefined)[] = []
    replica.whenReadable('linearizable', trio.world.nowMs + 60_000, (_, error) => answers.push(error?.code))
    await trio.world.runFor(5)
    assert.deepEqual(answers, [])
    await trio.world.runToCompletion(replica.close())
    assert.deepEqual(answers, ['closed'])
  })

  it('ends a read whose time is over although its round never ends', async () => {
    const { trio, leader } = await started()
    for (const name of NAMES) if (name !== leader) trio.wire.cutOff.add(name)
    const answers: (string | undefined)[] = []
    const deadlineMs = trio.machines.get(leader)!.process!.clock.monotonicMs() + 100
    trio.node(leader).replica.whenReadable('linearizable', deadlineMs, (_, error) => answers.push(error?.code))
    await trio.world.runFor(200)
    assert.deepEqual(answers, ['timeout'])
  })

  it('stops at the first page that cannot be written, before any checkpoint, and says why', async () => {
    const trio = new Trio(seed, { budgetBytes: 64 << 10, checkpointAgeMs: 1e9, checkpointLogBytes: 1 << 30 })
    await trio.start()
    const leader = await trio.untilLed()
    const follower = NAMES.find(name => name !== leader)!
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const { machine } = trio.node(follower)
    const hits: number[] = []
    trio.machines.get(follower)!.disk.inject({
      operation: 'write',
      path: path => {
        const isPages = path.endsWith('/pages/data')
        if (isPages) hits.push(machine.appliedSeq)
        return isPages
      },
      effect: { type: 'fail', systemCode: 'ENOSPC' },
    })
    for (let i = 0; i < 2_000 && hits.length === 0; i++)
      await trio.commit(leader, session, set(`k${i}`, 'v'.repeat(500)))
    const [failedAt] = hits
    assert.ok(failedAt !== undefined)
    await trio.world.runFor(5)
    const { failure } = trio.node(follower).replica
    assert.equal(failure?.code, 'storage_failed')
    assert.match((failure.cause as Error).message, /ENOSPC|space/i)
    assert.deepEqual(
      trio.failures.map(error => error.message),
      [(failure.cause as Error).message],
    )
    assert.ok(machine.appliedSeq - failedAt <= 2, `${machine.appliedSeq - failedAt} entries were applied after that`)
    assert.equal((await trio.commit(leader, session, set('k', 'v'))).status, 'committed')
  })

  it('settles a session opening that is on its way when it stops', async () => {
    const { trio, leader, follower } = await started()
    trio.wire.cutOff.add(leader)
    const nonce = new Uint8Array(16)
    const { replica } = trio.node(follower)
    const answers: string[] = []
    replica.openSession({ caller: 'root', kind: 'client', nonce }, 60_000).then(
      () => answers.push('opened'),
      (error: unknown) => answers.push((error as QuorateError).code),
    )
    await trio.world.runFor(5)
    await trio.world.runToCompletion(replica.close())
    await trio.world.runFor(1)
    assert.deepEqual(answers, ['closed'])
  })
})
