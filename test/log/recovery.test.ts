import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LogError, inspectLog } from '../../src/log/index.ts'
import type { InspectedFrame } from '../../src/log/index.ts'
import { listSegments, scanLog } from '../../src/log/scan.ts'
import { createSegmentFile } from '../../src/log/segment-files.ts'
import { lastWrittenEnd } from '../../src/log/walk.ts'
import {
  DIRECTORY_ID,
  GROUP_ID,
  LogWorld,
  SEGMENT_BYTES,
  batch,
  entry,
  readAll,
  segmentPath,
  settle,
  tamper,
} from './log-world.ts'

const IDENTITY = { directoryId: DIRECTORY_ID, groupId: GROUP_ID }

interface Placed {
  readonly offset: number
  readonly end: number
}

/** A log with three frames of `length` payload bytes each, every one synced by itself, closed without a mark. */
async function threeFrames(length = 1500): Promise<{ world: LogWorld; frames: Placed[] }> {
  const world = new LogWorld()
  const { log } = await world.create()
  await settle()
  const frames: Placed[] = []
  for (let seq = 1; seq <= 3; seq++) {
    const { offset } = log.end
    log.append({ entries: batch(seq === 3 ? 4 : seq, 1, 1, length) })
    if (seq === 2) log.append({ entries: batch(3, 1, 1, 0) })
    log.flushSync()
    frames.push({ offset, end: log.end.offset })
  }
  world.disk.crash('process')
  return { world, frames }
}

/** The whole sectors inside a frame. */
function innerSector({ offset }: Placed): number {
  return Math.ceil((offset + 176) / 512) * 512
}

describe('recovery', () => {
  it('leaves one prepared segment of two, so that a full disk never makes a hole of it', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    log.append({ entries: batch(1, 1, 1) })
    await log.close()
    const files = world.disk.files()
    for (const segment of [2, 3, 4]) await createSegmentFile(files, '/data/log', segment, SEGMENT_BYTES)
    const opened = await world.open()
    assert.equal(opened.log.state, 'open')
    await settle()
    assert.deepEqual(await listSegments(files, '/data/log'), [1, 2])
    await opened.log.close()
    await files.remove(segmentPath(2))
    const again = await world.open()
    assert.deepEqual([again.log.state, again.log.lastSeq], ['open', 1])
  })

  it('takes an empty segment for damage where the one behind it was begun, and leaves both', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    log.append({ entries: batch(1, 1, 1) })
    await log.close()
    const files = world.disk.files()
    for (const segment of [2, 3]) await createSegmentFile(files, '/data/log', segment, SEGMENT_BYTES)
    await tamper(world, segmentPath(3), 600, Uint8Array.of(1, 2, 3))
    const { recovered } = await world.open()
    assert.deepEqual(
      recovered.damage.map(({ kind, file, offset }) => ({ kind, file, offset })),
      [{ kind: 'frames_lost', file: segmentPath(2), offset: 0 }],
    )
    assert.deepEqual(await listSegments(files, '/data/log'), [1, 2, 3])
  })

  it('leaves one prepared segment of two behind an end that nobody can decide, too', async () => {
    const { world, frames } = await threeFrames()
    world.disk.flipBit(segmentPath(1), frames[2]!.offset + 176 + 40, 3)
    const files = world.disk.files()
    for (const segment of [2, 3]) await createSegmentFile(files, '/data/log', segment, SEGMENT_BYTES)
    const { log } = await world.open()
    assert.equal(log.state, 'suspect')
    await log.setSuspectAside()
    await log.close()
    assert.deepEqual(await listSegments(files, '/data/log'), [1, 2])
  })

  it('takes a file that is missing between others for damage, also among those that are only prepared', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    log.append({ entries: batch(1, 1, 1) })
    await log.close()
    const files = world.disk.files()
    await files.remove(segmentPath(2))
    await createSegmentFile(files, '/data/log', 3, SEGMENT_BYTES)
    const { recovered } = await world.open()
    assert.deepEqual(
      recovered.damage.map(({ kind, file, offset }) => ({ kind, file, offset })),
      [{ kind: 'segment_missing', file: segmentPath(2), offset: 0 }],
    )
    assert.deepEqual(await listSegments(files, '/data/log'), [1, 3])
  })

  it('W1: cuts off a last frame with a sector that was never written, and zeroes the rest', async () => {
    const { world, frames } = await threeFrames()
    await tamper(world, segmentPath(1), innerSector(frames[2]!), new Uint8Array(512))
    const { log, recovered } = await world.open()
    assert.deepEqual(recovered.tornTruncated, { file: segmentPath(1), offset: frames[2]!.offset })
    assert.equal(log.state, 'open')
    assert.equal(log.lastSeq, 3)
    assert.ok(lastWrittenEnd(world.disk.contents(segmentPath(1)), 0) <= frames[2]!.offset)
  })

  it('W1: frames of one sync behind a torn one are cut off with it, even if they are whole', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    await settle()
    const { offset } = log.end
    log.append({ entries: batch(1, 1, 1, 1500) })
    log.append({ entries: batch(2, 1, 1, 1500) })
    log.flushSync()
    world.disk.crash('process')
    await tamper(world, segmentPath(1), innerSector({ offset, end: 0 }), new Uint8Array(512))
    const { recovered } = await world.open()
    assert.equal(recovered.tornTruncated?.offset, offset)
    assert.equal(recovered.lastSeq, 0)
  })

  it('W1: zeros that the frame lists do not make it torn', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    log.append({ entries: batch(1, 2, 1, 10) })
    const { offset } = log.end
    log.append({ entries: batch(3, 1, 1, 3000) })
    log.flushSync()
    world.disk.crash('process')
    world.disk.flipBit(segmentPath(1), offset + 176 + 40, 3)
    const { log: again, recovered } = await world.open()
    assert.equal(again.state, 'suspect')
    assert.deepEqual(recovered.suspect, { file: segmentPath(1), offset, intactEnd: { seq: 2, term: 1 } })
  })

  it('W2: a frame before a later sync is damage, whatever is wrong with it, and no byte changes', async () => {
    for (const wrong of ['zeroed sector', 'flipped bit', 'zeroed whole'] as const) {
      const { world, frames } = await threeFrames()
      const { offset, end } = frames[1]!
      if (wrong === 'zeroed sector') await tamper(world, segmentPath(1), innerSector(frames[1]!), new Uint8Array(512))
      else if (wrong === 'flipped bit') world.disk.flipBit(segmentPath(1), offset + 300, 1)
      else await tamper(world, segmentPath(1), offset, new Uint8Array(end - offset))
      const before = world.disk.contents(segmentPath(1))
      const { log, recovered } = await world.open()
      assert.equal(log.state, 'damaged', wrong)
      assert.equal(recovered.damage[0]?.file, segmentPath(1))
      assert.equal(recovered.damage[0]?.offset, offset)
      assert.deepEqual(recovered.damage[0]?.intactEnd, { seq: 1, term: 1 })
      assert.deepEqual(recovered.damage[0]?.provenBy, { file: segmentPath(1), offset: frames[2]!.offset })
      assert.throws(
        () => log.append({ entries: batch(2, 1, 1) }),
        (error: unknown) => error instanceof LogError && error.code === 'damaged',
      )
      assert.deepEqual(await readAll(log), [entry(1, 1, 1500)])
      await log.close()
      assert.deepEqual(world.disk.contents(segmentPath(1)), before)
    }
  })

  it('a mark turns what was suspect or torn before it into damage', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    const { offset } = log.end
    log.append({ entries: batch(1, 1, 1, 1500) })
    log.flushSync()
    assert.notEqual(log.mark(), undefined)
    assert.equal(log.mark(), undefined)
    log.flushSync()
    world.disk.crash('process')
    await tamper(world, segmentPath(1), innerSector({ offset, end: 0 }), new Uint8Array(512))
    const { recovered } = await world.open()
    assert.equal(recovered.damage[0]?.offset, offset)
  })

  it('W3: a suspect end is kept aside, stays reported across restarts, and is forgotten only when resolved', async () => {
    const { world, frames } = await threeFrames()
    const { offset, end } = frames[2]!
    world.disk.flipBit(segmentPath(1), end - 20, 0)
    const bytes = world.disk.contents(segmentPath(1)).slice(offset, end)
    const { log } = await world.open()
    const kept = await log.setSuspectAside()
    assert.equal(kept, '/data/log/suspect-1')
    assert.deepEqual(world.disk.contents(kept).slice(512), bytes.slice(0, lastWrittenEnd(bytes, 0)))
    log.append({ entries: batch(4, 1, 1) })
    log.flushSync()
    world.disk.crash('power')
    const { log: again, recovered } = await world.open()
    assert.equal(again.state, 'open')
    assert.deepEqual(recovered.suspect, {
      file: segmentPath(1),
      offset,
      intactEnd: { seq: 3, term: 1 },
      keptAs: kept,
    })
    await again.resolveSuspect()
    await again.close()
    const last = await world.open()
    assert.equal(last.recovered.suspect, undefined)
    assert.deepEqual(last.recovered.keptAside, [`${kept}.resolved`])
    assert.equal(last.log.lastSeq, 4)
  })

  it('W3: power losses while a suspect end is set aside never turn it into a clean log', async () => {
    for (let call = 1; call < 12; call++) {
      const { world, frames } = await threeFrames()
      world.disk.flipBit(segmentPath(1), frames[2]!.end - 20, 0)
      const { log } = await world.open()
      world.disk.crashAt(call, call % 2 === 0 ? 'before' : 'after')
      await log.setSuspectAside().catch(() => undefined)
      world.disk.crash('power')
      await settle()
      const { recovered } = await world.open()
      assert.deepEqual(recovered.suspect?.intactEnd, { seq: 3, term: 1 }, `call ${call}`)
      assert.deepEqual(recovered.damage, [])
    }
  })

  it('W8: a vote that was put back, or is bad, is damage once anything stands behind its frame, closed or not', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    await settle()
    const saved: Uint8Array[] = []
    for (let term = 2; term < 6; term++) {
      log.append({ hardState: { term, votedFor: 1, commitSeq: 0 } })
      log.flushSync()
      saved.push(world.disk.contents('/data/log/votes'))
    }
    log.mark()
    log.flushSync()
    world.disk.crash('process')
    const faults = async (): Promise<unknown[]> => {
      const { fixed } = await inspectLog(
        { ...IDENTITY, files: world.disk.files(), directory: '/data' },
        () => undefined,
      )
      return fixed.flatMap(({ offset, fault, isTorn }) =>
        fault === undefined ? [] : [{ offset, isTorn: isTorn === true }],
      )
    }
    assert.deepEqual(await faults(), [])
    // Generations 0 and 1 are written at first; that of term 5 is 5 and lies in the second slot, which had that of term 3.
    await tamper(world, '/data/log/votes', 4096, saved[1]!.slice(4096, 4608))
    assert.deepEqual(await faults(), [{ offset: 4096, isTorn: false }])
    for (const offset of [0, 4096]) {
      await tamper(world, '/data/log/votes', 0, saved[3]!)
      world.disk.flipBit('/data/log/votes', offset + 50, 1)
      assert.deepEqual(await faults(), [{ offset, isTorn: false }])
    }
  })

  it('damage is left behind by beginning anew after an install', async () => {
    const { world, frames } = await threeFrames()
    world.disk.flipBit(segmentPath(1), frames[0]!.offset + 200, 0)
    const { log } = await world.open()
    assert.equal(log.state, 'damaged')
    await log.startAfter({ seq: 90, term: 1, chain: 5 })
    log.append({ entries: batch(91, 1, 1) })
    log.flushSync()
    await log.close()
    const { log: again, recovered } = await world.open()
    assert.deepEqual(recovered.damage, [])
    assert.deepEqual(await readAll(again), [entry(91, 1)])
    assert.ok((await again.dropSegmentsBefore(0)) >= 1)
    await again.close()
    assert.equal((await world.open()).recovered.lastSeq, 91)
  })

  it('a flip of any byte up to the end of a finished segment is damage of that place', async () => {
    const world = new LogWorld(1, { segmentBytes: 4096 })
    const { log } = await world.create()
    await settle()
    for (let seq = 1; log.end.segment < 3; seq++) {
      log.append({ entries: batch(seq, 1, 1, 600) })
      log.flushSync()
      await settle()
    }
    await log.close()
    const frames: InspectedFrame[] = []
    const files = world.disk.files()
    await inspectLog({ ...IDENTITY, files, directory: '/data' }, frame => frames.push(frame))
    for (const path of [segmentPath(1), segmentPath(2)]) {
      const own = frames.filter(frame => frame.file === path)
      const end = own.at(-1)!.offset + own.at(-1)!.length
      for (let at = 0; at < end; at++) {
        world.disk.flipBit(path, at, at % 8)
        const { verdict, damage } = await scanLog(files, '/data', IDENTITY)
        world.disk.flipBit(path, at, at % 8)
        assert.equal(verdict.kind, 'damaged', `${path} byte ${at}`)
        assert.equal(damage[0]?.file, path)
        const frame = own.findLast(({ offset }) => offset <= at)
        assert.equal(damage[0]?.offset, frame?.offset ?? 0, `${path} byte ${at}`)
      }
    }
  })

  it('lists every frame with its place and class', async () => {
    const { world, frames } = await threeFrames()
    world.disk.flipBit(segmentPath(1), frames[1]!.offset + 300, 1)
    const listed: InspectedFrame[] = []
    const files = world.disk.files()
    const report = await inspectLog({ ...IDENTITY, files, directory: '/data' }, frame => listed.push(frame))
    assert.equal(report.verdict, 'damaged')
    assert.deepEqual(
      listed.map(({ offset, state, seqs }) => ({ offset, state, seqs })),
      [
        { offset: frames[0]!.offset, state: 'valid', seqs: { first: 1, last: 1 } },
        { offset: frames[1]!.offset, state: 'damaged', seqs: undefined },
        { offset: listed[2]!.offset, state: 'behind_damage', seqs: { first: 3, last: 3 } },
        { offset: frames[2]!.offset, state: 'behind_damage', seqs: { first: 4, last: 4 } },
      ],
    )
  })

  it('a segment missing in the middle and one of another directory are named', async () => {
    for (const kind of ['segment_missing', 'foreign_segment'] as const) {
      const world = new LogWorld(1, { segmentBytes: 4096 })
      const { log } = await world.create()
      for (let seq = 1; log.end.segment < 4; seq++) {
        await settle()
        log.append({ entries: batch(seq, 1, 1, 600) })
        log.flushSync()
      }
      await log.close()
      if (kind === 'segment_missing') await world.disk.files().remove(segmentPath(2))
      else
        await tamper(
          world,
          segmentPath(2),
          16,
          Uint8Array.from({ length: 16 }, () => 9),
        )
      const { recovered } = await world.open()
      assert.deepEqual([recovered.damage[0]?.kind, recovered.damage[0]?.file], [kind, segmentPath(2)])
    }
  })

  it('a write that the disk lost is damage once a mark or a later sync stands behind it', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    await settle()
    log.append({ entries: batch(1, 1, 1) })
    log.flushSync()
    world.disk.inject({ operation: 'write', path: path => path.includes('segment'), effect: { type: 'lose' } })
    const { offset } = log.end
    log.append({ entries: batch(2, 1, 1, 1500) })
    log.flushSync()
    log.append({ entries: batch(3, 1, 1) })
    log.flushSync()
    world.disk.crash('power')
    const { log: again, recovered } = await world.open()
    assert.equal(again.state, 'damaged')
    assert.equal(recovered.damage[0]?.offset, offset)
  })
})
