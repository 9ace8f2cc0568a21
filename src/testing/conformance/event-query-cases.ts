import { deepEqual, equal, ok } from 'node:assert/strict'
import type { EventData } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, fails } from './expectations.ts'

const event = (
  key: string,
  topic = 'orders',
  payload: unknown = {},
): { topic: string; key: string; payload: string } => ({
  topic,
  key,
  payload: JSON.stringify(payload),
})

const keysOf = (events: readonly EventData[]): string => events.map(({ key }) => key).join(' ')
const placed = (events: readonly EventData[]): string[] =>
  events.map(({ project, scope, key }) => `${project}/${scope}: ${key}`)

/** Three commits of two topics; answers their seqs. */
async function emitThree({ database, project }: ConformanceContext): Promise<number[]> {
  const events = database.events(project)
  const seqs: number[] = []
  for (const emitted of [
    [event('a', 'orders', { total: 1, customer: { id: 'ann' } }), event('b', 'bills')],
    [
      event('c', 'orders', { total: 2 }),
      event('a', 'bills'),
      event('a', 'orders', { total: 2, customer: { id: 'bob' } }),
    ],
    [event('d'), event('a', 'orders', { total: 3 })],
  ]) {
    const { seq } = await events.emit(emitted)
    seqs.push(seq)
  }
  return seqs
}

export const eventQuerySection: ConformanceSection = {
  title: 'queries of events',
  cases: [
    {
      name: 'find events by key, with and without a topic, in pages of whole commits both ways',
      async run(context) {
        const { database, project } = context
        const [first = 0, second = 0, third = 0] = await emitThree(context)
        const events = database.events(project)
        const found = await events.read({ key: 'a' })
        deepEqual(
          found.events.map(({ seq, topic }) => [seq, topic]),
          [
            [first, 'orders'],
            [second, 'bills'],
            [second, 'orders'],
            [third, 'orders'],
          ],
        )
        deepEqual([found.more, found.next], [false, undefined])
        const orders = database.events(project, { topic: 'orders' })
        equal((await orders.read({ key: 'a' })).events.length, 3)
        const page = await events.read({ key: 'a', limit: 2 })
        deepEqual([keysOf(page.events), page.more], ['a', true])
        const rest = await events.read({ key: 'a', limit: 2, after: page.next! })
        deepEqual([keysOf(rest.events), rest.more], ['a a', true])
        const newest = await events.read({ key: 'a', limit: 1, reverse: true })
        deepEqual([newest.events[0]?.seq, newest.more], [third, true])
        const older = await events.read({ key: 'a', limit: 1, reverse: true, after: newest.next! })
        deepEqual(
          older.events.map(({ seq, topic }) => [seq, topic]),
          [
            [second, 'orders'],
            [second, 'bills'],
          ],
        )
        deepEqual((await events.read({ key: 'none' })).events, [])
        // The whole key, not what it begins with; any characters.
        await events.emit([event('ab'), event('a\0'), event('ä/€')])
        equal((await events.read({ key: 'a' })).events.length, 4)
        deepEqual(keysOf((await events.read({ key: 'a\0' })).events), 'a\0')
        deepEqual(keysOf((await events.read({ key: 'ä/€' })).events), 'ä/€')
      },
    },
    {
      name: 'take ranges of seqs, both ends included, with topic, key and direction',
      async run(context) {
        const { database, project } = context
        const [first = 0, second = 0, third = 0] = await emitThree(context)
        const events = database.events(project)
        equal(keysOf((await events.read({ fromSeq: second })).events), 'c a a d a')
        equal(keysOf((await events.read({ toSeq: second })).events), 'a b c a a')
        equal(keysOf((await events.read({ fromSeq: second, toSeq: second })).events), 'c a a')
        equal(keysOf((await events.read({ fromSeq: second, toSeq: second, reverse: true })).events), 'a a c')
        equal(keysOf((await events.read({ fromSeq: first, toSeq: third, after: first, limit: 1 })).events), 'c a a')
        equal(keysOf((await events.read({ fromSeq: second, reverse: true, after: third })).events), 'a a c')
        deepEqual((await events.read({ fromSeq: third, toSeq: second })).events, [])
        deepEqual((await events.read({ fromSeq: third + 1 })).events, [])
        const bills = database.events(project, { topic: 'bills' })
        equal(keysOf((await bills.read({ fromSeq: first, toSeq: first })).events), 'b')
        equal((await events.read({ key: 'a', fromSeq: second, toSeq: second })).events.length, 2)
        for (const wrong of [{ fromSeq: -1 }, { toSeq: 0.5 }, { fromMicros: -1 }, { toMicros: Number.NaN }]) {
          await fails(events.read(wrong), 'invalid_argument')
        }
      },
    },
    {
      name: 'take ranges of leader time: from included, to not',
      needs: 'advanceTimeMs',
      async run({ database, project, hooks }) {
        const events = database.events(project)
        const times: number[] = []
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
          const { seq } = await events.emit([event(key), event(key, 'bills')])
          times.push((await events.read({ fromSeq: seq })).events[0]!.timeMicros)
          await hooks.advanceTimeMs(1_000)
        }
        const [, second = 0, , fourth = 0] = times
        const orders = database.events(project, { topic: 'orders' })
        equal(keysOf((await orders.read({ fromMicros: second, toMicros: fourth })).events), 'b c')
        equal(keysOf((await orders.read({ fromMicros: second + 1 })).events), 'c d e')
        equal(keysOf((await orders.read({ toMicros: second + 1 })).events), 'a b')
        equal(keysOf((await orders.read({ fromMicros: second, reverse: true, limit: 2 })).events), 'e d')
        equal(keysOf((await events.read({ fromMicros: fourth, toMicros: fourth + 1 })).events), 'd d')
        equal((await events.read({ key: 'b', fromMicros: second, toMicros: second + 1 })).events.length, 2)
        deepEqual((await orders.read({ fromMicros: times[4]! + 1 })).events, [])
        deepEqual((await orders.read({ toMicros: times[0]! })).events, [])
        equal((await orders.read({ fromMicros: 0, toMicros: times[4]! + 1 })).events.length, 5)
      },
    },
    {
      name: 'look into payloads by JSON pointer',
      async run(context) {
        const { database, project } = context
        await emitThree(context)
        const events = database.events(project)
        const where = async (conditions: Readonly<Record<string, string | number | boolean | null>>): Promise<string> =>
          keysOf((await events.read({ where: conditions })).events)
        equal(await where({ '/total': 2 }), 'c a')
        equal(await where({ '/total': 2, '/customer/id': 'bob' }), 'a')
        equal(await where({ '/customer/id': 'ann' }), 'a')
        equal(await where({ '/total': '2' }), '')
        equal(await where({ '/customer': null }), '')
        equal(await where({ '/length': 1, '/toString': 'x' }), '')
        await events.emit([
          event('e', 'odd', { 'a/b': [true, { '~': null }], '': 0.5 }),
          event('f', 'odd', 'text'),
          event('g', 'odd', null),
          event('h', 'odd', [7]),
        ])
        equal(await where({ '/a~1b/0': true }), 'e')
        equal(await where({ '/a~1b/1/~0': null }), 'e')
        equal(await where({ '/': 0.5 }), 'e')
        equal(await where({ '': 'text' }), 'f')
        equal(await where({ '': null }), 'g')
        equal(await where({ '/0': 7 }), 'h')
        equal(await where({ '/length': 1 }), '')
        const page = await events.read({ where: { '/total': 2 }, limit: 1, reverse: true })
        equal(keysOf(page.events), 'a c')
        for (const pointer of ['total', '/~2', '/a~'])
          await fails(events.read({ where: { [pointer]: 1 } }), 'invalid_argument')
        const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`/${i}`, 1]))
        await fails(events.read({ where: many }), 'invalid_argument')
        await fails(events.read({ where: { '/a': Number.NaN } }), 'invalid_argument')
        await fails(events.read({ where: { '/a': {} as never } }), 'invalid_argument')
      },
    },
    {
      name: 'give the newest of a topic, exactly as many as are asked for',
      async run(context) {
        const { database, project } = context
        await emitThree(context)
        const orders = database.events(project, { topic: 'orders' })
        equal(keysOf(await orders.latest(1)), 'a')
        equal(keysOf(await orders.latest(3)), 'a d a')
        equal(keysOf(await orders.latest(100)), 'a d a c a')
        equal(keysOf(await database.events(project, { topic: 'bills' }).latest(1)), 'a')
        deepEqual(await database.events(project, { topic: 'none' }).latest(1), [])
        equal(keysOf(await orders.latest(2, { where: { '/total': 2 } })), 'a c')
        await fails(orders.latest(0), 'invalid_argument')
      },
    },
    {
      name: 'go through all scopes of a project in one order, as far as the caller may read them',
      async run({ database, project }) {
        const other = `${project}-other`
        await database.ddl([
          { type: 'createScope', project, scope: 'b' },
          { type: 'createProject', project: other },
        ])
        const emit = (key: string, scope: string, topic = 'orders') =>
          ({ type: 'emitEvent', project, scope, ...event(key, topic) }) as const
        await database.commit({ mutations: [emit('b1', 'b'), emit('a1', 'app'), emit('a2', 'app')] })
        await database.events(other).emit(event('o'))
        await database.commit({ mutations: [emit('b2', 'b', 'bills')] })
        await database.commit({ mutations: [emit('a3', 'app'), emit('b3', 'b')] })
        const all = database.projectEvents(project)
        const whole = ['app: a1', 'app: a2', 'b: b1', 'b: b2', 'app: a3', 'b: b3'].map(text => `${project}/${text}`)
        deepEqual(placed((await all.read()).events), whole)
        const page = await all.read({ limit: 4 })
        deepEqual(placed(page.events), whole.slice(0, 4))
        deepEqual(placed((await all.read({ after: page.next! })).events), whole.slice(4))
        equal(keysOf((await all.read({ reverse: true, limit: 3 })).events), 'a3 b3 b2')
        equal(keysOf((await database.projectEvents(project, { topic: 'bills' }).read()).events), 'b2')
        equal(keysOf((await all.read({ key: 'b3' })).events), 'b3')
        equal(keysOf(await all.latest(2)), 'a3 b3')
        const caller = `${project}-ann`
        const ann = database.as(caller)
        await fails(ann.projectEvents(project).read(), 'permission_denied')
        await database.ddl({ type: 'grant', caller, permission: { type: 'kvRead', project, scope: 'b' } })
        equal(keysOf((await ann.projectEvents(project).read()).events), 'b1 b2 b3')
        await fails(database.projectEvents(`${project}-none`).read(), 'project_not_found')
      },
    },
    {
      name: 'tell what a commit has emitted, wherever, and whether that may be removed',
      async run({ database, project, kv }) {
        const caller = `${project}-ann`
        await database.ddl([
          { type: 'createScope', project, scope: 'b' },
          { type: 'grant', caller, permission: { type: 'kvRead', project, scope: 'b' } },
        ])
        const emit = (key: string, scope: string) => ({ type: 'emitEvent', project, scope, ...event(key) }) as const
        const { seq } = await database.commit({ mutations: [emit('b1', 'b'), emit('a1', 'app'), emit('b2', 'b')] })
        const found = await database.commitEvents(seq)
        deepEqual(placed(found.events), [`${project}/app: a1`, `${project}/b: b1`, `${project}/b: b2`])
        equal(found.events[0]?.seq, seq)
        const ann = database.as(caller)
        const seen = await ann.commitEvents(seq)
        deepEqual([keysOf(seen.events), seen.mayBeRemoved], ['b1 b2', false])
        const { seq: silent, token } = await kv.set('k', bytes('1'))
        deepEqual((await database.commitEvents(silent)).events, [])
        {
          await using view = await database.view({ consistency: { atSeq: token } })
          equal(keysOf((await view.commitEvents(seq)).events), 'a1 b1 b2')
          await fails(view.commitEvents(silent + 1), 'seq_unavailable')
        }
        await fails(database.commitEvents(silent + 1_000_000), 'seq_unavailable')
        await fails(database.commitEvents(0), 'invalid_argument')
        await fails(database.as(`${project}-nobody`).commitEvents(seq), 'permission_denied')
        await database.ddl({ type: 'compactEvents', project, scope: 'b', keepLast: 0 })
        for (let i = 0; i < 2_000 && !(await ann.commitEvents(seq)).mayBeRemoved; i++)
          await kv.set('k', bytes(String(i)))
        deepEqual(await ann.commitEvents(seq), { events: [], mayBeRemoved: true })
      },
    },
    {
      name: 'count what there is: of the scope and of each topic',
      async run(context) {
        const { database, project, kv } = context
        const events = database.events(project)
        const empty = await events.summary()
        deepEqual([empty.events, empty.bytes, empty.removed, empty.topics, empty.first], [0, 0, 0, [], undefined])
        const [first = 0, second = 0, third = 0] = await emitThree(context)
        const summary = await events.summary()
        deepEqual([summary.events, summary.removed, summary.removedThroughSeq, summary.moreTopics], [7, 0, 0, false])
        deepEqual([summary.first?.seq, summary.last?.seq], [first, third])
        const page = await events.read()
        const size = (of: readonly EventData[]): number =>
          of.reduce((sum, { topic, key, payload }) => sum + bytes(topic + key + payload).length, 0)
        equal(summary.bytes, size(page.events))
        equal(summary.last?.timeMicros, page.events.at(-1)?.timeMicros)
        const ofTopic = (topic: string): EventData[] => page.events.filter(one => one.topic === topic)
        const expected = ['bills', 'orders'].map(topic => {
          const own = ofTopic(topic)
          const { seq, timeMicros } = own.at(-1)!
          return { topic, events: own.length, bytes: size(own), firstSeq: own[0]!.seq, last: { seq, timeMicros } }
        })
        deepEqual(summary.topics, expected)
        const one = await events.summary({ topics: 1 })
        deepEqual([one.topics, one.moreTopics], [expected.slice(0, 1), true])
        deepEqual((await events.summary({ afterTopic: 'bills' })).topics, expected.slice(1))
        deepEqual((await database.events(project, { topic: 'orders' }).summary()).topics, expected.slice(1))
        deepEqual((await database.events(project, { topic: 'none' }).summary()).topics, [])
        await database.ddl({ type: 'compactEvents', project, keepLast: 5 })
        let left = summary
        for (let i = 0; i < 2_000 && left.events === 7; i++) {
          await kv.set('k', bytes(String(i)))
          left = await events.summary()
        }
        deepEqual([left.events, left.removed, left.removedThroughSeq, left.first?.seq], [5, 2, first, second])
        deepEqual(
          left.topics.map(({ topic, events: count, firstSeq }) => [topic, count, firstSeq]),
          [
            ['bills', 1, second],
            ['orders', 4, second],
          ],
        )
        await fails(events.summary({ topics: -1 }), 'invalid_argument')
        await fails(database.as(`${project}-ann`).events(project).summary(), 'permission_denied')
        await fails(database.events(project, { scope: 'none' }).summary(), 'scope_not_found')
        await fails(database.events(`${project}-none`).summary(), 'project_not_found')
      },
    },
    {
      name: 'are asked of views and of older states as well',
      async run(context) {
        const { database, project } = context
        const [first = 0, second = 0] = await emitThree(context)
        const events = database.events(project)
        const { token } = await events.summary()
        await events.emit(event('later'))
        await using view = await database.view({ consistency: { atSeq: token } })
        equal((await view.events(project).read({ key: 'later' })).events.length, 0)
        equal((await view.events(project).summary()).events, 7)
        equal(keysOf(await view.projectEvents(project).latest(1)), 'a')
        const older = { consistency: { atSeq: token.replace(/:\d+$/, `:${first}`) } }
        equal((await events.read({ key: 'a', ...older })).events.length, 1)
        equal((await events.summary(older)).events, 2)
        const least = { consistency: { minSeq: token.replace(/:\d+$/, `:${second}`) } }
        ok((await events.read({ key: 'a', ...least })).events.length >= 3)
      },
    },
    {
      name: 'are followed too: only events of a key, or with a payload, until the end',
      async run({ database, project }) {
        const events = database.events(project)
        await events.emit([event('a', 'orders', { n: 1 }), event('b', 'orders', { n: 2 })])
        const controller = new AbortController()
        const following = events.follow({ key: 'a', where: { '/n': 3 }, signal: controller.signal })
        const iterator = following[Symbol.asyncIterator]()
        const next = iterator.next()
        await events.emit(event('a', 'orders', { n: 2 }))
        await events.emit([event('b', 'orders', { n: 3 }), event('a', 'bills', { n: 3 })])
        const step = await next
        ok(step.done !== true)
        deepEqual([step.value.key, step.value.topic], ['a', 'bills'])
        controller.abort()
        equal((await iterator.next()).done, true)
        deepEqual(await collect(events.follow({ key: 'a', signal: AbortSignal.abort() })), [])
      },
    },
  ],
}
