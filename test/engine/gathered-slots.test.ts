import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeTick, EntryKind } from '../../src/encoding/index.ts'
import type { Mutation } from '../../src/encoding/index.ts'
import { checkpointOf } from './dump.ts'
import { at, Harness, request, SECOND, set } from './harness.ts'
import type { HarnessOptions } from './harness.ts'

const BATCHES = [1, 5, 64, 1_000]
const add: Mutation = { type: 'kvIncrement', ...at('n'), by: 1n, width: 64 }
const refused: Mutation = { type: 'kvIncrement', ...at('none'), by: 1n, width: 64, onMissing: 'reject' }

interface Fed {
  harness: Harness
  /** The sessions that are still open. */
  sessions: number[]
}

/**
 * Sessions that take turns in one log. The first uses slot after slot and acknowledges late, the second jumps back and forth in its chunks and
 * sends copies, the third acknowledges at once, so that a chunk is forgotten while slots of it wait.
 */
async function feed(entriesMax: number, options: HarnessOptions): Promise<Fed> {
  const harness = await Harness.withProject(options)
  const { session: steady } = await harness.openSession({ kind: 'node' })
  const { session: jumping } = await harness.openSession()
  const { session: prompt } = await harness.openSession()
  for (let i = 1; i <= 400; i++) {
    const value = `${i}`.repeat(200)
    use(harness, [set(`key ${(i * 37) % 200}`, value)], session(steady, i, Math.max(0, i - 40)))
    if (i % 3 === 0) use(harness, i % 2 === 0 ? [add] : [refused], session(jumping, 1 + ((i * 29) % 90)))
    if (i % 50 !== 0) continue
    for (let j = 1; j <= 40; j++) use(harness, [add], session(prompt, (i / 50) * 40 + j, (i / 50) * 40 + j - 1))
    for (let j = 90; j > 60; j--) use(harness, [], session(jumping, j + i))
    await harness.applyAll(entriesMax)
    await harness.checkpoint()
  }
  return { harness, sessions: [steady, jumping, prompt] }
}

function use(harness: Harness, mutations: Mutation[], parts: Parameters<typeof request>[1]): void {
  harness.append(EntryKind.transaction, request({ mutations }, parts))
}

function session(id: number, serial: number, acknowledgedThrough = 0): Parameters<typeof request>[1] {
  return { session: id, serial, acknowledgedThrough }
}

/** What the records say, in hexadecimal digits. */
function recorded({ harness, sessions }: Fed): (string | undefined)[] {
  return sessions.flatMap(id =>
    Array.from({ length: 500 }, (_, i) => {
      const read = harness.read({ type: 'outcome', session: id, serial: i + 1 })
      assert.equal(read.type, 'outcome')
      return read.type === 'outcome' && read.outcome ? Buffer.from(read.outcome).toString('hex') : undefined
    }),
  )
}

/** S as the records themselves give it. The state machine is closed. */
async function scrubbed(harness: Harness): Promise<unknown> {
  const keyspace = await checkpointOf(harness)
  const { digestS, isEqual } = await keyspace.scrub()
  await keyspace.close()
  assert.equal(isEqual, true)
  return digestS
}

describe('session slots that are written together', () => {
  it('give the same S at every seq, and the same records, whatever the batches were', async () => {
    const seen: unknown[] = []
    for (const entriesMax of BATCHES) {
      const fed = await feed(entriesMax, { digestInterval: 7 })
      const { digest, digests } = fed.harness.core
      seen.push({ digest, digests: digests.map(one => ({ ...one })), outcomes: recorded(fed) })
      assert.deepEqual(await scrubbed(fed.harness), digest.sum)
    }
    for (const other of seen.slice(1)) assert.deepEqual(other, seen[0])
  })

  it('are in place when a batch ends early at a page that has to be read', async () => {
    const large = await feed(1_000, {})
    const small = await feed(1_000, { pageBytes: 4096, budgetBytes: 40_960 })
    assert.ok(small.harness.core.keyspaceStats.loadedPages > 0)
    assert.deepEqual(small.harness.core.digest, large.harness.core.digest)
    assert.deepEqual(recorded(small), recorded(large))
  })

  it('have the page of their chunk read first if it has left memory', async () => {
    const harness = await Harness.withProject({ pageBytes: 4096, budgetBytes: 40_960 })
    const { session: rare } = await harness.openSession()
    for (const serial of [1, 2]) use(harness, [], session(rare, serial))
    await harness.applyAll()
    for (let i = 0; i < 400; i++) {
      use(harness, [set(`key ${i % 200}`, `${i}`.repeat(200))], session(0, 0))
      await harness.applyAll()
      if (i % 20 === 0) await harness.checkpoint()
    }
    const { loadedPages } = harness.core.keyspaceStats
    use(harness, [], session(rare, 3))
    await harness.applyAll()
    assert.ok(harness.core.keyspaceStats.loadedPages > loadedPages, 'the page was in memory')
    const read = harness.read({ type: 'outcome', session: rare, serial: 3 })
    assert.ok(read.type === 'outcome' && read.outcome !== undefined)
  })

  it('go with their session when that ends in the same batch', async () => {
    const digests: string[] = []
    for (const entriesMax of BATCHES) {
      const harness = await Harness.withProject()
      const { session: ending } = await harness.openSession()
      for (const serial of [1, 2, 3]) use(harness, [add], session(ending, serial))
      harness.timeMicros += 100 * SECOND
      harness.append(EntryKind.tick, encodeTick(100))
      await harness.applyAll(entriesMax)
      assert.equal(await harness.refusal({ mutations: [] }, session(ending, 4)), 'session_ended')
      digests.push(harness.digest())
      const { sum } = harness.core.digest
      assert.deepEqual(await scrubbed(harness), sum)
    }
    assert.equal(new Set(digests).size, 1)
  })

  it('are read where they wait, also after so many other chunks that the copy of theirs was given up', async () => {
    const harness = await Harness.withProject()
    const { session: wide } = await harness.openSession({ kind: 'node' })
    for (const serial of [1, 2]) use(harness, [add], session(wide, serial))
    for (let chunk = 1; chunk <= 80; chunk++) use(harness, [], session(wide, chunk * 32))
    use(harness, [add], session(wide, 2))
    const outcomes = await harness.applyAll(1_000)
    assert.deepEqual(
      outcomes.filter(({ isDuplicate }) => isDuplicate).map(({ serial }) => serial),
      [2],
    )
  })
})
