import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NAMES, Trio } from './trio.ts'

describe('what a replica refuses', () => {
  it('names a handover to nobody what it is', async () => {
    const trio = new Trio(13)
    await trio.start()
    const leader = await trio.untilLed()
    const { replica } = trio.node(leader)
    const unknown = trio.world.runToCompletion(replica.transferLeadership(99, 5_000))
    await assert.rejects(unknown, { code: 'not_found', retryable: false })
    await trio.world.runFor(2_000)
    assert.equal(trio.leader, leader)
  })

  it('leads on where leadership goes to itself', async () => {
    const trio = new Trio(13)
    await trio.start()
    const leader = await trio.untilLed()
    const { replica } = trio.node(leader)
    const { id, term } = replica.inspect().core
    await trio.world.runToCompletion(replica.transferLeadership(id, 5_000))
    await trio.world.runFor(2_000)
    assert.deepEqual([trio.leader, replica.inspect().core.term], [leader, term])
  })

  it('says of an opening of a session why, from every node', async () => {
    const trio = new Trio(14)
    await trio.start()
    const leader = await trio.untilLed()
    const nonce = new Uint8Array(16).fill(3)
    const open = (name: string, caller: string): Promise<number> =>
      trio.world.runToCompletion(trio.node(name).replica.openSession({ caller, kind: 'client', nonce }, 5_000))
    const session = await open(leader, 'root')
    for (const name of NAMES) {
      assert.equal(await open(name, 'root'), session)
      await assert.rejects(open(name, 'another'), { code: 'session_ended' })
    }
  })
})
