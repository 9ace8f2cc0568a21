import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { formatToken, parseToken } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const THRESHOLD = 600
const OPTIONS: EngineOptions = { pageBytes: 4096, budgetBytes: 32 << 20, inlineThresholdBytes: THRESHOLD }

/** Around every way in which a value is kept: short, in a page, just in a page, in a run of pages of its own, in many. */
const SIZES = [0, 33, THRESHOLD - 1, THRESHOLD, THRESHOLD + 1, 4_095, 4_096, 4_097, 1_500_000, 33]

function valueOf(size: number, salt: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(size, `${salt}, ${size} bytes, `))
}

/** What `setMany` is given: the sizes in turn, each under a key of its own. */
function entriesOf(salt: number): [string, Uint8Array][] {
  return SIZES.map((size, i) => [`k${i}`, valueOf(size, salt + i)])
}

async function assertValues(engine: Engine, salt: number, token?: string): Promise<void> {
  const kv = engine.kv('p')
  const options = token === undefined ? {} : { consistency: { atSeq: token } }
  const expected = entriesOf(salt)
  for (const [key, value] of expected) {
    const found = await kv.get(key, options)
    assert.ok(found !== undefined && Buffer.compare(found, value) === 0, `${key} of ${value.length} bytes`)
  }
  const scanned: string[] = []
  for await (const { key, value } of kv.scan(options)) scanned.push(`${key} ${value.length}`)
  assert.deepEqual(
    scanned,
    expected.map(([key, value]) => `${key} ${value.length}`),
  )
}

describe(`one setMany with values of all sizes (seed ${seed})`, () => {
  it('gives each back as it was: at once, at its seq, after a checkpoint, and after the power was lost', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const open = (): Promise<Engine> => openEngine('/data', OPTIONS, machine.process ?? machine.start())
    let token = ''
    await world.runToCompletion(
      (async () => {
        const engine = await open()
        await engine.ddl({ type: 'createProject', project: 'p' })
        const kv = engine.kv('p')
        const first = await kv.setMany(entriesOf(1))
        await assertValues(engine, 1)
        const second = await kv.setMany(entriesOf(2))
        assert.equal(parseToken(second.token).seq, second.seq)
        await assertValues(engine, 2)
        await assertValues(engine, 1, first.token)
        await engine.checkpoint()
        await assertValues(engine, 2)
        // The same sizes in another order: each value crosses the threshold in both directions.
        const turned = SIZES.map((_, i): [string, Uint8Array] => [`k${i}`, valueOf(SIZES[SIZES.length - 1 - i]!, i)])
        await kv.setMany(turned)
        for (const [key, value] of turned) assert.equal(Buffer.compare((await kv.get(key))!, value), 0, key)
        ;({ token } = await kv.setMany(entriesOf(3)))
      })(),
    )
    machine.crash('power')
    await world.runToCompletion(
      (async () => {
        const engine = await open()
        await assertValues(engine, 3)
        const { historyId } = parseToken((await engine.view()).token)
        await assertValues(engine, 3, formatToken(historyId, parseToken(token).seq))
        await engine.close()
      })(),
    )
  })
})
