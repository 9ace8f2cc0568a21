import { deepEqual, equal, ok } from 'node:assert/strict'
import type { ConformanceSection } from './context.ts'
import { bytes, collect, fails, text, Watching } from './expectations.ts'

export const watchSection: ConformanceSection = {
  title: 'a watch',
  cases: [
    {
      name: 'delivers commits in order and whole, and nothing of other keys',
      async run({ database, project, kv }) {
        const { token } = await kv.set('start', bytes('0'))
        await database.ddl({ type: 'createScope', project, scope: 'other' })
        const watching = new Watching(signal =>
          database.watch({ project, prefix: bytes('a') }, { from: token, signal }),
        )
        const set = (key: string, scope = 'app') =>
          ({ type: 'kvSet', project, scope, key: bytes(key), value: bytes(key) }) as const
        const both = await database.commit({ mutations: [set('a1'), set('b1'), set('a2'), set('a3', 'other')] })
        await kv.set('b2', bytes('unseen'))
        const last = await kv.delete('a1')
        const first = await watching.nextCommit()
        deepEqual(first.changes.sort(), ['a1=a1', 'a2=a2'])
        equal(first.seq, both.seq)
        equal(first.token, both.token)
        const second = await watching.nextCommit()
        deepEqual(second.changes, ['-a1'])
        equal(second.seq, last.seq)
        await watching.end()
      },
    },
    {
      name: 'resumes after a token, and once only',
      async run({ kv }) {
        const { token } = await kv.set('k', bytes('1'))
        for (const value of ['2', '3', '4']) await kv.set('k', bytes(value))
        const first = new Watching(signal => kv.watch({ from: token, signal }))
        deepEqual((await first.nextCommit()).changes, ['k=2'])
        const middle = await first.nextCommit()
        deepEqual(middle.changes, ['k=3'])
        await first.end()
        const second = new Watching(signal => kv.watch({ from: middle.token, signal }))
        deepEqual((await second.nextCommit()).changes, ['k=4'])
        await kv.set('k', bytes('5'))
        deepEqual((await second.nextCommit()).changes, ['k=5'])
        await second.end()
      },
    },
    {
      name: 'without a token begins with what is written while it runs',
      async run({ kv }) {
        await kv.set('before', bytes('1'))
        const watching = new Watching(signal => kv.watch({ signal }))
        const progress = { isSeen: false }
        const seeing = watching.nextCommit().finally(() => (progress.isSeen = true))
        // When it has begun is not to be seen from here: write until it tells.
        for (let i = 0; i < 500 && !progress.isSeen; i++) await kv.set(`during/${i}`, bytes('1'))
        ok((await seeing).changes[0]?.startsWith('during/'))
        await watching.end()
      },
    },
    {
      name: 'carries large values',
      async run({ kv }) {
        const { token } = await kv.set('start', bytes('0'))
        const large = new Uint8Array(100_000).fill(97)
        await kv.set('large', large)
        const watching = new Watching(signal => kv.watch({ from: token, signal }))
        const event = await watching.next()
        ok(event.type === 'commit')
        equal(event.changes[0]?.value?.length, large.length)
        equal(text(event.changes[0]?.value?.slice(0, 3)), 'aaa')
        await watching.end()
      },
    },
    {
      name: 'is not told of what was refused',
      async run({ kv }) {
        const { token } = await kv.set('k', bytes('1'))
        await kv.set('k', bytes('2'), { ifAbsent: true }).catch(() => undefined)
        await kv.set('k', bytes('3'))
        const watching = new Watching(signal => kv.watch({ from: token, signal }))
        deepEqual((await watching.nextCommit()).changes, ['k=3'])
        await watching.end()
      },
    },
    {
      name: 'ends quietly when it is aborted, and does not begin on what is missing',
      async run({ database, project, kv }) {
        deepEqual(await collect(kv.watch({ signal: AbortSignal.abort() })), [])
        const missing = new Watching(signal => database.watch({ project: 'no-such-project' }, { signal }))
        await fails(missing.next(), 'project_not_found')
        const scope = new Watching(signal => database.watch({ project, scope: 'no-such-scope' }, { signal }))
        await fails(scope.next(), 'scope_not_found')
      },
    },
    {
      name: 'from a point that is forgotten gives the state, and goes on after it',
      needs: 'forgetChanges',
      async run({ kv, project, hooks }) {
        const { token } = await kv.set('k', bytes('1'))
        await kv.set('k', bytes('2'))
        await hooks.forgetChanges()
        const watching = new Watching(signal => kv.watch({ from: token, signal }))
        const event = await watching.next()
        ok(event.type === 'reset')
        await using view = event.view
        equal(view.seq, event.seq)
        equal(text(await view.kv(project).get('k')), '2')
        await kv.set('k', bytes('3'))
        deepEqual((await watching.nextCommit()).changes, ['k=3'])
        await watching.end()
      },
    },
  ],
}
