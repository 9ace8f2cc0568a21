import { deepEqual, equal, ok } from 'node:assert/strict'
import type { CompactOptions, EventData, EventStream } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, fails, refused, Watching } from './expectations.ts'

const keyOf = (step: IteratorResult<EventData>): string | undefined => (step.done === true ? undefined : step.value.key)
const keysOf = (events: readonly EventData[]): string[] => events.map(({ key }) => key)

const event = (key: string, topic = 'orders'): { topic: string; key: string; payload: string } => ({
  topic,
  key,
  payload: JSON.stringify({ key }),
})

/** Reads until `isDone` says so: what ticks do is done in the background. */
async function readUntil(
  { kv }: ConformanceContext,
  stream: EventStream,
  isDone: (events: readonly EventData[]) => boolean,
): Promise<readonly EventData[]> {
  for (let i = 0; i < 2_000; i++) {
    const { events } = await stream.read()
    if (isDone(events)) return events
    await kv.set('meanwhile', bytes(String(i)))
  }
  throw new Error('the events never came to be so')
}

export const eventSection: ConformanceSection = {
  title: 'the events of a scope',
  cases: [
    {
      name: 'keep every event of a commit in its order, those of the same topic and key too',
      async run({ database, project }) {
        const events = database.events(project)
        const first = await events.emit([event('a'), event('a'), event('b', 'bills'), event('a')])
        const second = await events.emit(event('c'))
        const page = await events.read()
        deepEqual(
          page.events.map(({ seq, topic, key, payload }) => ({ seq, topic, key, payload })),
          [
            { seq: first.seq, ...event('a') },
            { seq: first.seq, ...event('a') },
            { seq: first.seq, ...event('b', 'bills') },
            { seq: first.seq, ...event('a') },
            { seq: second.seq, ...event('c') },
          ],
        )
        deepEqual([page.more, page.removedThroughSeq], [false, 0])
        ok(page.seq >= second.seq)
        ok(page.events[0]!.timeMicros > 0 && page.events[0]!.timeMicros <= page.events[4]!.timeMicros)
        const bills = await database.events(project, { topic: 'bills' }).read()
        deepEqual(keysOf(bills.events), ['b'])
        deepEqual((await database.events(project, { topic: 'bill' }).read()).events, [])
      },
    },
    {
      name: 'are of their scope alone',
      async run({ database, project }) {
        await database.ddl({ type: 'createScope', project, scope: 'other' })
        const other = database.events(project, { scope: 'other' })
        await other.emit(event('o'))
        deepEqual((await database.events(project).read()).events, [])
        deepEqual(keysOf((await other.read()).events), ['o'])
        await database.ddl({ type: 'dropScope', project, scope: 'other' })
        await fails(other.read(), 'scope_not_found')
        await database.ddl({ type: 'createScope', project, scope: 'other' })
        deepEqual((await other.read()).events, [])
      },
    },
    {
      name: 'are read in pages that never divide a commit, both ways, of one topic too',
      async run({ database, project }) {
        const events = database.events(project)
        const seqs: number[] = []
        for (const keys of [['a'], ['b1', 'b2', 'b3'], ['c1', 'c2'], ['d']]) {
          const { seq } = await events.emit(keys.flatMap(key => [event(key), event(`${key}!`, 'noise')]))
          seqs.push(seq)
        }
        const orders = database.events(project, { topic: 'orders' })
        const pages = async (limit: number, reverse: boolean): Promise<string[]> => {
          const found: string[] = []
          let after = 0
          for (;;) {
            const page = await orders.read({ after, limit, reverse })
            found.push(keysOf(page.events).join(' '))
            if (!page.more) return found
            after = page.events.at(-1)!.seq
          }
        }
        deepEqual(await pages(2, false), ['a', 'b1 b2 b3', 'c1 c2', 'd'])
        deepEqual(await pages(3, false), ['a', 'b1 b2 b3', 'c1 c2 d'])
        deepEqual(await pages(100, false), ['a b1 b2 b3 c1 c2 d'])
        deepEqual(await pages(3, true), ['d c2 c1', 'b3 b2 b1', 'a'])
        deepEqual(await pages(1, true), ['d', 'c2 c1', 'b3 b2 b1', 'a'])
        deepEqual(keysOf((await orders.read({ after: seqs[1]! })).events), ['c1', 'c2', 'd'])
        deepEqual(keysOf((await orders.read({ after: seqs[2]!, reverse: true })).events), ['b3', 'b2', 'b1', 'a'])
        equal((await events.read({ limit: 1 })).events.length, 2)
        await fails(events.read({ limit: 0 }), 'invalid_argument')
        await fails(events.read({ after: -1 }), 'invalid_argument')
      },
    },
    {
      name: 'are refused with everything beside them if one is wrong',
      async run({ database, project, kv }) {
        const events = database.events(project)
        await refused(events.emit({ ...event('k'), topic: 'no topic' }), 'invalid_name')
        await refused(events.emit({ ...event('k'), topic: '' }), 'invalid_name')
        await refused(events.emit(event('')), 'invalid_argument')
        await refused(events.emit(event(' \t\n')), 'invalid_argument')
        await refused(events.emit({ ...event('k'), payload: '' }), 'invalid_argument')
        await refused(events.emit({ ...event('k'), payload: '{"a":}' }), 'invalid_argument')
        await refused(events.emit({ ...event('k'), payload: '{} {}' }), 'invalid_argument')
        await refused(events.emit(event('k'.repeat(1_000))), 'key_too_large')
        await refused(events.emit({ ...event('k'), payload: `"${'x'.repeat(65_535)}"` }), 'value_too_large')
        await events.emit({ ...event('at the bound'), payload: `"${'x'.repeat(65_534)}"` })
        await refused(database.events('no-such-project').emit(event('k')), 'project_not_found')
        await refused(database.events(project, { scope: 'none' }).emit(event('k')), 'scope_not_found')
        await fails(database.events('no-such-project').read(), 'project_not_found')
        const write = { type: 'kvSet', project, key: bytes('k'), value: bytes('1') } as const
        const emit = { type: 'emitEvent', project, ...event('with a key') } as const
        await refused(database.commit({ mutations: [write, emit, { ...emit, payload: 'x' }] }), 'invalid_argument')
        const exists = { type: 'keyExists', project, key: bytes('k'), expected: true } as const
        await refused(database.commit({ assertions: [exists], mutations: [emit] }), 'assertion_failed')
        await database.commit({ mutations: [write, emit] })
        deepEqual(keysOf((await events.read()).events), ['at the bound', 'with a key'])
        equal((await kv.entry('k'))?.seq, (await events.read()).events[1]?.seq)
      },
    },
    {
      name: 'come from transactions that commit, once however often their bodies run',
      async run({ database, project, kv }) {
        await kv.set('k', bytes('1'))
        await database.transaction(async tx => {
          await tx.kv(project).get('k')
          tx.emit({ project, ...event(`attempt ${tx.attempt}`) })
          tx.kv(project).set('k', bytes('3'))
          if (tx.attempt === 1) await kv.set('k', bytes('2'))
        })
        await database
          .transaction(tx => {
            tx.emit({ project, ...event('rolled back') })
            return Promise.reject(new Error('no'))
          })
          .catch(() => undefined)
        deepEqual(keysOf((await database.events(project).read()).events), ['attempt 2'])
      },
    },
    {
      name: 'are emitted by who may write the whole scope, and read by who may read it',
      async run({ database, project }) {
        const caller = `${project}-ann`
        const events = database.as(caller).events(project)
        const grant = async (type: 'kvRead' | 'kvWrite', prefix?: Uint8Array): Promise<void> => {
          const permission = { type, project, scope: 'app', ...(prefix !== undefined && { prefix }) }
          await database.ddl({ type: 'grant', caller, permission })
        }
        await grant('kvWrite', bytes('a'))
        await grant('kvRead', bytes('a'))
        await refused(events.emit(event('k')), 'permission_denied')
        await fails(events.read(), 'permission_denied')
        await fails(collect(events.follow()), 'permission_denied')
        await grant('kvWrite')
        await events.emit(event('k'))
        await fails(events.read(), 'permission_denied')
        await refused(database.as(caller).ddl({ type: 'compactEvents', project, keepLast: 0 }), 'permission_denied')
        await grant('kvRead')
        deepEqual(keysOf((await events.read()).events), ['k'])
      },
    },
    {
      name: 'are followed from a point on, into what is still to come, and quietly to an end',
      async run({ database, project, kv }) {
        const events = database.events(project)
        const { seq } = await events.emit(event('before'))
        await events.emit([event('a'), event('noise', 'noise')])
        const controller = new AbortController()
        const orders = database.events(project, { topic: 'orders' })
        const following = orders.follow({ after: seq, signal: controller.signal })[Symbol.asyncIterator]()
        equal(keyOf(await following.next()), 'a')
        const next = following.next()
        await kv.set('k', bytes('1'))
        await events.emit(event('other', 'noise'))
        await events.emit([event('b'), event('c')])
        equal(keyOf(await next), 'b')
        equal(keyOf(await following.next()), 'c')
        for (let i = 0; i < 300; i++) await events.emit(event(`e${i}`))
        for (let i = 0; i < 300; i++) equal(keyOf(await following.next()), `e${i}`)
        const last = following.next()
        controller.abort()
        equal((await last).done, true)
        deepEqual(await collect(events.follow({ signal: AbortSignal.abort() })), [])
      },
    },
    {
      name: 'are no changes of keys: whoever watches those is not told of them',
      async run({ database, project, kv }) {
        const { token } = await kv.set('start', bytes('0'))
        const watching = new Watching(signal => kv.watch({ from: token, signal }))
        await database.events(project).emit([event('a'), event('b', 'bills')])
        await kv.set('k', bytes('1'))
        deepEqual((await watching.nextCommit()).changes, ['k=1'])
        await watching.end()
        deepEqual(await collect(kv.scan({ prefix: 'b' })), [])
      },
    },
    {
      name: 'stay until they are compacted, and then go by whole commits, the oldest first',
      async run(context) {
        const { database, project } = context
        const events = database.events(project)
        const compact = async (bounds: { maxAgeMs?: number; keepLast?: number }): Promise<readonly boolean[]> =>
          (await database.ddl({ type: 'compactEvents', project, ...bounds })).changed
        deepEqual(await compact({ keepLast: 0 }), [false])
        const first = await events.emit([event('a'), event('b')])
        const second = await events.emit([event('c'), event('d', 'other'), event('e')])
        await events.emit(event('f'))
        deepEqual(await compact({}), [false])
        deepEqual(await compact({ keepLast: 6 }), [false])
        deepEqual(await compact({ maxAgeMs: 3_600_000 }), [false])
        deepEqual(await compact({ maxAgeMs: 3_600_000, keepLast: 0 }), [false])
        equal((await events.read()).events.length, 6)
        deepEqual(await compact({ keepLast: 2 }), [true])
        const left = await readUntil(context, events, found => found.length < 6)
        deepEqual(keysOf(left), ['c', 'd', 'e', 'f'], 'keeping two keeps the commit that the second is in')
        equal((await events.read()).removedThroughSeq, first.seq)
        await fails(collect(events.follow({ after: first.seq - 1 })), 'seq_unavailable')
        deepEqual(await compact({ keepLast: 0 }), [true])
        await readUntil(context, events, found => found.length === 0)
        deepEqual((await database.events(project, { topic: 'other' }).read()).events, [])
        ok((await events.read()).removedThroughSeq > second.seq)
        await events.emit(event('g'))
        deepEqual(keysOf((await events.read()).events), ['g'])
        await refused(database.ddl({ type: 'compactEvents', project: 'no-such', keepLast: 1 }), 'project_not_found')
        await refused(database.ddl({ type: 'compactEvents', project, scope: 'none', keepLast: 1 }), 'scope_not_found')
      },
    },
    {
      name: 'are compacted with a report of what goes, at most as many as are wanted, by who administers the project',
      async run(context) {
        const { database, project } = context
        const events = database.events(project)
        const nothing = { events: 0, fromSeq: 0, throughSeq: 0, left: 0, isDone: true, removedThroughSeq: 0 }
        const reported = async (options: CompactOptions): Promise<object> => {
          const { seq, token, ...report } = await events.compact(options)
          ok(token.endsWith(`:${seq}`))
          return report
        }
        deepEqual(await reported({ keepLast: 0 }), nothing)
        const first = await events.emit([event('a'), event('b')])
        const second = await events.emit([event('c'), event('d', 'other'), event('e')])
        const third = await events.emit(event('f'))
        await events.emit(event('g'))
        deepEqual(await reported({}), nothing)
        deepEqual(await reported({ maxEvents: 5 }), nothing)
        deepEqual(await reported({ keepLast: 0, maxEvents: 0 }), nothing)
        deepEqual(await reported({ keepLast: 6 }), nothing, 'one that goes would halve its commit')
        const one = await events.compact({ keepLast: 1, maxEvents: 1 })
        deepEqual(
          [one.events, one.fromSeq, one.throughSeq, one.left],
          [2, first.seq, first.seq, 4],
          'never less than a commit',
        )
        await readUntil(context, events, found => found.length === 5)
        const { compaction } = await events.summary()
        deepEqual(compaction, {
          seq: one.seq,
          events: 2,
          fromSeq: first.seq,
          throughSeq: first.seq,
          left: 4,
          isDone: true,
        })
        const rest = await database.events(project, { topic: 'other' }).compact({ keepLast: 1, maxEvents: 100 })
        deepEqual([rest.events, rest.fromSeq, rest.throughSeq, rest.left], [4, second.seq, third.seq, 0])
        deepEqual(keysOf(await readUntil(context, events, found => found.length < 5)), ['g'])
        const caller = `${project}-ann`
        const ann = database.as(caller).events(project)
        await database.ddl({ type: 'grant', caller, permission: { type: 'scopeAdmin', project, scope: 'app' } })
        await refused(ann.compact({ keepLast: 0 }), 'permission_denied')
        await database.ddl({ type: 'grant', caller, permission: { type: 'projectAdmin', project } })
        equal((await ann.compact({ keepLast: 0 })).events, 1)
        await refused(events.compact({ keepLast: -1 }), 'invalid_argument', 'malformed_request')
        await refused(database.events(`${project}-none`).compact({ keepLast: 0 }), 'project_not_found')
      },
    },
    {
      name: 'go when they are old enough',
      needs: 'advanceTimeMs',
      async run(context) {
        const { database, project, hooks } = context
        const events = database.events(project)
        await events.emit(event('old'))
        await hooks.advanceTimeMs(60_000)
        await events.emit(event('new'))
        deepEqual((await database.ddl({ type: 'compactEvents', project, maxAgeMs: 30_000 })).changed, [true])
        deepEqual(keysOf(await readUntil(context, events, found => found.length < 2)), ['new'])
      },
    },
  ],
}
