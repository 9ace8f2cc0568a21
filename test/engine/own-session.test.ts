import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine } from '../../src/engine/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import type { RequestReference } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const LONGER_THAN_A_SESSION_MS = 100_000

/** Runs `body` against an engine with a project `p`, on virtual time. */
async function withEngine(
  body: (engine: Engine, passMs: (ms: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const process = new SimulatedMachine(world, { name: 'one' }).start()
  await world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', {}, process)
      await engine.ddl({ type: 'createProject', project: 'p' })
      await body(engine, ms => world.delay(ms, process))
      await engine.close()
    })(),
  )
}

describe("an embedded engine's own session", () => {
  it('is replaced when it ended of idleness, and what was issued meanwhile is applied once and in order', () =>
    withEngine(async (engine, passMs) => {
      const kv = engine.kv('p')
      for (let round = 0; round < 3; round++) {
        await passMs(LONGER_THAN_A_SESSION_MS)
        const first = Array.from({ length: 5 }, () => kv.increment('n'))
        await Promise.resolve() // a turn later: some of the next are refused by the old session, some wait for the new one
        const more: Promise<bigint>[] = []
        const late = first[0]!.then(() => kv.increment('n'))
        for (let i = 0; i < 5; i++) more.push(kv.increment('n'))
        const base = BigInt(round * 11)
        assert.deepEqual(
          await Promise.all([...first, ...more]),
          Array.from({ length: 10 }, (_, i) => base + BigInt(i + 1)),
        )
        assert.equal(await late, base + 11n)
      }
    }))

  it('answers for a wait that was given up as long as it lives', () =>
    withEngine(async (engine, passMs) => {
      const kv = engine.kv('p')
      const gone = new AbortController()
      const write = kv.set('k', utf8Bytes('1'), { signal: gone.signal })
      gone.abort()
      const error = await write.then(
        () => assert.fail('was not given up'),
        (reason: unknown) => reason as QuorateError,
      )
      assert.equal(error.applied, 'unknown')
      const reference = error.reference as RequestReference
      await kv.set('other', utf8Bytes('2'))
      assert.ok((await engine.outcome(reference)) !== undefined)
      await passMs(LONGER_THAN_A_SESSION_MS)
      await kv.set('other', utf8Bytes('3'))
      assert.equal(await engine.outcome(reference), undefined)
    }))

  it('loses nobody when the database closes while a new one is being opened', () =>
    withEngine(async (engine, passMs) => {
      await passMs(LONGER_THAN_A_SESSION_MS)
      const write = engine
        .kv('p')
        .set('k', utf8Bytes('1'))
        .then(
          () => 'set',
          (error: unknown) => (error as QuorateError).code,
        )
      await engine.close()
      const result = await write
      assert.ok(result === 'set' || result === 'closed', result)
    }))
})
