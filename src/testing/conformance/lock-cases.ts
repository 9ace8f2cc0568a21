import { deepEqual, equal, ok } from 'node:assert/strict'
import type { ConformanceSection } from './context.ts'
import { bytes, fails } from './expectations.ts'

export const lockSection: ConformanceSection = {
  title: 'an in-process lock',
  cases: [
    {
      name: 'is held by one scope at a time, and goes to those who wait in turn',
      async run({ database, project }) {
        const key = { project, key: 'k' }
        const [a, b, c] = [database.lockScope(), database.as('x').lockScope(), database.lockScope()]
        const first = await a.lock(key)
        equal((await a.lock(key)).fencingToken, first.fencingToken)
        equal(b.tryLock(key), undefined)
        ok(b.tryLock({ ...key, scope: 'other' }) !== undefined)
        ok(b.tryLock('k') !== undefined)
        const order: string[] = []
        const waits = [
          b.lock({ project, scope: 'app', key: bytes('k') }).then(lock => order.push('b') && lock.fencingToken),
          c.lock(key).then(lock => order.push('c') && lock.fencingToken),
        ] as const
        equal(c.unlock(key), false)
        equal(a.unlock(key), true)
        equal(a.unlock(key), false)
        const second = await waits[0]
        equal(a.tryLock(key), undefined)
        b.release()
        const third = await waits[1]
        deepEqual(order, ['b', 'c'])
        ok(first.fencingToken < second && second < third)
        ok(a.tryLock('k') !== undefined, 'what a scope held is free when it ends')
        for (const scope of [a, c]) scope.release()
      },
    },
    {
      name: 'is waited for as long as its time, its signal and its scope last',
      async run({ database, project }) {
        const key = { project, key: 'k' }
        using holder = database.lockScope()
        using other = database.lockScope()
        await holder.lock(key)
        equal((await fails(other.lock(key, { timeoutMs: 5 }), 'timeout')).retryable, true)
        const ending = new AbortController()
        const waiting = fails(other.lock(key, { signal: ending.signal }), 'aborted')
        ending.abort()
        await waiting
        await fails(other.lock(key, { signal: ending.signal }), 'aborted')
        const scope = database.lockScope()
        const ended = fails(scope.lock(key), 'closed')
        scope.release()
        await ended
        await fails(scope.lock('free'), 'closed')
        await fails(other.lock(key, { timeoutMs: 0 }), 'invalid_argument')
        await fails(other.lock({ project: 'a b', key: 'k' }), 'invalid_name')
        holder.unlock(key)
        // Nobody who stopped waiting got it.
        ok(other.tryLock(key) !== undefined)
      },
    },
    {
      name: 'is taken with others all or none',
      async run({ database, project }) {
        const key = (name: string) => ({ project, key: name })
        using a = database.lockScope()
        using b = database.lockScope()
        using c = database.lockScope()
        await b.lock(key('2'))
        await a.lock(key('1'))
        await fails(a.lockAll([key('3'), key('2'), key('1')], { timeoutMs: 5 }), 'timeout')
        ok(c.tryLock(key('3')) !== undefined)
        equal(c.tryLock(key('1')), undefined)
        c.unlock(key('3'))
        b.unlock(key('2'))
        const locks = await a.lockAll([key('3'), key('2'), key('3')])
        equal(locks.length, 3)
        equal(locks[0]?.fencingToken, locks[2]?.fencingToken)
        equal(c.tryLock(key('2')), undefined)
      },
    },
    {
      name: 'that would be waited for in a circle is refused',
      async run({ database, project }) {
        const key = (name: string) => ({ project, key: name })
        const scopes = ['a', 'b', 'c'].map(name => ({ name, scope: database.lockScope() }))
        for (const { name, scope } of scopes) await scope.lock(key(name))
        const [a, b, c] = scopes.map(({ scope }) => scope) as [
          (typeof scopes)[0]['scope'],
          (typeof scopes)[0]['scope'],
          (typeof scopes)[0]['scope'],
        ]
        const first = a.lock(key('b'))
        const second = b.lock(key('c'))
        equal((await fails(c.lock(key('a')), 'deadlock')).retryable, true)
        c.release()
        await second
        b.release()
        await first
        a.release()
        // Those who take all at once never meet so.
        const both = [key('x'), key('y')]
        await Promise.all(
          [both, both.toReversed(), both, both.toReversed()].map(async keys => {
            await using scope = database.lockScope()
            await scope.lockAll(keys)
            await database.kv(project).get('k')
          }),
        )
      },
    },
  ],
}
