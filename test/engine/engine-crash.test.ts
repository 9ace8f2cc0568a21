import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedCrash, SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { SMALL } from './small.ts'

const WRITES = 60
const text = new TextDecoder()

/** What the workload was told: the value of each key whose write was acknowledged, and those still in doubt. */
interface Told {
  acknowledged: Map<string, string>
  inDoubt: Map<string, string>
  increments: { acknowledged: number; tried: number }
}

class Crashes {
  readonly world: SimulatedWorld
  readonly machine: SimulatedMachine

  constructor(seed: number) {
    this.world = new SimulatedWorld({ seed, drainMicrotasks })
    this.machine = new SimulatedMachine(this.world, { name: 'one' })
  }

  /** Runs `task` on virtual time until it ends or the machine dies. */
  async until<T>(task: Promise<T>): Promise<{ value: T } | undefined> {
    const run: { ended?: { value: T }; failure?: Error; isOver: boolean } = { isOver: false }
    task.then(
      value => {
        run.ended = { value }
        run.isOver = true
      },
      (error: unknown) => {
        run.failure = error instanceof Error ? error : new Error(String(error))
        run.isOver = true
      },
    )
    for (let idle = 0; !run.isOver && this.machine.process !== undefined && idle < 3;) {
      if (await this.world.step(this.world.nowMs + 10_000)) idle = 0
      else idle++
    }
    assert.ok(run.isOver || this.machine.process === undefined, 'nothing is left to happen, and it has not ended')
    if (run.failure !== undefined && !isCrash(run.failure)) throw run.failure
    return run.ended
  }
}

function isCrash(error: unknown): boolean {
  if (error instanceof SimulatedCrash) return true
  return error instanceof Error && error.cause !== undefined && isCrash(error.cause)
}

async function work(engine: Engine, round: number, told: Told): Promise<void> {
  if (round === 0) await engine.ddl({ type: 'createProject', project: 'p', ifNotExists: true })
  const kv = engine.kv('p')
  const pending: Promise<void>[] = []
  for (let i = 0; i < WRITES; i++) {
    const key = `k${(i * 7) % 23}`
    const value = `${round}.${i}.${'x'.repeat((i * 37) % 900)}`
    told.inDoubt.set(key, value)
    const write = kv.set(key, utf8Bytes(value)).then(() => {
      told.acknowledged.set(key, value)
      if (told.inDoubt.get(key) === value) told.inDoubt.delete(key)
    })
    told.increments.tried++
    const counted = kv.increment('counter').then(() => void told.increments.acknowledged++)
    for (const one of [write, counted]) {
      one.then(undefined, () => undefined) // a crash rejects it before it is waited for
      pending.push(one)
    }
    if (i % 5 === 4) await Promise.all(pending.splice(0))
    if (i === 30) await engine.checkpoint()
  }
  await Promise.all(pending)
}

async function verify(engine: Engine, told: Told): Promise<void> {
  let kv
  try {
    await engine.kv('p').get('x')
    kv = engine.kv('p')
  } catch (error) {
    assert.ok(error instanceof QuorateError && error.code === 'project_not_found')
    assert.equal(told.acknowledged.size, 0, 'the project is gone, but writes to it were acknowledged')
    return
  }
  for (const [key, value] of told.acknowledged) {
    const bytes = await kv.get(key)
    const found = bytes === undefined ? undefined : text.decode(bytes)
    const allowed = [value, told.inDoubt.get(key)]
    assert.ok(allowed.includes(found), `${key}: found ${found?.slice(0, 20)}, told ${value.slice(0, 20)}`)
  }
  const stored = await kv.get('counter')
  const count = stored === undefined ? 0 : Number(Buffer.from(stored).readBigUInt64BE())
  const { acknowledged, tried } = told.increments
  assert.ok(count >= acknowledged && count <= tried, `counter ${count}, acknowledged ${acknowledged}, tried ${tried}`)
  told.increments = { acknowledged: count, tried: count }
  for (const [key, value] of told.inDoubt) {
    const bytes = await kv.get(key)
    if (bytes !== undefined && text.decode(bytes) === value) told.acknowledged.set(key, value)
  }
  told.inDoubt.clear()
}

/** Crashes at the given disk call of a run, reopens, verifies, works on and verifies again. False if the run had fewer calls. */
async function crashOnce(seed: number, call: number, moment: 'before' | 'after'): Promise<boolean> {
  const crashes = new Crashes(seed)
  const told: Told = { acknowledged: new Map(), inDoubt: new Map(), increments: { acknowledged: 0, tried: 0 } }
  const first = crashes.machine.start()
  crashes.machine.disk.crashAt(call, moment)
  const run = async (): Promise<void> => {
    const engine = await openEngine('/data', SMALL, first)
    await work(engine, 0, told)
    await engine.close()
  }
  const finished = await crashes.until(run())
  crashes.machine.disk.cancelCrash()
  if (finished !== undefined) return false
  const again = crashes.machine.start()
  const reopened = await crashes.until(
    (async () => {
      const engine = await openEngine('/data', SMALL, again)
      await verify(engine, told)
      await work(engine, 0, told)
      await verify(engine, told)
      await engine.close()
      return true
    })(),
  )
  assert.ok(reopened, 'the second run did not end')
  return true
}

/** Crashes at the given disk call of a run with durability `batch`, whose syncs go on beside the commits. False if the run had fewer. */
async function crashBatch(seed: number, call: number, moment: 'before' | 'after'): Promise<boolean> {
  const crashes = new Crashes(seed)
  const options: EngineOptions = { ...SMALL, durability: 'batch', batchIntervalMs: 0.2, batchBytes: 4_000 }
  const acknowledged: { seq: number; key: string }[] = []
  let durableSeq = 0
  const first = crashes.machine.start()
  crashes.machine.disk.crashAt(call, moment)
  const run = async (): Promise<void> => {
    const engine = await openEngine('/data', options, first)
    await engine.ddl({ type: 'createProject', project: 'p', ifNotExists: true })
    for (let i = 0; i < 80; i++) {
      const { seq } = await engine.kv('p').set(`k${i}`, new Uint8Array((i * 37) % 900))
      acknowledged.push({ seq, key: `k${i}` })
      if (i % 3 === 0) await new Promise<void>(resolve => void first.timers.after(0.1, resolve))
      if (i === 50) await engine.checkpoint()
      durableSeq = engine.currentHead.durableSeq
    }
    await engine.close()
  }
  const finished = await crashes.until(run())
  crashes.machine.disk.cancelCrash()
  if (finished !== undefined) return false
  const again = crashes.machine.start()
  const reopened = await crashes.until(
    (async () => {
      const engine = await openEngine('/data', options, again)
      for (const { seq, key } of acknowledged) {
        if (seq > durableSeq) break
        assert.ok(
          (await engine.kv('p').get(key)) !== undefined,
          `${key} of seq ${seq} was durable through ${durableSeq}`,
        )
      }
      await engine.close()
      return true
    })(),
  )
  assert.ok(reopened, 'the second run did not end')
  return true
}

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

describe(`the engine and crashes (seed ${seed})`, () => {
  it('loses nothing acknowledged and doubles nothing, whichever disk call the power goes at', async () => {
    let call = 1
    for (; await crashOnce(seed, call, call % 2 === 0 ? 'before' : 'after'); call += call < 60 ? 1 : 5);
    assert.ok(call > 100, `only ${call} disk calls were reached`)
  })

  it('loses nothing with durability batch that was called durable', async () => {
    let call = 1
    for (; await crashBatch(seed, call, call % 2 === 0 ? 'before' : 'after'); call += call < 40 ? 1 : 7);
    assert.ok(call > 100, `only ${call} disk calls were reached`)
  })
})
