import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectLog } from '../../src/log/index.ts'
import type { Seal } from '../../src/sealing/index.ts'
import { testSeal } from '../sealing/test-seal.ts'
import { LogModel, isCrash, live, openThroughCrashes } from './crash-model.ts'
import { DIRECTORY_ID, GROUP_ID, LogWorld, batch, entry, settle, testSeed } from './log-world.ts'

const HARD_STATE = { term: 1, votedFor: 0, commitSeq: 0 }

/** One life that ends with a power loss at disk call `call`, and the recovery from it. False if the life was shorter. */
async function crashOnce(seed: number, call: number, moment: 'before' | 'after', seal?: Seal): Promise<boolean> {
  const note = `seed ${seed}, crash ${moment} call ${call}`
  const world = new LogWorld(seed, { tailCacheBytes: 2000, seal })
  const model = new LogModel(HARD_STATE)
  const opened = await world.create()
  await settle()
  world.disk.crashAt(call, moment)
  const hasCrashed = await live(opened, model, world.random.split('life'), 60)
  if (!hasCrashed) world.disk.crash('power')
  await settle()
  const again = await openThroughCrashes(world, call % 3)
  await model.recover(again, note)
  world.disk.crash('power')
  await settle()
  await model.recover(await world.open(), `${note}, then a second crash right after recovery`)
  return hasCrashed
}

/** Nothing in the directory may be called damage; returns how many vote slots are torn. */
async function requireUndamaged(world: LogWorld, note: string): Promise<number> {
  const options = { files: world.disk.files(), directory: '/data', directoryId: DIRECTORY_ID, groupId: GROUP_ID }
  const { damage, fixed } = await inspectLog(options, () => undefined)
  assert.deepEqual(damage, [], note)
  const bad = fixed.filter(({ fault }) => fault !== undefined)
  for (const { kind, isTorn, fault } of bad) assert.ok(kind === 'vote' && isTorn === true, `${note}: ${kind} ${fault}`)
  return bad.length
}

describe('a power loss', () => {
  for (const seed of [testSeed(), testSeed() + 1, testSeed() + 2]) {
    it(`at every single disk call loses nothing acknowledged and leaves no other trace (seed ${seed})`, async () => {
      let call = 1
      while ((await crashOnce(seed, call, 'before')) && (await crashOnce(seed + 100_000, call, 'after'))) call++
      assert.ok(call > 50, `only ${call} disk calls`)
    })
  }

  it(`at every other disk call of a sealed log, too (seed ${testSeed()})`, async () => {
    let call = 1
    while (await crashOnce(testSeed() + call, call, call % 4 < 2 ? 'before' : 'after', testSeal({ seed: call })))
      call += 2
    assert.ok(call > 50, `only ${call} disk calls`)
  })

  it('again and again over one directory loses nothing acknowledged', async () => {
    for (let seed = testSeed(); seed < testSeed() + 12; seed++) {
      const world = new LogWorld(seed, { tailCacheBytes: 2000 })
      const model = new LogModel(HARD_STATE)
      let opened = await world.create()
      const random = world.random.split('life')
      for (let life = 0; life < 15; life++) {
        world.disk.crashAt(random.between(1, 60), random.pick(['before', 'after']))
        const hasCrashed = await live(opened, model, random, 40)
        if (!hasCrashed) world.disk.crash(random.pick(['power', 'process']))
        await settle()
        opened = await openThroughCrashes(world, random.below(3))
        await model.recover(opened, `seed ${seed}, life ${life}`)
      }
    }
  })

  it('again and again over one sealed directory, sectors torn or whole, loses nothing acknowledged', async () => {
    for (let seed = testSeed(); seed < testSeed() + 8; seed++) {
      const tear = seed % 2 === 0 ? 'sector' : 'byte'
      const world = new LogWorld(seed, { tailCacheBytes: 2000, seal: testSeal({ seed }) }, tear)
      const model = new LogModel(HARD_STATE)
      let opened = await world.create()
      const random = world.random.split('life')
      for (let life = 0; life < 10; life++) {
        world.disk.crashAt(random.between(1, 60), random.pick(['before', 'after']))
        if (!(await live(opened, model, random, 40))) world.disk.crash('power')
        await settle()
        opened = await world.open({ seal: testSeal({ seed: seed * 100 + life }) })
        assert.notEqual(opened.log.state, 'damaged')
        await model.recover(opened, `seed ${seed}, life ${life}`, tear === 'byte')
      }
    }
  })

  it('that tears sectors in two leaves at worst a suspect end, and nothing acknowledged in it', async () => {
    let suspects = 0
    for (let seed = testSeed(); seed < testSeed() + 12; seed++) {
      const world = new LogWorld(seed, { tailCacheBytes: 2000 }, 'byte')
      const model = new LogModel(HARD_STATE)
      let opened = await world.create()
      const random = world.random.split('life')
      for (let life = 0; life < 15; life++) {
        world.disk.crashAt(random.between(1, 60), random.pick(['before', 'after']))
        if (!(await live(opened, model, random, 40))) world.disk.crash('power')
        await settle()
        await requireUndamaged(world, `seed ${seed}, life ${life}`)
        opened = await world.open()
        if (opened.log.state === 'suspect') suspects++
        await model.recover(opened, `seed ${seed}, life ${life}`, true)
      }
    }
    assert.ok(suspects > 0, 'the profile is hard enough to make suspects')
  })

  it('in the middle of a vote is no damage, nor is one in the middle of mending its slot', async () => {
    let tornVotes = 0
    for (let seed = testSeed(); seed < testSeed() + 60; seed++) {
      const world = new LogWorld(seed, {}, 'byte')
      const { log } = await world.create()
      await settle()
      for (let term = 2; term < 5 + (seed % 2); term++) {
        log.append({ hardState: { term, votedFor: 2, commitSeq: 0 } })
        log.flushSync()
      }
      const term = log.hardState.term + 1
      log.append({ hardState: { term, votedFor: 3, commitSeq: 0 } })
      world.disk.crashAt(4, 'before') // frame, sync, slot: the sync of the slot
      assert.throws(() => log.flushSync())
      await settle()
      tornVotes += await requireUndamaged(world, `seed ${seed}`)
      for (let call = 1; call < 7; call++) {
        world.disk.crashAt(call, 'after')
        await world.open().catch((error: unknown) => assert.ok(isCrash(error)))
        world.disk.crash('power')
        await settle()
        await requireUndamaged(world, `seed ${seed}, opened again until call ${call}`)
      }
      world.disk.cancelCrash()
      const again = await world.open()
      assert.deepEqual([again.recovered.hardState.term, again.recovered.hardState.votedFor], [term, 3])
      again.log.append({ entries: batch(1, 1, 1) })
      again.log.flushSync()
      await again.log.close()
      assert.equal(await requireUndamaged(world, `seed ${seed}, at the end`), 0, 'slots and frames agree again')
    }
    assert.ok(tornVotes > 0, 'the disk was hard enough to tear a vote')
  })

  it('leaves a log that was only written (durability os) at some whole frame; the end of the process alone leaves all', async () => {
    for (const kind of ['power', 'process'] as const) {
      for (let seed = testSeed(); seed < testSeed() + 20; seed++) {
        const world = new LogWorld(seed)
        const model = new LogModel(HARD_STATE)
        const { log, synced } = await world.create()
        for (let seq = 1; seq <= 30; seq++) {
          await settle()
          log.append({ entries: batch(seq, 1, 1, 700) })
          log.write()
          model.push({ entries: [...model.newest.entries, entry(seq, 1, 700)], hardState: HARD_STATE })
        }
        assert.deepEqual(synced, [])
        if (kind === 'process') model.acknowledgeAll()
        world.disk.crash(kind)
        await model.recover(await world.open(), `seed ${seed}, ${kind}`)
      }
    }
  })

  it('at every disk call of beginning anew after an install leaves the old log or the new one, and the hard state', async () => {
    const point = { seq: 500, term: 2, chain: 77 }
    for (let call = 1; call < 14; call++) {
      const world = new LogWorld(testSeed() + call)
      const { log } = await world.create()
      await settle()
      log.append({ hardState: { term: 3, votedFor: 1, commitSeq: 0 }, entries: batch(1, 4, 1) })
      log.flushSync()
      world.disk.crashAt(call, call % 2 === 0 ? 'before' : 'after')
      await log.voidAfterInstall(point).catch(() => undefined)
      world.disk.crash('power')
      await settle()
      const { log: again, recovered } = await world.open()
      assert.equal(again.state, 'open')
      assert.deepEqual([recovered.hardState.term, recovered.hardState.votedFor], [3, 1])
      assert.ok(again.lastSeq === 4 || again.lastSeq === 500)
      await again.voidAfterInstall(point)
      again.append({ entries: batch(501, 1, 3) })
      again.flushSync()
      world.disk.crash('power')
      const last = await world.open()
      assert.deepEqual([last.recovered.base, last.recovered.lastSeq], [point, 501])
    }
  })

  it('at every disk call of a creation leaves a directory in which the log can be created', async () => {
    for (let call = 1; call < 40; call++) {
      const world = new LogWorld(testSeed() + call)
      world.disk.crashAt(call, 'before')
      const created = await world.create().catch((error: unknown) => {
        if (!isCrash(error)) throw error
        return undefined
      })
      if (created !== undefined) continue
      await settle()
      const again = await world.create().catch(() => world.open())
      assert.equal(again.log.lastSeq, 0)
      assert.equal(again.log.state, 'open')
    }
  })
})
