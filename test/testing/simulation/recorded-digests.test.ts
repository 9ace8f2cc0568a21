import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StateDigest } from '../../../src/model/index.ts'
import { DriftFault } from '../../../src/testing/simulation/drift-fault.ts'
import { EntryOracle } from '../../../src/testing/simulation/entry-oracle.ts'
import { RecordedDigests } from '../../../src/testing/simulation/recorded-digests.ts'

const digest = (seq: number, lo: number): StateDigest => ({ seq, effectChain: 7, sum: { hi: 0, lo } })

describe('what nodes have recorded', () => {
  const recordedOf = (...notes: readonly (readonly [string, number, number])[]): RecordedDigests => {
    const recorded = new RecordedDigests()
    for (const [node, seq, lo] of notes) recorded.note(node, digest(seq, lo))
    return recorded
  }

  it('decides against a node once a majority has the same at one seq, and it something else', () => {
    const recorded = recordedOf(['n1', 64, 1], ['n2', 64, 2])
    assert.equal(recorded.isDecidedAgainst('n2', 3), false, 'one against one')
    recorded.note('n3', digest(64, 1))
    assert.equal(recorded.isDecidedAgainst('n2', 3), true)
    assert.equal(recorded.isDecidedAgainst('n1', 3), false)
    assert.equal(recorded.isDecidedAgainst('n2', 5), false, 'two of five')
  })

  it('decides nothing where the others differ from each other, or have recorded other seqs', () => {
    assert.equal(recordedOf(['n1', 64, 1], ['n2', 64, 2], ['n3', 64, 3]).isDecidedAgainst('n2', 3), false)
    assert.equal(recordedOf(['n1', 64, 1], ['n2', 64, 2], ['n3', 128, 1]).isDecidedAgainst('n2', 3), false)
    assert.equal(recordedOf(['n1', 64, 1], ['n3', 64, 1]).isDecidedAgainst('n2', 3), false, 'it has recorded nothing')
  })

  it('is what a node has recorded last, and one node has one voice', () => {
    const recorded = recordedOf(['n1', 64, 1], ['n2', 64, 2], ['n1', 64, 1])
    assert.equal(recorded.isDecidedAgainst('n2', 3), false)
    recorded.note('n3', digest(64, 1))
    recorded.note('n2', digest(64, 1))
    assert.equal(recorded.isDecidedAgainst('n2', 3), false, 'it has applied the entries again')
  })
})

describe('states of nodes that have drifted', () => {
  const oracleOf = (...drifted: string[]): EntryOracle => {
    const oracle = new EntryOracle()
    oracle.hasDrifted = node => drifted.includes(node)
    oracle.mayDiffer = oracle.hasDrifted
    oracle.excusesDigest = (node, isRight) => !isRight && drifted.includes(node)
    return oracle
  }

  it('are known by who had them first, unless they are right', () => {
    const oracle = oracleOf('n2', 'n3')
    oracle.checkDigest('n2', digest(70, 2))
    oracle.checkDigest('n3', digest(70, 2))
    assert.equal(oracle.drifterWith(digest(70, 2)), 'n2')
    assert.equal(oracle.drifterWith(digest(71, 2)), undefined)
    assert.equal(oracle.drifterWith(digest(70, 1)), undefined)
    oracle.checkDigest('n1', digest(70, 2))
    assert.equal(oracle.drifterWith(digest(70, 2)), undefined, 'so it was not one')
  })

  it('are one wrong one at a seq, beside the right one', () => {
    const oracle = oracleOf('n2', 'n3')
    oracle.checkDigest('n1', digest(70, 1))
    oracle.checkDigest('n2', digest(70, 2))
    assert.throws(() => oracle.checkDigest('n3', digest(70, 3)), /more than two states at 70/)
  })

  it('are excused at who has taken one over until it has the right one, and again after a restart', () => {
    const fault = new DriftFault()
    assert.equal(fault.excuses(false), false)
    fault.inherit()
    assert.equal(fault.hasDrifted, true)
    assert.equal(fault.excuses(false), true)
    assert.equal(fault.excuses(true), false)
    assert.equal(fault.hasDrifted, false)
    assert.equal(fault.excuses(false), false)
    fault.restarted()
    assert.equal(fault.excuses(false), true, 'what is on file may be the wrong one')
  })
})
