import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConflictError, QuorateError } from '../../src/model/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { seed } from '../platform/seed.ts'
import { bytes, collect, failure, open, text, writeNow, type Opened } from './facade-support.ts'

type Tx = Parameters<Parameters<Opened['database']['transaction']>[0]>[0]

describe('a transaction', () => {
  it('reads its own writes over the view and commits them together', async () => {
    const { database, kv } = await open()
    for (const key of ['a', 'b', 'c', 'd']) await kv.set(key, bytes(key))
    const seen = await database.transaction(async tx => {
      const own = tx.kv('shop')
      own.set('bb', bytes('new'))
      own.delete('c')
      own.set('d', bytes('changed'))
      assert.equal(text(await own.get('bb')), 'new')
      assert.equal(await own.get('c'), undefined)
      assert.equal((await own.entry('d'))?.seq, 0)
      assert.deepEqual((await own.getMany(['a', 'c', 'd', 'x'])).map(text), ['a', undefined, 'changed', undefined])
      return collect(own.scan({ reverse: true }))
    })
    assert.deepEqual(
      seen.map(entry => `${entry.key}=${text(entry.value)}`),
      ['d=changed', 'bb=new', 'b=b', 'a=a'],
    )
    assert.deepEqual(
      (await collect(kv.scan())).map(entry => entry.key),
      ['a', 'b', 'bb', 'd'],
    )
  })

  it('runs its body again after a conflict and gives up with ConflictError', async () => {
    const { core, database, kv } = await open()
    await kv.set('n', bytes('0'))
    let runs = 0
    await database.transaction(async tx => {
      runs++
      assert.equal(tx.attempt, runs)
      await tx.kv('shop').get('n')
      if (runs < 3) writeNow(core, 'n', `by another ${runs}`)
      tx.kv('shop').set('m', bytes('done'))
    })
    assert.equal(runs, 3)
    const always = async (tx: Tx): Promise<void> => {
      await tx.kv('shop').get('n')
      writeNow(core, 'n', `again ${tx.attempt}`)
      tx.kv('shop').set('m', bytes('never'))
    }
    const error = await failure(database.transaction(always, { attempts: 4 }), 'conflict')
    assert.ok(error instanceof ConflictError && error.retryable && error.applied === 'no')
    assert.ok((error.detail?.actualSeq ?? 0) > 0)
    assert.equal(text(await kv.get('n')), 'again 4')
    assert.equal(text(await kv.get('m')), 'done')
    // The time also ends it: each attempt waits in virtual time.
    const inTime = await failure(database.transaction(always, { attempts: 1000, timeoutMs: 300 }), 'conflict')
    assert.ok(inTime instanceof ConflictError)
    assert.ok(core.clock.nowMs < 3_000)
  })

  it('without time or attempts given runs again for the time of a call; with attempts given until they are used up', async () => {
    const { core, database, kv } = await open()
    await kv.set('n', bytes('0'))
    let runs = 0
    const always = async (tx: Tx): Promise<void> => {
      runs = tx.attempt
      await tx.kv('shop').get('n')
      writeNow(core, 'n', `again ${tx.attempt}`)
      tx.kv('shop').set('m', bytes('never'))
    }
    let startMs = core.clock.nowMs
    assert.ok((await failure(database.transaction(always), 'conflict')) instanceof ConflictError)
    const tookMs = core.clock.nowMs - startMs
    assert.ok(runs > 100 && tookMs > 29_000 && tookMs <= 30_000, `${runs} runs in ${tookMs} ms`)
    startMs = core.clock.nowMs
    await failure(database.transaction(always, { attempts: 400 }), 'conflict')
    assert.ok(runs === 400 && core.clock.nowMs - startMs > 30_000)
    core.callTimeoutMs = 2_000
    startMs = core.clock.nowMs
    await failure(database.transaction(always), 'conflict')
    assert.ok(core.clock.nowMs - startMs <= 2_000 && core.clock.nowMs - startMs > 1_700)
    // A run that takes longer than a call may is not cut short: nobody has bounded it.
    const slow = database.transaction(async tx => {
      await core.time.delay(10_000)
      tx.kv('shop').set('m', bytes('slowly'))
    })
    await slow
    assert.equal(text(await kv.get('m')), 'slowly')
  })

  it('rolls back on a throw, refuses use after its end, and lets go of its views', async () => {
    const { core, database, kv } = await open()
    let leaked: Tx | undefined
    const boom = new Error('boom')
    await assert.rejects(
      database.transaction(tx => {
        leaked = tx
        tx.kv('shop').set('a', bytes('1'))
        return Promise.reject(boom)
      }),
      boom,
    )
    assert.equal(await kv.get('a'), undefined)
    assert.throws(() => leaked!.kv('shop').set('a', bytes('1')), { code: 'closed' })
    await failure(leaked!.kv('shop').get('a'), 'closed')
    assert.equal(core.openViews, 0)
  })

  it('submits nothing when nothing was written', async () => {
    const { core, database, kv } = await open()
    await kv.set('a', bytes('1'))
    const { submit } = core.calls
    assert.equal(text(await database.transaction(tx => tx.kv('shop').get('a'))), '1')
    assert.equal(core.calls.submit, submit)
  })

  it('ends by its time and by its caller even if the body hangs', async () => {
    const { database } = await open()
    let signal: AbortSignal | undefined
    const hang = (tx: Tx): Promise<never> => {
      signal = tx.signal
      return new Promise<never>(() => {})
    }
    const error = await failure(database.transaction(hang, { timeoutMs: 100 }), 'timeout')
    assert.equal(error.applied, 'no')
    assert.ok(signal?.aborted === true)
    const controller = new AbortController()
    const running = database.transaction(hang, { signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    assert.equal((await failure(running, 'aborted')).applied, 'no')
    assert.ok(signal.aborted)
    await failure(database.transaction(hang, { signal: controller.signal }), 'aborted')
    await failure(database.transaction(hang, { attempts: 0 }), 'invalid_argument')
  })

  it('closes a view that comes when it has ended', async () => {
    const { core, database } = await open()
    const openView = core.openView.bind(core)
    let comes: () => void = () => {}
    const late = new Promise<void>(resolve => (comes = resolve))
    core.openView = async ({ signal: _ignored, ...options }) => {
      await late
      return openView(options)
    }
    const controller = new AbortController()
    const running = database.transaction(() => Promise.resolve(1), { signal: controller.signal })
    controller.abort()
    await failure(running, 'aborted')
    assert.equal(core.views.size, 0)
    comes()
    while (core.views.size === 0) await Promise.resolve()
    while (core.openViews > 0) await Promise.resolve()
  })

  it('runs again when its view is lost', async () => {
    const { core, database, kv } = await open()
    await kv.set('a', bytes('1'))
    const attempts = await database.transaction(async tx => {
      if (tx.attempt === 1) for (const view of core.views) view.isOpen = false
      await tx.kv('shop').get('a')
      tx.kv('shop').set('b', bytes('2'))
      return tx.attempt
    })
    assert.equal(attempts, 2)
  })

  it('keeps an error of the body that only looks like a conflict', async () => {
    const { database } = await open()
    const own = new QuorateError('conflict', 'mine')
    let runs = 0
    await assert.rejects(
      database.transaction(() => {
        runs++
        return Promise.reject(own)
      }),
      own,
    )
    assert.equal(runs, 1)
  })
})

describe('the read set of a transaction', () => {
  /** Runs the body with another client's write between it and the commit; whether the commit went through. */
  async function commits(
    body: (tx: Tx) => Promise<unknown>,
    meanwhile: [string, string | undefined],
  ): Promise<boolean> {
    const { core, database, kv } = await open()
    for (const key of ['b', 'd', 'f', 'h']) await kv.set(key, bytes(key))
    try {
      await database.transaction(
        async tx => {
          await body(tx)
          tx.kv('shop').set('zz/result', bytes('x'))
          writeNow(core, ...meanwhile)
        },
        { attempts: 1 },
      )
      return true
    } catch (error) {
      assert.ok(error instanceof ConflictError)
      return false
    }
  }

  async function take(tx: Tx, count: number, options: object): Promise<void> {
    for await (const _ of tx.kv('shop').scan(options)) if (--count === 0) break
  }

  it('ends where a reader stopped, and holds up to there', async () => {
    const two = (tx: Tx): Promise<void> => take(tx, 2, {})
    assert.equal(await commits(two, ['c', 'phantom']), false)
    assert.equal(await commits(two, ['d', undefined]), false)
    assert.equal(await commits(two, ['e', 'beyond']), true)
    assert.equal(await commits(two, ['f', undefined]), true)
    const twoBack = (tx: Tx): Promise<void> => take(tx, 2, { reverse: true })
    assert.equal(await commits(twoBack, ['g', 'phantom']), false)
    assert.equal(await commits(twoBack, ['i', 'phantom']), false)
    assert.equal(await commits(twoBack, ['e', 'beyond']), true)
    const limited = (tx: Tx): Promise<unknown> => collect(tx.kv('shop').scan({ limit: 2 }))
    assert.equal(await commits(limited, ['e', 'beyond']), true)
    assert.equal(await commits(limited, ['a', 'phantom']), false)
  })

  it('covers an empty range, a whole range and a missing key', async () => {
    const empty = (tx: Tx): Promise<unknown> => collect(tx.kv('shop').scan({ prefix: 'e' }))
    assert.equal(await commits(empty, ['e1', 'phantom']), false)
    assert.equal(await commits(empty, ['g', 'beyond']), true)
    const whole = (tx: Tx): Promise<unknown> => collect(tx.kv('shop').scan({ start: 'c', end: 'g' }))
    assert.equal(await commits(whole, ['fz', 'phantom']), false)
    assert.equal(await commits(whole, ['g', 'beyond']), true)
    const missing = (tx: Tx): Promise<unknown> => tx.kv('shop').get('x')
    assert.equal(await commits(missing, ['x', 'now there']), false)
    assert.equal(await commits(missing, ['y', 'another']), true)
  })

  it('ends at an own write that the reader stopped at', async () => {
    const atOwn = async (tx: Tx): Promise<void> => {
      tx.kv('shop').set('c', bytes('own'))
      await take(tx, 2, {})
    }
    assert.equal(await commits(atOwn, ['bb', 'phantom']), false)
    assert.equal(await commits(atOwn, ['cc', 'beyond']), true)
    assert.equal(await commits(atOwn, ['d', undefined]), true)
    assert.equal(await commits(atOwn, ['c', 'hidden by the own write']), true)
  })

  it('is safe and precise in random transactions', async () => {
    const random = new SeededRandom(seed).split('read set')
    for (let round = 0; round < 300; round++) await randomRound(random.split(`${round}`))
  })
})

const KEYS = 'abcdefghijkl'.split('')

interface Step {
  kind: 'set' | 'delete' | 'get' | 'scan'
  key: string
  options: { start?: string; end?: string; reverse: boolean; limit?: number }
  stopAfter: number
}

function randomStep(random: SeededRandom): Step {
  const start = random.pick(KEYS)
  const end = random.pick(KEYS)
  return {
    kind: random.pick(['set', 'delete', 'get', 'scan', 'scan'] as const),
    key: random.pick(KEYS),
    options: {
      ...(random.chance(0.5) && { start }),
      ...(random.chance(0.5) && { end }),
      reverse: random.chance(0.5),
      ...(random.chance(0.4) && { limit: random.between(1, 5) }),
    },
    stopAfter: random.between(1, 8),
  }
}

/** Runs the steps and tells all that they saw, versions included. */
async function observe(tx: Tx, steps: readonly Step[]): Promise<string[]> {
  const kv = tx.kv('shop')
  const seen: string[] = []
  for (const { kind, key, options, stopAfter } of steps) {
    if (kind === 'set') kv.set(key, bytes('own'))
    else if (kind === 'delete') kv.delete(key)
    else if (kind === 'get') seen.push(`${key}@${(await kv.entry(key))?.seq}`)
    else {
      let left = stopAfter
      seen.push('scan')
      for await (const entry of kv.scan(options)) {
        seen.push(`${entry.key}@${entry.seq}`)
        if (--left === 0) break
      }
    }
  }
  return seen
}

/** After another client's write, the commit goes through exactly if the body would see the same again. */
async function randomRound(random: SeededRandom): Promise<void> {
  const { core, database, kv } = await open()
  for (const key of KEYS) if (random.chance(0.5)) await kv.set(key, bytes(key))
  const steps = Array.from({ length: random.between(1, 6) }, () => randomStep(random))
  const otherKey = random.pick(KEYS)
  const otherValue = random.chance(0.5) ? 'other' : undefined
  let before: string[] = []
  let after: string[] = []
  let committed = true
  try {
    await database.transaction(
      async tx => {
        before = await observe(tx, steps)
        writeNow(core, otherKey, otherValue)
        await database
          .transaction(async again => {
            after = await observe(again, steps)
            throw new Error('only looking')
          })
          .catch((error: unknown) => assert.equal(String(error), 'Error: only looking'))
        tx.kv('shop').set('result', bytes('x'))
      },
      { attempts: 1 },
    )
  } catch (error) {
    assert.ok(error instanceof ConflictError, String(error))
    committed = false
  }
  const context = JSON.stringify({ steps, otherKey, otherValue, before, after })
  const sameAgain = JSON.stringify(before) === JSON.stringify(after)
  if (committed) assert.ok(sameAgain, `a stale read was committed: ${context}`)
  // A record that an own write hides counts once the reader has gone past it: the only false conflict.
  const isHidden = steps.some(step => (step.kind === 'set' || step.kind === 'delete') && step.key === otherKey)
  if (!committed && !isHidden) assert.ok(!sameAgain, `a conflict without a reason: ${context}`)
}
