import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openQueue, type ClaimedTask, type Queue } from '../../../src/model/index.ts'
import { bytes, collect, failure, open, text, type Opened } from '../facade-support.ts'

interface Job {
  n: number
}

async function openJobs(): Promise<Opened & { queue: Queue<Job> }> {
  const opened = await open()
  return { ...opened, queue: await openQueue<Job>(opened.database, { project: 'shop', name: 'jobs' }) }
}

async function claimOne(queue: Queue<Job>, owner = 'w', leaseMs = 1_000): Promise<ClaimedTask<Job>> {
  const [task] = await queue.claim(owner, leaseMs)
  assert.ok(task !== undefined)
  return task
}

describe('a queue', () => {
  it('serves tasks by priority, then in the order of their coming, each to one worker', async () => {
    const { database, queue } = await openJobs()
    for (const [n, priority] of [
      [1, 0],
      [2, 5],
      [3, 0],
      [4, -1],
      [5, 5],
    ] as const)
      await queue.enqueue({ n }, { priority })
    const waiting = await collect(queue.list('ready'))
    assert.deepEqual(
      waiting.map(({ payload }) => payload.n),
      [2, 5, 1, 3, 4],
    )
    const second = await openQueue<Job>(database, { project: 'shop', name: 'jobs' })
    const claims = [...(await queue.claim('a', 1_000, { count: 2 })), ...(await second.claim('b', 1_000, { count: 9 }))]
    assert.deepEqual(
      claims.map(({ payload }) => payload.n),
      [2, 5, 1, 3, 4],
    )
    assert.deepEqual(await queue.claim('c', 1_000), [])
    assert.deepEqual(await queue.counts(), { scheduled: 0, ready: 0, claimed: 5, dead: 0 })
  })

  it('ends a task once, together with what it changes', async () => {
    const { database, kv, queue } = await openJobs()
    const { id } = await queue.enqueue(
      { n: 1 },
      { mutations: [{ type: 'kvSet', project: 'shop', key: bytes('in'), value: bytes('1') }] },
    )
    assert.equal(text(await kv.get('in')), '1')
    const task = await claimOne(queue)
    assert.deepEqual([task.id, task.attempt, task.isLastAttempt], [id, 1, false])
    const mutations = [{ type: 'kvIncrement', project: 'shop', key: bytes('done'), by: 1n, width: 64 }] as const
    const ends = await Promise.all([queue.complete(task, { mutations }), queue.complete(task, { mutations })])
    assert.equal(ends.filter(Boolean).length, 1)
    assert.equal((await kv.get('done'))?.at(-1), 1)
    assert.equal(await queue.get(id), undefined)
    assert.equal(await database.table({ project: 'shop', table: 'queue_jobs' }).count(), 0)
  })

  it('gives a task to another when its lease is over, and refuses what the first one says then', async () => {
    const { core, queue } = await openJobs()
    await queue.enqueue({ n: 1 })
    const first = await claimOne(queue, 'slow', 1_000)
    core.advanceTimeMs(999)
    assert.deepEqual(await queue.claim('eager', 1_000), [])
    const kept = await queue.heartbeat(first, 1_000, { progress: { done: 3 } })
    assert.deepEqual(kept?.progress, { done: 3 })
    core.advanceTimeMs(999)
    assert.deepEqual(await queue.claim('eager', 1_000), [])
    core.advanceTimeMs(1)
    const second = await claimOne(queue, 'eager')
    assert.ok(second.fencingToken > first.fencingToken)
    assert.deepEqual([second.attempt, second.progress], [2, { done: 3 }])
    assert.equal(await queue.complete(first), false)
    assert.equal(await queue.heartbeat(first, 1_000), undefined)
    assert.equal(await queue.fail(first, 'late'), false)
    assert.equal(await queue.complete(second), true)
  })

  it('tries a failed task again after a time that doubles, and at last puts it among the dead', async () => {
    const { core, queue } = await openJobs()
    const { id } = await queue.enqueue({ n: 1 }, { attemptsMax: 3, backoffBaseMs: 100, backoffMaxMs: 150 })
    for (const waitMs of [100, 150]) {
      const task = await claimOne(queue)
      assert.equal(task.backoffMs, waitMs)
      assert.equal(await queue.fail(task, 'no luck'), true)
      assert.equal((await queue.get(id))?.state, 'scheduled')
      core.advanceTimeMs(waitMs - 1)
      assert.deepEqual(await queue.claim('w', 1_000), [])
      core.advanceTimeMs(1)
    }
    const last = await claimOne(queue)
    assert.equal(last.isLastAttempt, true)
    await queue.fail(last, 'out of luck')
    const dead = await collect(queue.list('dead'))
    assert.deepEqual(
      dead.map(({ id, error, attempts }) => [id, error, attempts]),
      [[id, 'out of luck', 3]],
    )
    assert.equal(await queue.revive(id), true)
    assert.equal((await claimOne(queue)).attempt, 1)
  })

  it('counts a worker that does not come back as an attempt', async () => {
    const { core, queue } = await openJobs()
    const { id } = await queue.enqueue({ n: 1 }, { attemptsMax: 2 })
    for (const attempt of [1, 2]) {
      assert.equal((await claimOne(queue, 'w', 10)).attempt, attempt)
      core.advanceTimeMs(10)
    }
    assert.deepEqual(await queue.claim('w', 10), [])
    assert.match((await queue.get(id))?.error ?? '', /did not come back/)
    assert.deepEqual(await queue.counts(), { scheduled: 0, ready: 0, claimed: 0, dead: 1 })
  })

  it('keeps a delayed task back until leader time has come', async () => {
    const { core, queue } = await openJobs()
    await queue.enqueue({ n: 1 }, { delayMs: 500, priority: 9 })
    await queue.enqueue({ n: 2 })
    assert.equal((await claimOne(queue)).payload.n, 2)
    core.advanceTimeMs(499)
    assert.deepEqual(await queue.claim('w', 1_000), [])
    core.advanceTimeMs(1)
    assert.equal((await claimOne(queue)).payload.n, 1)
  })

  it('lets in one task of a key at a time', async () => {
    const { queue } = await openJobs()
    const first = await queue.enqueue({ n: 1 }, { key: 'daily' })
    assert.deepEqual(await queue.enqueue({ n: 2 }, { key: 'daily' }), { id: first.id, isNew: false })
    await queue.complete(await claimOne(queue))
    assert.equal((await queue.enqueue({ n: 3 }, { key: 'daily' })).isNew, true)
  })

  it('lets nobody cancel what a worker has', async () => {
    const { queue } = await openJobs()
    const { id } = await queue.enqueue({ n: 1 })
    const other = await queue.enqueue({ n: 2 })
    await claimOne(queue)
    assert.equal(await queue.cancel(id), false)
    assert.equal(await queue.cancel(other.id), true)
    assert.equal(await queue.cancel(other.id), false)
  })

  it('gives every task once to many workers at once, and many producers other ids', async () => {
    const { queue } = await openJobs()
    const ids = await Promise.all(Array.from({ length: 90 }, (_, n) => queue.enqueue({ n }).then(({ id }) => id)))
    assert.equal(new Set(ids).size, 90)
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map(owner => queue.claim(owner, 60_000, { count: 90 })))
    assert.deepEqual(
      claims
        .flat()
        .map(({ payload }) => payload.n)
        .toSorted((a, b) => a - b),
      Array.from({ length: 90 }, (_, n) => n),
    )
  })

  it('takes a task under an idempotency key once, and every sending of it hears the same id', async () => {
    const { core, database, kv, queue } = await openJobs()
    const mutations = [{ type: 'kvIncrement', project: 'shop', key: bytes('sent'), by: 1n, width: 64 }] as const
    const options = { idempotencyKey: 'order-1', mutations }
    const first = await queue.enqueue({ n: 1 }, options)
    const other = await openQueue<Job>(database, { project: 'shop', name: 'jobs' })
    assert.deepEqual(await other.enqueue({ n: 1 }, options), first)
    await queue.complete(await claimOne(queue))
    assert.deepEqual(await other.enqueue({ n: 1 }, options), first, 'also when it is done')
    assert.deepEqual(
      [await queue.counts(), (await kv.get('sent'))?.at(-1)],
      [{ scheduled: 0, ready: 0, claimed: 0, dead: 0 }, 1],
    )
    const delayed = { idempotencyKey: 'order-2', delayMs: 500 }
    const later = await queue.enqueue({ n: 2 }, delayed)
    core.advanceTimeMs(100)
    assert.deepEqual(await other.enqueue({ n: 2 }, delayed), later, 'though its time would be another by now')
    assert.equal((await queue.counts()).scheduled, 1)
    assert.notEqual((await queue.enqueue({ n: 2 }, { delayMs: 500 })).id, later.id)
    await failure(other.enqueue({ n: 3 }, delayed), 'idempotency_mismatch')
    await failure(other.enqueue({ n: 2 }, { ...delayed, delayMs: 501 }), 'idempotency_mismatch')
    const neighbours = await openQueue<Job>(database, { project: 'shop', name: 'others' })
    assert.equal((await neighbours.enqueue({ n: 3 }, delayed)).isNew, true, 'another queue has other keys')
  })

  it('refuses what makes no sense', async () => {
    const { database, queue } = await openJobs()
    await queue.enqueue({ n: 0 })
    for (const count of [0, -1, 1.5, Number.NaN]) await failure(queue.claim('w', 1_000, { count }), 'invalid_argument')
    const again = { idempotencyKey: 'c' } as object
    await failure(queue.claim('w', 1_000, again), 'invalid_argument')
    assert.equal((await queue.counts()).ready, 1)
    await failure(queue.enqueue({ n: 1 }, { idempotencyKey: '' }), 'invalid_argument')
    await failure(queue.enqueue({ n: 1 }, { attemptsMax: 0 }), 'invalid_argument')
    await failure(queue.enqueue({ n: 1 }, { delayMs: -1 }), 'invalid_argument')
    await failure(queue.enqueue({ n: 1 }, { priority: 0.5 }), 'invalid_argument')
    await failure(queue.claim('w', 0), 'invalid_argument')
    await failure(openQueue(database, { project: 'shop', name: 'no spaces' }), 'invalid_name')
    await failure(openQueue(database, { project: 'nowhere', name: 'jobs' }), 'project_not_found')
  })
})
