import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectLog } from '../../src/log/index.ts'
import type { DamageReport, LogEnd } from '../../src/log/index.ts'
import { isCrash } from './crash-model.ts'
import { DIRECTORY_ID, GROUP_ID, LogWorld, batch, segmentPath, settle, tamper, testSeed } from './log-world.ts'

interface Closed {
  world: LogWorld
  closedAt: LogEnd
  /** Where the frame before the closing mark begins, and where the mark does. */
  lastFrame: number
  mark: number
}

/** A log that was marked while idle, written again, and closed in order. */
async function closedLog(seed: number = testSeed()): Promise<Closed> {
  const world = new LogWorld(seed)
  const { log } = await world.create()
  await settle()
  log.append({ entries: batch(1, 3, 1) })
  log.flushSync()
  log.mark()
  log.flushSync()
  const lastFrame = log.end.offset
  log.append({ entries: batch(4, 1, 1) })
  log.flushSync()
  const mark = log.end.offset
  const closedAt = await log.close()
  assert.ok(closedAt !== undefined && closedAt.offset > mark && mark > lastFrame)
  return { world, closedAt, lastFrame, mark }
}

/** What the check and an opening say of the place, which must be the same. */
async function damageOf(world: LogWorld, closedAt: LogEnd): Promise<Partial<DamageReport>[]> {
  const options = { files: world.disk.files(), directory: '/data', directoryId: DIRECTORY_ID, groupId: GROUP_ID }
  const inspection = await inspectLog({ ...options, closedAt }, () => undefined)
  assert.equal(inspection.verdict, inspection.damage.length === 0 ? 'clean' : 'damaged')
  const { log, recovered } = await world.open({ closedAt })
  assert.deepEqual(recovered.damage, inspection.damage)
  assert.equal(log.state, recovered.damage.length === 0 ? 'open' : 'damaged')
  await log.close()
  return recovered.damage.map(({ kind, file, offset }) => ({ kind, file, offset }))
}

describe('a log that was closed in order', () => {
  it('must end where it did: a mark turned to zeros is damage, though another mark stands before it', async () => {
    const { world, closedAt, lastFrame, mark } = await closedLog()
    const file = segmentPath(1)
    assert.deepEqual(await damageOf(world, closedAt), [])
    const before = world.disk.contents(file).slice(0, closedAt.offset)
    for (const from of [mark, lastFrame]) {
      await tamper(world, file, from, new Uint8Array(closedAt.offset - from))
      assert.deepEqual(await damageOf(world, closedAt), [{ kind: 'frames_lost', file, offset: from }])
      await tamper(world, file, from, before.subarray(from))
    }
    assert.deepEqual(await damageOf(world, closedAt), [])
  })

  it('has no torn and no suspect end: both are damage and left as they are', async () => {
    const file = segmentPath(1)
    for (const bytes of [new Uint8Array(100), Uint8Array.of(255)]) {
      const { world, closedAt, mark } = await closedLog()
      await tamper(world, file, mark + 24, bytes)
      const before = world.disk.contents(file).slice()
      assert.deepEqual(await damageOf(world, closedAt), [{ kind: 'frame', file, offset: mark }])
      assert.deepEqual(world.disk.contents(file), before)
    }
  })

  it('that goes on behind that end has an older identity beside it', async () => {
    const { world, closedAt } = await closedLog()
    const { log } = await world.open({ closedAt })
    log.append({ entries: batch(5, 1, 1) })
    const later = await log.close()
    const identity = { kind: 'identity' as const, file: '/data/identity.json', offset: 0 }
    assert.deepEqual(await damageOf(world, closedAt), [identity])
    assert.deepEqual(await damageOf(world, later!), [])
    assert.deepEqual(await damageOf(world, { ...later!, frame: later!.frame ^ 1 }), [
      { kind: 'frames_lost', file: segmentPath(1), offset: later!.offset },
    ])
  })

  it('still ends there after a crash at every disk call of an opening that appends nothing', async () => {
    for (let call = 1; ; call++) {
      const { world, closedAt } = await closedLog(testSeed() + call)
      world.disk.crashAt(call, call % 2 === 0 ? 'before' : 'after')
      const isDone = await world
        .open({ closedAt })
        .then(settle)
        .then(() => true)
        .catch((error: unknown) => {
          if (!isCrash(error)) throw error
          return false
        })
      world.disk.cancelCrash()
      world.disk.crash('power')
      assert.deepEqual(await damageOf(world, closedAt), [], `call ${call}`)
      if (isDone && call > 8) break
    }
  })

  it('has no such end where its last sync failed', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    await settle()
    log.append({ entries: batch(1, 1, 1) })
    world.disk.inject({ operation: 'sync', effect: { type: 'fail', systemCode: 'EIO' } })
    assert.equal(await log.close(), undefined)
  })
})
