import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NAMES, Trio } from './trio.ts'

describe('a frame of a peer that has no form', () => {
  it('is counted and dropped, whatever is in it, and the link goes on', async () => {
    const trio = new Trio(12)
    await trio.start()
    const leader = await trio.untilLed()
    const follower = NAMES.find(name => name !== leader)!
    const { replica } = trio.node(leader)
    const { term } = replica.inspect().core
    const good = Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0)
    const frames = [
      new Uint8Array(0),
      Uint8Array.of(1),
      new Uint8Array(40).fill(0xff),
      Uint8Array.of(...good, 9, 0, 0, 0),
    ]
    for (const [i, frame] of frames.entries()) {
      trio.wire.transports.get(leader)!.onFrame?.(follower, 'log', frame)
      assert.equal(replica.inspect().malformedFrames, i + 1)
    }
    await trio.world.runFor(2_000)
    assert.deepEqual([trio.leader, replica.inspect().core.term], [leader, term])
    assert.equal(replica.inspect().malformedFrames, frames.length)
  })
})
