import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine } from '../../src/engine/index.ts'
import { checkDataDirectory } from '../../src/node/index.ts'
import type { DataRegion } from '../../src/node/index.ts'
import { ENGINE_OPTIONS as OPTIONS, EngineMachine } from './engine-machine.ts'

const SUPERBLOCK_SPACING = 32_768
const seed = Number(process.env['QUORATE_SEED'] ?? 5)

/** Three checkpoints, so that both superblocks are written again. */
async function work(engine: Engine, acknowledged: Map<string, string>): Promise<void> {
  await engine.ddl({ type: 'createProject', project: 'p', ifNotExists: true })
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 3; i++) {
      const value = `${round}.${acknowledged.size}`
      await engine.kv('p').set(`k${i}`, utf8Bytes(value))
      acknowledged.set(`k${i}`, value)
    }
    await engine.checkpoint()
  }
}

async function requireAcknowledged(engine: Engine, acknowledged: ReadonlyMap<string, string>): Promise<void> {
  for (const [key, value] of acknowledged) {
    const found = new TextDecoder().decode(await engine.kv('p').get(key))
    assert.ok(found >= value, `${key} is ${found} after ${value} was acknowledged`)
  }
}

/** The power goes at disk call `call`; what is found then, and undefined if there were fewer calls. */
async function crashAt(
  ownSeed: number,
  call: number,
  moment: 'before' | 'after',
  wasClosed = false,
): Promise<readonly DataRegion[] | undefined> {
  const torn = new EngineMachine(ownSeed)
  const acknowledged = new Map<string, string>()
  const first = torn.machine.start()
  if (wasClosed) await torn.run(openEngine('/data', OPTIONS, first).then(engine => engine.close()))
  torn.machine.disk.crashAt(call, moment)
  const life = openEngine('/data', OPTIONS, first).then(async engine => {
    await work(engine, acknowledged)
    await engine.close()
    return true
  })
  if ((await torn.run(life)) === true) return undefined
  const second = torn.machine.start()
  const check = await torn.run(
    (async () => {
      const check =
        (await second.files.size('/data/identity.json')) === undefined
          ? undefined
          : await checkDataDirectory(second.files, '/data')
      const engine = await openEngine('/data', OPTIONS, second)
      await requireAcknowledged(engine, acknowledged)
      await work(engine, acknowledged)
      await engine.close()
      return check
    })(),
  )
  assert.notEqual(check?.verdict, 'damaged', `power lost ${moment} call ${call}: ${JSON.stringify(check?.damage)}`)
  const last = await torn.run(checkDataDirectory(torn.machine.process!.files, '/data'))
  assert.deepEqual([last?.verdict, last?.damage], ['clean', []])
  return check?.regions ?? []
}

/** The disk calls of a life at which a superblock is synced: every second sync of the page file, the other ones are of pages. */
async function superblockSyncs(ownSeed: number): Promise<number[]> {
  const torn = new EngineMachine(ownSeed)
  const calls: number[] = []
  const note = (path: string): boolean => {
    if (path.endsWith('/pages/data')) calls.push(torn.machine.disk.callCount)
    return false
  }
  torn.machine.disk.inject({ operation: 'sync', path: note, effect: { type: 'fail', systemCode: 'EIO' } })
  await torn.run(openEngine('/data', OPTIONS, torn.machine.start()).then(engine => work(engine, new Map())))
  return calls.filter((_, i) => i % 2 === 1)
}

describe(`a superblock that a loss of power tears (seed ${seed})`, () => {
  it('is no damage: the other one counts, and the log goes on from there', async () => {
    const torn = new Set<number>()
    for (let ownSeed = seed; ownSeed < seed + 6 || torn.size < 2; ownSeed++) {
      assert.ok(ownSeed < seed + 300, 'the disk is hard enough to tear both')
      for (const call of await superblockSyncs(ownSeed)) {
        const regions = await crashAt(ownSeed, call, 'before')
        for (const { kind, state, offset } of regions ?? []) {
          if (kind === 'superblock' && state === 'torn') torn.add(offset)
        }
      }
    }
    assert.deepEqual(
      [...torn].toSorted((a, b) => a - b),
      [0, SUPERBLOCK_SPACING],
    )
  })

  it('nor is anything else damage, whichever disk call the power goes at', async () => {
    let call = 1
    while ((await crashAt(seed + call, call, call % 2 === 0 ? 'before' : 'after')) !== undefined) call += 3
    assert.ok(call > 60, `only ${call} disk calls`)
  })

  it('whichever disk call it goes at in a directory that was closed in order before', async () => {
    let call = 1
    while ((await crashAt(seed + call, call, call % 2 === 0 ? 'before' : 'after', true)) !== undefined) {
      // The record of the close is done away with in the first calls, and a new one is made in the last.
      call += call < 40 ? 1 : 3
    }
    assert.ok(call > 60, `only ${call} disk calls`)
  })

  it('is no damage behind an end of the log that nobody can decide, whichever disk call of the next start the power goes at', async () => {
    let call = 0
    for (let isOver = false; !isOver;) {
      const torn = new EngineMachine(seed)
      const { disk } = torn.machine
      await torn.run(openEngine('/data', OPTIONS, torn.machine.start()).then(engine => work(engine, new Map())))
      disk.crash('process')
      // The last frame announces the newest superblock.
      const found = await torn.run(checkDataDirectory(torn.machine.start().files, '/data'))
      const { file, offset } = found!.regions.findLast(({ kind }) => kind === 'frame')!
      disk.flipBit(file, offset + 60, 3)
      torn.machine.crash('process')
      disk.crashAt(++call, call % 2 === 0 ? 'before' : 'after')
      const opened = await torn.run(openEngine('/data', OPTIONS, torn.machine.start()).then(() => true))
      isOver = opened === true
      if (isOver) torn.machine.crash('process')
      const { files } = torn.machine.start()
      const check = await torn.run(checkDataDirectory(files, '/data'))
      assert.notEqual(check?.verdict, 'damaged', `call ${call}: ${JSON.stringify(check?.damage)}`)
      const again = await torn.run(openEngine('/data', OPTIONS, torn.machine.process!))
      await torn.run(again!.close())
    }
    assert.ok(call > 10, `only ${call} disk calls`)
  })

  it('stays no damage while the log says that it was under way, also after a close in order', async () => {
    const torn = new EngineMachine(seed)
    const { disk } = torn.machine
    await torn.run(openEngine('/data', OPTIONS, torn.machine.start()).then(engine => work(engine, new Map())))
    torn.machine.crash('process')
    const found = await torn.run(checkDataDirectory(torn.machine.start().files, '/data'))
    const superblocks = found!.regions.filter(({ kind }) => kind === 'superblock')
    const newest = superblocks.toSorted((a, b) => b.seqs![0] - a.seqs![0])[0]!
    disk.flipBit(newest.file, newest.offset + 100, 3)
    const verdict = async (): Promise<string | undefined> =>
      (await torn.run(checkDataDirectory(torn.machine.process!.files, '/data')))?.verdict
    assert.equal(await verdict(), 'torn')
    for (let life = 0; life < 2; life++) {
      await torn.run(openEngine('/data', OPTIONS, torn.machine.process!).then(engine => engine.close()))
      assert.equal(await verdict(), 'torn')
    }
  })

  it('is damage when the one that stood there before is put back', async () => {
    const torn = new EngineMachine(seed)
    const { disk } = torn.machine
    const process = torn.machine.start()
    const saved: Uint8Array[] = []
    await torn.run(
      openEngine('/data', OPTIONS, process).then(async engine => {
        await work(engine, new Map())
        for (let i = 0; i < 3; i++) {
          await engine.kv('p').set('k', Uint8Array.of(i))
          await engine.checkpoint()
          saved.push(disk.contents('/data/pages/data').slice(SUPERBLOCK_SPACING, 2 * SUPERBLOCK_SPACING))
        }
        await engine.kv('p').set('k', Uint8Array.of(9))
      }),
    )
    disk.crash('process')
    assert.notDeepEqual(saved[2], saved[0], 'the third checkpoint has taken the place of the first')
    const again = torn.machine.start()
    const file = await torn.run(again.files.open('/data/pages/data', 'readWrite'))
    file!.writeSync(saved[0]!, SUPERBLOCK_SPACING)
    file!.syncSync()
    const check = await torn.run(checkDataDirectory(again.files, '/data'))
    assert.deepEqual(
      check?.damage.map(({ kind, offset }) => ({ kind, offset })),
      [{ kind: 'superblock', offset: SUPERBLOCK_SPACING }],
    )
  })

  it('is damage when nobody was writing it: a node that was killed has said so in its log', async () => {
    for (const slot of [0, 1]) {
      const torn = new EngineMachine(seed)
      const process = torn.machine.start()
      await torn.run(openEngine('/data', OPTIONS, process).then(engine => work(engine, new Map())))
      // The mark of an idle log confirms the last checkpoint.
      for (let i = 0; i < 3; i++) await torn.world.step(torn.world.nowMs + 200)
      torn.machine.disk.crash('process')
      torn.machine.disk.flipBit('/data/pages/data', slot * SUPERBLOCK_SPACING + 100, 3)
      const again = torn.machine.start()
      const check = await torn.run(checkDataDirectory(again.files, '/data'))
      assert.deepEqual(
        check?.damage.map(({ kind, offset }) => ({ kind, offset })),
        [{ kind: 'superblock', offset: slot * SUPERBLOCK_SPACING }],
      )
      await assert.rejects(async () => torn.run(openEngine('/data', OPTIONS, again)), {
        code: 'damaged',
        detail: { file: '/data/pages/data', offset: slot * SUPERBLOCK_SPACING },
      })
    }
  })
})
