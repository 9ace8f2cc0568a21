import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  commitEventsSchema,
  eventsSchema,
  eventSummarySchema,
  jobsSchema,
  preflightSchema,
} from '../../../src/transport/http/schemas.ts'
import { HttpRig } from './http-rig.ts'

const emit = (key: string, topic = 'orders'): object => ({
  type: 'emitEvent',
  project: 'p',
  topic,
  key,
  payload: `{"of":"${key}"}`,
})

async function commit(rig: HttpRig, ...mutations: object[]): Promise<number> {
  const answer = await rig.ask('POST', '/v1/commit', { body: JSON.stringify({ mutations }) })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body.seq as number
}

describe('events over HTTP', () => {
  it('come page by page in the order of commits, by topic, from either end, of whole commits', async () => {
    const rig = await HttpRig.open()
    const first = await commit(rig, emit('a'), emit('b', 'other'), emit('c'))
    const second = await commit(rig, emit('d'))
    const page = await rig.ask('GET', '/v1/events/p/app?limit=1')
    assert.equal(page.status, 200, JSON.stringify(page.body))
    assert.equal(eventsSchema.safeParse(page.body).error, undefined)
    assert.deepEqual(
      page.body.events.map(({ seq, key }: { seq: number; key: string }) => [seq, key]),
      ['a', 'b', 'c'].map(key => [first, key]),
    )
    assert.deepEqual([page.body.more, page.body.next], [true, first])
    assert.equal(page.headers.get('quorate-token'), page.body.token)
    const keys = async (query: string): Promise<string[]> =>
      (await rig.ask('GET', `/v1/events/p/app?${query}`)).body.events.map(({ key }: { key: string }) => key)
    assert.deepEqual(await keys(`after=${first}`), ['d'])
    assert.deepEqual(await keys('topic=other'), ['b'])
    assert.deepEqual(await keys(`reverse=true&topic=orders&after=${second}`), ['c', 'a'])
    assert.deepEqual(await keys(`at_seq=${first}`), ['a', 'b', 'c'])
    const where = encodeURIComponent(JSON.stringify({ '/of': 'c' }))
    assert.deepEqual(await keys(`where=${where}`), ['c'])
    assert.deepEqual(await keys('key=d'), ['d'])
    assert.deepEqual(await keys(`from_seq=${second}`), ['d'])
    assert.deepEqual(await keys(`to_seq=${first}&topic=orders`), ['a', 'c'])
    const { timeMicros } = page.body.events[0]
    assert.deepEqual(await keys(`from_micros=${timeMicros}&to_micros=${timeMicros}`), [])
    assert.ok((await keys(`from_micros=${timeMicros}`)).includes('a'))
    assert.deepEqual(await keys(`to_micros=${timeMicros}`), [])
    const compact = { type: 'compactEvents', project: 'p', keepLast: 1 }
    assert.equal((await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(compact) })).body.changed[0], true)
    for (const [path, status] of [
      ['/v1/events/p/none', 404],
      ['/v1/events/none/app', 404],
      ['/v1/events/none', 404],
      ['/v1/events/p/app/x', 404],
      ['/v1/events/p/app/summary/x', 404],
      ['/v1/events/p/app?where=%7B', 400],
      ['/v1/events/p/app?where=%5B%5D', 400],
      ['/v1/events/p/app?where=%7B%22%2Fof%22:%7B%7D%7D', 400],
      ['/v1/events/p/app?where=%7B%22of%22:1%7D', 400],
      ['/v1/events/p/app?from_seq=x', 400],
      ['/v1/events/p/app/summary?topics=x', 400],
      ['/v1/events/p/app/summary?topic=a%20b', 400],
      ['/v1/events/p/none/summary', 404],
      ['/v1/commits/0/events', 404],
      ['/v1/commits/x/events', 404],
      ['/v1/commits/1', 404],
      ['/v1/commits/99999/events', 410],
      ['/v1/events/p/app?limit=0', 400],
      ['/v1/events/p/app?topic=a%20b', 400],
    ] as const) {
      assert.equal((await rig.ask('GET', path)).status, status, path)
    }
    assert.equal((await rig.ask('POST', '/v1/events/p/app', { body: '' })).status, 405)
  })

  it('come of all scopes of a project, of one commit, and counted', async () => {
    const rig = await HttpRig.open()
    const created = { type: 'ddl', operation: { type: 'createScope', project: 'p', scope: 'b' } }
    const seq = await commit(rig, created, { ...emit('b1'), scope: 'b' }, emit('a1', 'bills'))
    const places = ({ events }: { events: { project: string; scope: string; key: string }[] }): string[] =>
      events.map(({ project, scope, key }) => `${project}/${scope}: ${key}`)
    const all = await rig.ask('GET', '/v1/events/p?limit=10')
    assert.equal(eventsSchema.safeParse(all.body).error, undefined)
    assert.deepEqual(places(all.body), ['p/app: a1', 'p/b: b1'])
    assert.deepEqual(places((await rig.ask('GET', '/v1/events/p?topic=orders')).body), ['p/b: b1'])
    const one = await rig.ask('GET', `/v1/commits/${seq}/events`)
    assert.equal(commitEventsSchema.safeParse(one.body).error, undefined)
    assert.deepEqual([places(one.body), one.body.mayBeRemoved], [['_system/app: p/b', 'p/app: a1', 'p/b: b1'], false])
    const system = await rig.ask('GET', '/v1/events/_system/app?topic=scopeCreated&reverse=true&limit=1')
    assert.equal(eventsSchema.safeParse(system.body).error, undefined)
    const [{ seq: at, payload }] = system.body.events
    assert.equal(at, seq)
    const { project, scope } = JSON.parse(payload as string) as { project: string; scope: string }
    assert.deepEqual([project, scope], ['p', 'b'])
    assert.equal((await rig.ask('GET', '/v1/events/_system')).status, 200)
    assert.equal((await rig.ask('GET', '/v1/events/_system/b')).status, 404)
    assert.equal((await rig.ask('GET', '/v1/events/_system/app/summary')).status, 200)
    const before = (await rig.ask('GET', `/v1/commits/${seq - 1}/events`)).body
    assert.deepEqual(places(before), ['_system/app: p', '_system/app: p/app'])
    const summary = await rig.ask('GET', '/v1/events/p/app/summary')
    assert.equal(eventSummarySchema.safeParse(summary.body).error, undefined)
    assert.deepEqual([summary.body.events, summary.body.first.seq, summary.body.moreTopics], [1, seq, false])
    assert.equal(summary.body.topics[0].topic, 'bills')
    const none = await rig.ask('GET', '/v1/events/p/app/summary?after_topic=bills&topics=1')
    assert.deepEqual(none.body.topics, [])
  })
})

describe('a preflight over HTTP', () => {
  it('says what would happen, and why not', async () => {
    const rig = await HttpRig.open()
    const ask = (mutations: object[]): ReturnType<HttpRig['ask']> =>
      rig.ask('POST', '/v1/preflight', { body: JSON.stringify({ mutations }) })
    const set = { type: 'kvSet', project: 'p', key: { $b: 'YQ==' }, value: { $b: 'YQ==' } }
    const fine = await ask([set, emit('k')])
    assert.deepEqual([fine.status, fine.body.isValid, fine.body.keys, fine.body.events], [200, true, 1, 1])
    assert.equal(preflightSchema.safeParse(fine.body).error, undefined)
    assert.deepEqual(fine.body.readSet.points, [{ project: 'p', scope: 'app', key: { $b: 'YQ==' }, seq: 0 }])
    assert.equal((await rig.ask('GET', '/v1/kv/p/app/a')).status, 404)
    const refused = await ask([set, { type: 'ddl', operation: { type: 'dropScope', project: 'p', scope: 'none' } }])
    assert.deepEqual(
      [refused.status, refused.body.isValid, refused.body.error.code, refused.body.error.detail.index],
      [200, false, 'scope_not_found', 1],
    )
    assert.equal((await ask([{ type: 'none' }])).status, 400)
    // What was found is the read set of a commit that rests on it.
    await commit(rig, set)
    const late = { readSet: fine.body.readSet, mutations: [set] }
    assert.equal((await rig.ask('POST', '/v1/commit', { body: JSON.stringify(late) })).body.code, 'conflict')
  })
})

describe('jobs over HTTP', () => {
  it('are listed by place', async () => {
    const rig = await HttpRig.open()
    const all = await rig.ask('GET', '/v1/jobs')
    assert.equal(jobsSchema.safeParse(all.body).error, undefined)
    assert.deepEqual(all.body.jobs, [])
    assert.deepEqual((await rig.ask('GET', '/v1/jobs?project=p&scope=app')).body.jobs, [])
    assert.equal((await rig.ask('GET', '/v1/jobs?project=none')).status, 404)
    assert.equal((await rig.ask('GET', '/v1/jobs?project=p&table=none')).body.code, 'table_not_found')
    assert.equal((await rig.ask('GET', '/v1/jobs?table=t')).status, 400)
  })
})
