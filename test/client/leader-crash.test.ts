import assert from 'node:assert/strict'
import { it } from 'node:test'
import { integerCodec } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { RealCluster } from './real-cluster.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const WRITERS = 4
const CRASHES = 2

it(`increments through crashes of the leader are applied once each, and a watch sees every one (seed ${seed})`, async () => {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const cluster = new RealCluster(world)
  const gaps: number[] = []
  const run = async (): Promise<void> => {
    await cluster.open()
    const client = await cluster.connect()
    await client.ddl({ type: 'createProject', project: 'p' })
    const counter = client.kv('p', { value: integerCodec(64) })
    const { token } = await client.kv('p').set('start', new Uint8Array(8))

    const watched: bigint[] = []
    const controller = new AbortController()
    const watching = (async () => {
      const events = client.watch({ project: 'p' }, { from: token, signal: controller.signal })
      for await (const event of events) {
        if (event.type === 'commit') watched.push(integerCodec(64).decode(event.changes[0]!.value!))
      }
    })()

    const state = { isStopped: false, answeredAtMs: world.nowMs, worstMs: 0 }
    const answers: bigint[] = []
    const writing = Array.from({ length: WRITERS }, async () => {
      while (!state.isStopped) {
        answers.push(await counter.increment('n', 1))
        state.worstMs = Math.max(state.worstMs, world.nowMs - state.answeredAtMs)
        state.answeredAtMs = world.nowMs
        await world.delay(20)
      }
    })
    for (let crash = 0; crash < CRASHES; crash++) {
      await world.delay(500)
      const { leader } = cluster.trio
      assert.ok(leader !== undefined)
      state.worstMs = 0
      cluster.kill(leader)
      await world.delay(1_500)
      gaps.push(state.worstMs)
      await cluster.openNode(leader)
      await world.delay(500)
    }
    state.isStopped = true
    await Promise.all(writing)

    const count = answers.length
    assert.equal(await counter.get('n'), BigInt(count))
    assert.equal(new Set(answers).size, count, 'no answer is given twice')
    await world.delay(500)
    controller.abort()
    await watching
    assert.deepEqual(
      watched,
      Array.from({ length: count }, (_, i) => BigInt(i + 1)),
    )
    await client.close()
    await cluster.close()
  }
  await world.runToCompletion(run())
  console.log(`gaps between acknowledged writes, ms: ${gaps.map(Math.round).join(', ')}`)
  // Elections begin 300-600 ms after the last heartbeat; what the client adds is small.
  assert.ok(
    gaps.every(gapMs => gapMs > 100 && gapMs < 1_500),
    gaps.join(),
  )
})
