import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LogModel, isCrash, live, openThroughCrashes } from './crash-model.ts'
import { LogWorld, settle, testSeed } from './log-world.ts'

const HARD_STATE = { term: 1, votedFor: 0, commitSeq: 0 }

/** One life that ends with a power loss at disk call `call`, and the recovery from it. False if the life was shorter. */
async function crashOnce(seed: number, call: number, moment: 'before' | 'after'): Promise<boolean> {
  const note = `seed ${seed}, crash ${moment} call ${call}`
  const world = new LogWorld(seed, { tailCacheBytes: 2000 })
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

describe('a power loss', () => {
  for (const seed of [testSeed(), testSeed() + 1, testSeed() + 2]) {
    it(`at every single disk call loses nothing acknowledged and leaves no other trace (seed ${seed})`, async () => {
      let call = 1
      while ((await crashOnce(seed, call, 'before')) && (await crashOnce(seed + 100_000, call, 'after'))) call++
      assert.ok(call > 50, `only ${call} disk calls`)
    })
  }

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
