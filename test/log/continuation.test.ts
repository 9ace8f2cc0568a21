import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectLog } from '../../src/log/index.ts'
import type { ChainPoint, DamageReport, DurableState } from '../../src/log/index.ts'
import { DIRECTORY_ID, GROUP_ID, LogWorld, batch, segmentPath, settle } from './log-world.ts'

type Place = Partial<DamageReport> | undefined

/** What the check and an opening say of a log behind a state, which must be the same. */
async function damageBehind(world: LogWorld, point: ChainPoint, isInstalled = false): Promise<Place> {
  const state: DurableState = { ...point, isInstalled }
  const options = { files: world.disk.files(), directory: '/data', directoryId: DIRECTORY_ID, groupId: GROUP_ID }
  const inspected = (await inspectLog(options, () => undefined)).damageBehind(state)
  const { log, recovered } = await world.open()
  const found = recovered.damageBehind(state)
  assert.deepEqual(found, inspected)
  await log.close()
  return found && { kind: found.kind, file: found.file, offset: found.offset }
}

/** Two entries, a third one in a frame of its own, its place, and the points after each. */
async function threeEntries(): Promise<{ world: LogWorld; third: number; end: number; points: ChainPoint[] }> {
  const world = new LogWorld()
  const { log } = await world.create()
  await settle()
  log.append({ entries: batch(1, 2, 1) })
  log.flushSync()
  const third = log.end.offset
  log.append({ entries: batch(3, 1, 1, 2_000) })
  log.flushSync()
  const points = [0, 1, 2, 3].map(seq => ({ seq, term: log.termAt(seq)!, chain: log.chainAt(seq)! }))
  const end = log.end.offset
  world.disk.crash('process')
  return { world, third, end, points }
}

describe('the log behind a state', () => {
  it('goes on from its base and from every entry that it has', async () => {
    const { world, points } = await threeEntries()
    for (const point of points) assert.equal(await damageBehind(world, point), undefined)
  })

  it('is damaged at its end if it does not reach the state', async () => {
    const { world, end, points } = await threeEntries()
    const beyond = { ...points[3]!, seq: 4 }
    assert.deepEqual(await damageBehind(world, beyond), { kind: 'frames_lost', file: segmentPath(1), offset: end })
  })

  it('is damaged if it begins after the state', async () => {
    const { world, points } = await threeEntries()
    const { log } = await world.open()
    await log.startAfter(points[3]!)
    await log.close()
    assert.equal(await damageBehind(world, points[3]!), undefined)
    const missing = { kind: 'segment_missing', file: segmentPath(1), offset: 0 }
    assert.deepEqual(await damageBehind(world, points[2]!), missing)
    assert.deepEqual(await damageBehind(world, points[2]!, true), missing)
  })

  it('is damaged where it has another entry, or one of another term', async () => {
    const { world, points } = await threeEntries()
    const { chain, term } = points[3]!
    for (const other of [
      { seq: 3, term, chain: chain ^ 1 },
      { seq: 3, term: 2, chain },
    ]) {
      assert.equal((await damageBehind(world, other))?.kind, 'stale_frame')
    }
  })

  it('may be of before where the state was installed', async () => {
    const { world, points } = await threeEntries()
    assert.equal(await damageBehind(world, { ...points[3]!, seq: 400 }, true), undefined)
    assert.equal(await damageBehind(world, { ...points[3]!, chain: points[3]!.chain ^ 1 }, true), undefined)
  })

  it('may be too short where nobody can decide its end, also once that is kept aside', async () => {
    const { world, third, points } = await threeEntries()
    world.disk.flipBit(segmentPath(1), third + 176 + 40, 3)
    const { log, recovered } = await world.open()
    assert.equal(log.state, 'suspect')
    assert.equal(recovered.damageBehind({ ...points[3]!, isInstalled: false }), undefined)
    await log.setSuspectAside()
    await log.close()
    assert.equal(await damageBehind(world, points[3]!), undefined)
  })
})
