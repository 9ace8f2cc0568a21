import assert from 'node:assert/strict'
import { it } from 'node:test'
import { QuorateError } from '../../src/model/index.ts'
import { set } from './calls.ts'
import { FakeCluster } from './fake-cluster.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const ROUNDS = 30
const WRITES = 150

interface Ended {
  key: string
  applied: 'yes' | 'no' | 'unknown'
}

/** Nodes die, lose answers, refuse as busy, ask to go, and the leader changes, while a client writes. */
async function round(roundSeed: number): Promise<void> {
  const cluster = new FakeCluster(roundSeed)
  const { world } = cluster
  const { random } = world
  let isFaulty = true
  for (const node of cluster.nodes) {
    node.rule = (message, link) => {
      if (message.type !== 'commit' || !isFaulty || random.float() > 0.1) return 'pass'
      const { requestId } = message
      const applied = message.copy === 0 ? 'no' : 'unknown'
      switch (random.below(4)) {
        case 0:
          return [{ type: 'error', requestId, error: new QuorateError('busy', 'later', { retryable: true, applied }) }]
        case 1:
          cluster.apply(link.session, message)
          link.close()
          return 'ignore'
        case 2:
          link.close()
          return 'ignore'
        default: {
          cluster.apply(link.session, message)
          const error = new QuorateError('not_leader', 'gone', { retryable: true, applied: 'unknown' })
          return [{ type: 'error', requestId, error }]
        }
      }
    }
  }
  const client = await cluster.connect({ pingBusyMs: 200 })
  const ended: Ended[] = []
  const writing = Array.from({ length: WRITES }, async (_, i) => {
    const key = `k${i + 1}`
    await world.delay(random.below(3_000))
    await set(client, key, { timeoutMs: random.below(10) === 0 ? 1 + random.below(100) : 60_000 }).then(
      () => ended.push({ key, applied: 'yes' }),
      (error: unknown) => {
        assert.ok(error instanceof QuorateError && error.code === 'timeout', String(error))
        ended.push({ key, applied: error.applied })
      },
    )
  })
  for (let fault = 0; fault < 12; fault++) {
    await world.runFor(random.below(300))
    const node = cluster.node(1 + random.below(3))
    if (random.below(2) === 0 && cluster.nodes.every(({ process }) => process?.state === 'running')) {
      node.kill()
      world.schedule(random.below(800), () => node.start())
    } else cluster.elect(1 + random.below(3))
  }
  await world.runFor(1_000)
  isFaulty = false
  await world.runToCompletion(Promise.all(writing))
  const count = new Map<string, number>()
  for (const key of cluster.applied) count.set(key, (count.get(key) ?? 0) + 1)
  for (const { key, applied } of ended) {
    const times = count.get(key) ?? 0
    assert.ok(times <= 1, `${key} was applied ${times} times`)
    if (applied === 'yes') assert.equal(times, 1, `${key} was acknowledged and is not there`)
    if (applied === 'no') assert.equal(times, 0, `${key} was denied and is there`)
  }
  assert.equal(cluster.sessions.size, 1, 'one session is enough')
  await world.runToCompletion(client.close())
}

it(`every write is applied once or not at all, and its caller is told rightly (seeds ${seed} to ${seed + ROUNDS - 1})`, async () => {
  for (let i = 0; i < ROUNDS; i++) {
    await round(seed + i).catch((cause: unknown) => {
      throw new Error(`seed ${seed + i}: ${String(cause)}`, { cause })
    })
  }
})
