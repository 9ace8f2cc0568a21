import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { majoritySize, quorumValue, tallyVotes, type VoteResult } from '../../../src/raft/core/quorum.ts'
import type { Configuration, NodeId } from '../../../src/raft/core/index.ts'
import { configurationOf } from './rig.ts'
import { Chance } from './sim/random.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

/** By definition: the largest value for which a majority of each half has at least that much. */
function naiveQuorumValue(configuration: Configuration, values: ReadonlyMap<NodeId, number>): number {
  const halves = [configuration.voters, configuration.outgoing].filter(half => half.length > 0)
  const candidates = [0, ...values.values()].sort((a, b) => b - a)
  const isReached = (value: number): boolean =>
    halves.every(half => half.filter(id => (values.get(id) ?? 0) >= value).length * 2 > half.length)
  return candidates.find(isReached) ?? 0
}

function naiveTally(configuration: Configuration, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const halves = [configuration.voters, configuration.outgoing].filter(half => half.length > 0)
  const count = (half: readonly NodeId[], vote: boolean | undefined): number =>
    half.filter(id => votes.get(id) === vote).length
  if (halves.every(half => count(half, true) * 2 > half.length)) return 'won'
  const canWin = halves.every(half => (count(half, true) + count(half, undefined)) * 2 > half.length)
  return canWin ? 'pending' : 'lost'
}

function drawConfiguration(chance: Chance): Configuration {
  const ids = chance.shuffle([1, 2, 3, 4, 5, 6, 7, 8, 9])
  const voters = ids.slice(0, chance.between(1, 7))
  const outgoing = chance.isTrue(0.5) ? chance.shuffle([1, 2, 3, 4, 5, 6, 7]).slice(0, chance.between(1, 7)) : []
  return configurationOf(voters, [], outgoing)
}

describe('a quorum', () => {
  it(`agrees with its definition for random configurations, joint ones too (seed ${seed})`, () => {
    const chance = new Chance(seed, 1)
    for (let i = 0; i < 20_000; i++) {
      const configuration = drawConfiguration(chance)
      const values = new Map<NodeId, number>()
      for (let id = 1; id <= 9; id++) if (chance.isTrue(0.9)) values.set(id, chance.between(0, 6))
      const found = quorumValue(configuration, id => values.get(id) ?? 0)
      assert.equal(found, naiveQuorumValue(configuration, values), JSON.stringify([configuration, [...values]]))
    }
  })

  it(`tallies votes as defined (seed ${seed})`, () => {
    const chance = new Chance(seed, 2)
    for (let i = 0; i < 20_000; i++) {
      const configuration = drawConfiguration(chance)
      const votes = new Map<NodeId, boolean>()
      for (let id = 1; id <= 9; id++) if (chance.isTrue(0.7)) votes.set(id, chance.isTrue(0.6))
      const found = tallyVotes(configuration, id => votes.get(id))
      assert.equal(found, naiveTally(configuration, votes), JSON.stringify([configuration, [...votes]]))
    }
  })

  it('of two majorities always shares a member', () => {
    for (let n = 1; n <= 9; n++) assert.ok(2 * majoritySize(n) > n)
  })

  it('does not exist without voters', () => {
    assert.equal(
      quorumValue(configurationOf([]), () => 9),
      0,
    )
    assert.notEqual(
      tallyVotes(configurationOf([]), () => true),
      'won',
    )
  })
})
