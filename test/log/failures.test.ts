import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LogError } from '../../src/log/index.ts'
import {
  DIRECTORY_ID,
  GROUP_ID,
  LogWorld,
  batch,
  chainOver,
  entry,
  readAll,
  segmentPath,
  settle,
  tamper,
} from './log-world.ts'
import { ChecksumSeeds } from '../../src/log/checksum-seed.ts'
import { encodeVote, readVotes } from '../../src/log/votes.ts'

const IDENTITY = { directoryId: DIRECTORY_ID, groupId: GROUP_ID }
const SEEDS = new ChecksumSeeds(DIRECTORY_ID)
const VOTES = '/data/log/votes'

function isLatched(error: unknown): boolean {
  return error instanceof LogError && error.code === 'latched'
}

describe('a failing disk', () => {
  for (const [operation, systemCode] of [
    ['sync', 'EIO'],
    ['write', 'EIO'],
    ['write', 'ENOSPC'],
  ] as const) {
    it(`D9: the first failed ${operation} (${systemCode}) is final, told once, and acknowledges nothing`, async () => {
      const world = new LogWorld()
      const { log, synced, failures } = await world.create()
      await settle()
      log.append({ entries: batch(1, 2, 1) })
      log.flushSync()
      const path = (each: string): boolean => each.includes('segment')
      world.disk.inject({ operation, path, effect: { type: 'fail', systemCode } })
      log.append({ entries: batch(3, 2, 1, 2000) })
      assert.throws(() => log.flushSync(), isLatched)
      assert.throws(() => log.flushSync(), isLatched)
      assert.throws(() => log.append({ entries: batch(5, 1, 1) }), isLatched)
      await assert.rejects(log.whenSynced(2), isLatched)
      assert.equal(log.state, 'latched')
      assert.equal(failures.length, 1)
      assert.deepEqual(synced, [1])
      const calls = world.disk.callCount
      await log.close()
      assert.equal(world.disk.callCount, calls, 'a latched log writes nothing more')
      world.disk.crash('power')
      const { log: again, recovered } = await world.open()
      assert.deepEqual(recovered.damage, [])
      assert.ok(again.lastSeq === 2 || again.lastSeq === 4)
    })
  }

  it('a full disk that prevents the next segment makes the present one grow, until there is room', async () => {
    const world = new LogWorld(1, { segmentBytes: 4096 })
    const full = (path: string): boolean => path === segmentPath(2)
    world.disk.inject({ operation: 'write', path: full, times: 3, effect: { type: 'fail', systemCode: 'ENOSPC' } })
    const { log, failures } = await world.create()
    for (let seq = 1; seq <= 60; seq++) {
      await settle()
      log.append({ entries: batch(seq, 1, 1, 200) })
      log.flushSync()
    }
    assert.deepEqual(failures, [])
    assert.ok(log.end.segment > 2)
    await log.close()
    const { log: again } = await world.open()
    assert.equal((await readAll(again)).length, 60)
  })

  it('a directory that cannot be synced stops the log instead of using an unsafe segment', async () => {
    const world = new LogWorld(1, { segmentBytes: 4096 })
    const { log, failures } = await world.create()
    await settle()
    world.disk.inject({ operation: 'syncDirectory', effect: { type: 'fail', systemCode: 'EIO' } })
    for (let seq = 1; log.end.segment === 1; seq++) log.append({ entries: batch(seq, 1, 1, 200) })
    log.flushSync()
    await settle()
    assert.equal(failures.length, 1)
    assert.equal(log.state, 'latched')
  })
})

describe('a caller that breaks the order of entries', () => {
  it('is refused, and a log that had already taken its truncation latches', async () => {
    for (const entries of [batch(5, 1, 1), batch(3, 1, 9), batch(2, 1, 1)]) {
      const world = new LogWorld()
      const { log, failures } = await world.create()
      log.append({ entries: batch(1, 3, 1) })
      log.flushSync()
      assert.throws(() => log.append({ truncateFrom: 3, entries }))
      assert.equal(log.state, 'latched')
      assert.equal(failures.length, 1)
      world.disk.crash('process')
      assert.equal((await world.open()).recovered.lastSeq, 3)
    }
  })

  it('is refused with chain values that do not follow from the log, or are not one for each entry', async () => {
    const [first, second] = [batch(1, 3, 1), batch(4, 2, 1)]
    const start = chainOver([entry(1, 1), entry(2, 1), entry(3, 1)])
    const right = chainsOf([entry(4, 1), entry(5, 1)], start)
    for (const chains of [chainsOf([entry(4, 1), entry(5, 1)], 0), right.subarray(0, 1), new Uint32Array(3)]) {
      const world = new LogWorld()
      const { log, failures } = await world.create()
      log.append({ entries: first })
      assert.throws(() => log.append({ entries: second, chains }))
      assert.equal(log.state, 'latched')
      assert.equal(failures.length, 1)
    }
    const { log } = await new LogWorld().create()
    log.append({ entries: first })
    log.append({ entries: second, chains: right })
    assert.deepEqual([log.chainAt(4), log.chainAt(5)], Array.from(right))
  })
})

describe('chain values that a caller has computed', () => {
  it('are those of every entry, over the bounds of what the index keeps together', async () => {
    const { log } = await new LogWorld().create()
    log.append({ entries: batch(1, 4_090, 1) })
    const entries = Array.from({ length: 4_110 }, (_, i) => entry(4_091 + i, 1))
    let chain = log.lastChain
    const chains = Uint32Array.from(entries, each => (chain = chainOver([each], chain)))
    log.append({ entries: batch(4_091, 4_110, 1), chains })
    for (const [i, value] of chains.entries()) assert.equal(log.chainAt(4_091 + i), value)
    log.append({ entries: batch(8_201, 1, 1) })
    assert.equal(log.lastChain, chainOver([entry(8_201, 1)], chain))
  })
})

function chainsOf(entries: readonly Uint8Array[], start: number): Uint32Array {
  return Uint32Array.from(entries, (_, i) => chainOver(entries.slice(0, i + 1), start))
}

describe('votes', () => {
  async function voted(): Promise<LogWorld> {
    const world = new LogWorld()
    const { log } = await world.create()
    log.append({ hardState: { term: 2, votedFor: 1, commitSeq: 0 } })
    log.flushSync()
    log.append({ hardState: { term: 3, votedFor: 2, commitSeq: 0 }, entries: batch(1, 1, 1) })
    log.flushSync()
    world.disk.crash('power')
    return world
  }

  it('W8: the vote before is intact while the next one is written', async () => {
    const world = await voted()
    const slots = readVotes(world.disk.contents(VOTES), IDENTITY, SEEDS)
    assert.deepEqual(slots.latest, { generation: 3, term: 3, votedFor: 2 })
    await tamper(world, VOTES, 4096, new Uint8Array(512))
    assert.deepEqual(readVotes(world.disk.contents(VOTES), IDENTITY, SEEDS).latest, {
      generation: 2,
      term: 2,
      votedFor: 1,
    })
  })

  it('W8: one bad slot, or two behind a log that ends cleanly, lose nothing and are written again', async () => {
    for (const bad of [[0], [4096], [0, 4096]]) {
      const world = await voted()
      for (const offset of bad) await tamper(world, VOTES, offset, new Uint8Array(512).fill(7))
      const { log, recovered } = await world.open()
      assert.deepEqual(recovered.hardState, { term: 3, votedFor: 2, commitSeq: 0 })
      assert.deepEqual(recovered.repairedVoteSlots, bad)
      assert.equal(recovered.isVoteCertain, true)
      log.append({ hardState: { term: 4, votedFor: 1, commitSeq: 0 } })
      log.flushSync()
      world.disk.crash('power')
      assert.equal(readVotes(world.disk.contents(VOTES), IDENTITY, SEEDS).latest?.term, 4)
      assert.deepEqual(readVotes(world.disk.contents(VOTES), IDENTITY, SEEDS).badSlots, [])
    }
  })

  it('W8: bad slots and a log whose end is in doubt mean that a vote may be lost: a new id is needed', async () => {
    const world = await voted()
    await tamper(world, VOTES, 4096, new Uint8Array(512).fill(7))
    world.disk.flipBit(segmentPath(1), 512 + 184 + 190, 1)
    const { log, recovered } = await world.open()
    assert.equal(recovered.isVoteCertain, false)
    assert.equal(log.state, 'damaged')
    assert.deepEqual(recovered.damage.map(({ kind, file }) => ({ kind, file })).at(-1), {
      kind: 'vote_slot',
      file: VOTES,
    })
    await assert.rejects(log.startAfter({ seq: 9, term: 3, chain: 1 }), { code: 'damaged' })
  })

  const conflicts = (recovered: { damage: readonly { kind: string }[] }): number =>
    recovered.damage.filter(({ kind }) => kind === 'votes_conflict').length

  it('two slots with two votes in one term are damage, though the newer one agrees with the frames', async () => {
    const world = await voted()
    await tamper(world, VOTES, 4096, encodeVote(IDENTITY, SEEDS, { generation: 3, term: 3, votedFor: 1 }))
    await tamper(world, VOTES, 0, encodeVote(IDENTITY, SEEDS, { generation: 4, term: 3, votedFor: 2 }))
    assert.equal(readVotes(world.disk.contents(VOTES), IDENTITY, SEEDS).latest?.votedFor, 2)
    assert.equal(conflicts((await world.open()).recovered), 1)
  })

  it('a vote other than that of the frames is damage, though the slots agree', async () => {
    const world = await voted()
    await tamper(world, VOTES, 4096, encodeVote(IDENTITY, SEEDS, { generation: 3, term: 3, votedFor: 1 }))
    assert.equal(readVotes(world.disk.contents(VOTES), IDENTITY, SEEDS).isConflict, false)
    assert.equal(conflicts((await world.open()).recovered), 1)
  })

  it('a vote for nobody conflicts with no other vote of its term', async () => {
    const world = await voted()
    await tamper(world, VOTES, 0, encodeVote(IDENTITY, SEEDS, { generation: 4, term: 3, votedFor: 0 }))
    assert.equal(conflicts((await world.open()).recovered), 0)
  })

  it('a missing file of votes is damage', async () => {
    const world = await voted()
    await world.disk.files().remove(VOTES)
    assert.equal((await world.open()).recovered.damage[0]?.kind, 'votes_missing')
  })

  it('a second vote in a term and a falling term are refused before anything is written', async () => {
    const world = await voted()
    const { log } = await world.open()
    assert.throws(() => log.append({ hardState: { term: 3, votedFor: 1, commitSeq: 0 } }), /second vote/u)
    assert.throws(() => log.append({ hardState: { term: 2, votedFor: 0, commitSeq: 0 } }), /term 2 after 3/u)
    assert.equal(log.ioSeq, 0)
  })
})
