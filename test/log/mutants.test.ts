import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { setLogMutants } from '../../src/log/mutants.ts'
import { LogModel, live } from './crash-model.ts'
import { LogWorld, SEGMENT_BYTES, batch, settle, tamper, testSeed, segmentPath } from './log-world.ts'

const HARD_STATE = { term: 1, votedFor: 0, commitSeq: 0 }

/** Lives and power losses over one directory; rejects when the log breaks a promise. */
async function liveAndCrash(seed: number, lives: number, onLife?: (world: LogWorld) => void): Promise<void> {
  const world = new LogWorld(seed, { tailCacheBytes: 2000 })
  const model = new LogModel(HARD_STATE)
  let opened = await world.create()
  const random = world.random.split('life')
  for (let each = 0; each < lives; each++) {
    onLife?.(world)
    world.disk.crashAt(random.between(1, 60), 'before')
    const hasCrashed = await live(opened, model, random, 60).catch(() => false)
    if (!hasCrashed) world.disk.crash('power')
    await settle()
    world.disk.clearFaults()
    world.disk.cancelCrash()
    opened = await world.open()
    await model.recover(opened, `seed ${seed}, life ${each}`)
  }
}

/** True if one of a few seeds shows the bug. */
async function isCaught(scenario: (seed: number) => Promise<void>): Promise<boolean> {
  for (let seed = testSeed(); seed < testSeed() + 20; seed++) {
    const failure = await scenario(seed).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure !== undefined) return true
  }
  return false
}

function failingSync(world: LogWorld): void {
  const path = (each: string): boolean => each.includes('segment')
  world.disk.inject({ operation: 'sync', path, skip: 3, effect: { type: 'fail', systemCode: 'EIO' } })
}

describe('a mutant of the log', () => {
  afterEach(() => setLogMutants())

  it('is not needed for the scenarios to pass', async () => {
    assert.equal(await isCaught(seed => liveAndCrash(seed, 5)), false)
    assert.equal(await isCaught(seed => liveAndCrash(seed, 3, failingSync)), false)
    await tornThenAgain()
    await frameInsideAnEntry()
    await voteAfterVote()
  })

  it('that skips the sync of the directory loses acknowledged entries', async () => {
    setLogMutants('skip_directory_sync')
    assert.equal(await isCaught(seed => liveAndCrash(seed, 5)), true)
  })

  it('that acknowledges before the sync loses acknowledged entries', async () => {
    setLogMutants('acknowledge_before_sync')
    assert.equal(await isCaught(seed => liveAndCrash(seed, 5)), true)
  })

  it('that tries a failed sync again loses acknowledged entries', async () => {
    setLogMutants('retry_failed_sync')
    assert.equal(await isCaught(seed => liveAndCrash(seed, 3, failingSync)), true)
  })

  it('that leaves bytes behind a truncation meets them again', async () => {
    setLogMutants('keep_bytes_after_truncation')
    await assert.rejects(tornThenAgain())
  })

  it('that truncates at damage in the middle hides it', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    const { offset } = log.end
    log.append({ entries: batch(1, 1, 1) })
    log.flushSync()
    log.append({ entries: batch(2, 1, 1) })
    log.flushSync()
    await log.close()
    world.disk.flipBit(segmentPath(1), offset + 180, 1)
    assert.equal((await world.open()).log.state, 'damaged')
    setLogMutants('truncate_at_damage')
    assert.equal((await world.open()).log.state, 'open', 'the mutant opens a log that lost two entries')
  })

  it('whose checksums do not know the place takes bytes inside an entry for a frame of the log', async () => {
    setLogMutants('unseeded_checksums')
    await assert.rejects(frameInsideAnEntry())
  })

  it('that writes votes in place overwrites the vote before', async () => {
    setLogMutants('vote_in_place')
    await assert.rejects(voteAfterVote())
  })
})

/** W8: while the newest vote's slot is being written, the other holds the vote before. */
async function voteAfterVote(): Promise<void> {
  const world = new LogWorld()
  const { log } = await world.create()
  for (const term of [2, 3]) {
    log.append({ hardState: { term, votedFor: 1, commitSeq: 0 } })
    log.flushSync()
  }
  const bytes = world.disk.contents('/data/log/votes')
  const terms = [0, 4096].map(offset => new DataView(bytes.buffer).getUint32(offset + 48, true))
  assert.deepEqual(new Set(terms), new Set([2, 3]))
}

/** W4: two frames in one sync, the first torn; later a frame of the same length takes its place. */
async function tornThenAgain(): Promise<void> {
  const world = new LogWorld()
  const { log } = await world.create()
  await settle()
  const { offset } = log.end
  log.append({ entries: batch(1, 1, 1, 1500) })
  log.append({ entries: batch(2, 1, 1, 1500) })
  log.flushSync()
  world.disk.crash('process')
  await tamper(world, segmentPath(1), offset + 512, new Uint8Array(512))
  const { log: again } = await world.open()
  assert.equal(again.lastSeq, 0)
  again.append({ entries: batch(1, 1, 1, 1500) })
  again.flushSync()
  world.disk.crash('power')
  const { log: last, recovered } = await world.open()
  assert.equal(recovered.suspect, undefined)
  assert.equal(last.state, 'open')
  assert.equal(last.lastSeq, 1)
}

/** A torn last frame whose entry is a copy of a part of the log itself: the copy proves nothing. */
async function frameInsideAnEntry(): Promise<void> {
  const world = new LogWorld(1, { segmentBytes: SEGMENT_BYTES })
  const { log } = await world.create()
  await settle()
  for (let seq = 1; seq <= 6; seq++) {
    log.append({ entries: batch(seq, 1, 1) })
    log.flushSync()
  }
  const { offset } = log.end
  const copied = world.disk.contents(segmentPath(1)).slice(offset - 256, offset)
  new DataView(copied.buffer).setUint32(36, 9, true) // a later segment of the log that it was copied from
  log.append({ entries: batch(7, 1, 1, 2500) })
  log.flushSync()
  world.disk.crash('process')
  const target = Math.ceil((offset + 1100) / 8) * 8
  await tamper(world, segmentPath(1), target, await rehashed(copied))
  await tamper(world, segmentPath(1), Math.ceil((offset + 176) / 512) * 512, new Uint8Array(512))
  const { log: again } = await world.open()
  assert.equal(again.state, 'open')
  assert.equal(again.lastSeq, 6)
}

/** The header's checksum as an unseeded log would have it. */
async function rehashed(frame: Uint8Array): Promise<Uint8Array> {
  const { crc32, writeU32 } = await import('../../src/encoding/index.ts')
  writeU32(frame, 12, 0)
  writeU32(frame, 12, crc32(frame.subarray(0, 176)))
  return frame
}
