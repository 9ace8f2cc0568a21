import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { enterConfiguration, findConfigurationError, leaveJoint } from '../../../src/raft/core/membership.ts'
import { configurationOf } from './rig.ts'

describe('a configuration change', () => {
  it('of learners only needs no joint configuration', () => {
    const next = enterConfiguration(configurationOf([1, 2, 3]), configurationOf([1, 2, 3], [4]))
    assert.deepEqual([next.voters, next.outgoing, next.learners], [[1, 2, 3], [], [4]])
  })

  it('of voters keeps everybody reachable until the joint configuration is left', () => {
    const joint = enterConfiguration(configurationOf([1, 2, 3]), configurationOf([1, 4, 5], [2]))
    assert.equal(findConfigurationError(joint), undefined)
    assert.deepEqual(
      [joint.voters, joint.outgoing, joint.learners, joint.learnersNext],
      [[1, 4, 5], [1, 2, 3], [], [2]],
    )
    assert.deepEqual(
      joint.members.map(member => member.id).sort((a, b) => a - b),
      [1, 2, 3, 4, 5],
    )
    const left = leaveJoint(joint)
    assert.equal(findConfigurationError(left), undefined)
    assert.deepEqual([left.voters, left.outgoing, left.learners, left.learnersNext], [[1, 4, 5], [], [2], []])
    assert.deepEqual(
      left.members.map(member => member.id).sort((a, b) => a - b),
      [1, 2, 4, 5],
    )
  })

  it('is refused where it makes no sense (invariant 11)', () => {
    assert.match(findConfigurationError(configurationOf([])) ?? '', /no voters/)
    assert.match(findConfigurationError(configurationOf([1, 2], [2])) ?? '', /learner votes/)
    assert.match(findConfigurationError({ ...configurationOf([1]), voters: [1, 9] }) ?? '', /not a member/)
    assert.match(findConfigurationError({ ...configurationOf([1, 2]), learnersNext: [2] }) ?? '', /outgoing half only/)
  })
})
