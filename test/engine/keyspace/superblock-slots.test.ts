import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { judgeSlots } from '../../../src/engine/keyspace/superblock-slots.ts'
import type { SuperblockProof, SuperblockSlot } from '../../../src/engine/keyspace/superblock-slots.ts'
import type { SuperblockState } from '../../../src/engine/keyspace/index.ts'

const DIRECTORY = new Uint8Array(16).fill(9)

/** What stands in a slot: a superblock's number, nothing that passes, or zeros. */
type Content = number | 'bad' | 'empty'

function slotOf(slot: 0 | 1, content: Content, directoryId = DIRECTORY): SuperblockSlot {
  const state = typeof content === 'number' ? ({ number: content, directoryId } as SuperblockState) : undefined
  return { slot, offset: slot * 32_768, length: 300, state, isEmpty: content === 'empty' }
}

function judge(contents: [Content, Content], proof: SuperblockProof): string {
  const slots: [SuperblockSlot, SuperblockSlot] = [slotOf(0, contents[0]), slotOf(1, contents[1])]
  return judgeSlots(slots, proof, DIRECTORY)
    .map(({ kind }) => kind)
    .join(' ')
}

const synced = (number: number): SuperblockProof => ({ number, isUnderWay: false })
const underWay = (number: number): SuperblockProof => ({ number, isUnderWay: true })

describe('the two superblocks, judged by what the log knows', () => {
  it('are fine when they are the newest that was synced and the one before, or one newer', () => {
    assert.equal(judge([6, 7], synced(7)), 'ok ok')
    assert.equal(judge([6, 7], underWay(7)), 'ok ok')
    assert.equal(judge([8, 7], underWay(7)), 'ok ok')
    assert.equal(judge([8, 7], synced(7)), 'ok ok')
    assert.equal(judge(['empty', 1], synced(1)), 'absent ok')
  })

  it('are damaged where the newest was never announced in a log whose end is known: that log is older', () => {
    const certain = (proof: SuperblockProof): SuperblockProof => ({ ...proof, isCertain: true })
    assert.equal(judge([8, 7], certain(synced(7))), 'damaged ok')
    assert.equal(judge([8, 9], certain(underWay(7))), 'ok damaged')
    assert.equal(judge([8, 7], certain(underWay(7))), 'ok ok')
    assert.equal(judge([6, 7], certain(synced(7))), 'ok ok')
    assert.equal(judge([8, 9], certain(synced(0))), 'ok ok', 'a log that has no frame yet')
  })

  it('may be torn in the slot of the next one while that is under way', () => {
    assert.equal(judge(['bad', 7], underWay(7)), 'torn ok')
    assert.equal(judge(['bad', 1], underWay(1)), 'torn ok')
    assert.equal(judge([6, 'bad'], underWay(6)), 'ok torn')
  })

  it('are damaged where nothing was being written', () => {
    assert.equal(judge(['bad', 7], synced(7)), 'damaged ok', 'the one before')
    assert.equal(judge([6, 'bad'], synced(7)), 'ok damaged', 'the newest')
    assert.equal(
      judge(['bad', 9], underWay(8)),
      'damaged ok',
      'the one that was under way is whole: the other one is not',
    )
    assert.equal(judge([6, 'bad'], underWay(7)), 'ok damaged', 'the newest, while the other slot was to be written')
    assert.equal(judge(['bad', 'bad'], underWay(7)), 'damaged damaged', 'one write cannot tear both')
  })

  it('are damaged where an older one was put back, or one of elsewhere', () => {
    assert.equal(judge([6, 5], synced(7)), 'ok damaged', 'the one that stood there before')
    assert.equal(judge([2, 7], synced(7)), 'damaged ok')
    assert.equal(judge([7, 6], synced(7)), 'damaged damaged', 'swapped')
    const foreign = slotOf(1, 7, new Uint8Array(16).fill(8))
    assert.equal(judgeSlots([slotOf(0, 6), foreign], synced(7), DIRECTORY)[1].kind, 'damaged')
  })

  it('are damaged where one has become zeros', () => {
    assert.equal(judge(['empty', 7], synced(7)), 'damaged ok')
    assert.equal(judge(['empty', 7], underWay(7)), 'damaged ok', 'a tear would have left the one before')
    assert.equal(judge(['empty', 'empty'], synced(0)), 'damaged damaged')
  })

  it('of a log that knows nothing of them count as torn only beside a whole one', () => {
    assert.equal(judge(['bad', 7], synced(0)), 'torn ok')
    assert.equal(judge(['bad', 'bad'], synced(0)), 'damaged damaged')
  })
})
