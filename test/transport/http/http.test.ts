import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ERROR_CODES, SETTING_RULES, STATUS_OF } from '../../../src/model/index.ts'
import { headSchema, projectsSchema, scopesSchema, settingsSchema } from '../../../src/transport/http/schemas.ts'
import { HttpRig } from './http-rig.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const base64 = (value: string): { $b: string } => ({ $b: btoa(value) })

describe('a key over HTTP', () => {
  for (const place of ['leader', 'follower'] as const) {
    it(`is written, read with its token, and deleted, at the ${place}`, async () => {
      const rig = await HttpRig.open({ place })
      const put = await rig.ask('PUT', '/v1/kv/p/app/a', { body: 'one' })
      assert.equal(put.status, 200)
      assert.equal(put.headers.get('quorate-token'), put.body.token)
      assert.match(put.body.token, /^[0-9a-f]{32}:\d+$/)
      const get = await rig.ask('GET', `/v1/kv/p/app/a?min_seq=${put.body.token}`)
      assert.equal(text(get.bytes), 'one')
      assert.equal(get.headers.get('content-type'), 'application/octet-stream')
      assert.equal(Number(get.headers.get('quorate-seq')), put.body.seq)
      assert.equal((await rig.ask('DELETE', '/v1/kv/p/app/a')).status, 200)
      const gone = await rig.ask('GET', '/v1/kv/p/app/a')
      assert.equal(gone.status, 404)
      assert.match(gone.headers.get('quorate-token') ?? '', /:\d+$/)
      assert.equal(gone.headers.get('x-content-type-options'), 'nosniff')
      assert.match(get.headers.get('content-security-policy') ?? '', /sandbox/)
      assert.deepEqual([gone.body.code, gone.body.retryable, gone.body.applied], ['not_found', false, 'no'])
    })
  }

  it('may have any bytes: slashes as they are, others percent-encoded', async () => {
    const rig = await HttpRig.open()
    await rig.ask('PUT', '/v1/kv/p/app/a/b%00%FF%2Fc', { body: 'x' })
    const list = await rig.ask('GET', '/v1/kv/p/app')
    assert.deepEqual(list.body.entries[0].key, { $b: Buffer.from([97, 47, 98, 0, 255, 47, 99]).toString('base64') })
    assert.equal(list.body.entries[0].text, undefined)
    assert.equal(text((await rig.ask('GET', '/v1/kv/p/app/a%2Fb%00%ff/c')).bytes), 'x')
  })

  it('is written only if the condition holds, and the refusal names what is there', async () => {
    const rig = await HttpRig.open()
    const first = await rig.ask('PUT', '/v1/kv/p/app/a?if_seq=0', { body: '1' })
    const second = await rig.ask('PUT', '/v1/kv/p/app/a?if_seq=0', { body: '2' })
    assert.equal(second.status, 412)
    assert.deepEqual([second.body.code, second.body.detail.actualSeq], ['assertion_failed', first.body.seq])
    assert.equal((await rig.ask('DELETE', `/v1/kv/p/app/a?if_seq=${first.body.seq}`)).status, 200)
  })

  it('expires after its time', async () => {
    const rig = await HttpRig.open()
    await rig.ask('PUT', '/v1/kv/p/app/a?ttl_ms=1000', { body: '1' })
    assert.ok(Number((await rig.ask('GET', '/v1/kv/p/app/a')).headers.get('quorate-expires-at-micros')) > 0)
    await rig.trio.world.runToCompletion(rig.trio.world.delay(3_000))
    assert.equal((await rig.ask('GET', '/v1/kv/p/app/a')).status, 404)
  })

  it('is written once under one Idempotency-Key', async () => {
    const rig = await HttpRig.open()
    const headers = { 'idempotency-key': 'order-7' }
    const first = await rig.ask('PUT', '/v1/kv/p/app/a', { body: '1', headers })
    const again = await rig.ask('PUT', '/v1/kv/p/app/a', { body: '1', headers })
    assert.equal(again.body.seq, first.body.seq)
    assert.deepEqual([first.body.isDuplicate, again.body.isDuplicate], [false, true])
    const commit = { body: JSON.stringify({ mutations: [] }), headers: { 'idempotency-key': 'order-8' } }
    const firstCommit = await rig.ask('POST', '/v1/commit', commit)
    const nextCommit = await rig.ask('POST', '/v1/commit', commit)
    assert.deepEqual(nextCommit.body, { ...firstCommit.body, isDuplicate: true })
    assert.equal(firstCommit.body.isDuplicate, false)
    for (const path of ['/v1/kv/p/app/a', '/v1/commit']) {
      const method = path === '/v1/commit' ? 'POST' : 'PUT'
      const body = method === 'PUT' ? '3' : JSON.stringify({ mutations: [] })
      const economic = await rig.ask(method, `${path}?write_class=economic&finality=durable`, { body })
      assert.equal(economic.status, 200)
      const volatile = await rig.ask(method, `${path}?write_class=volatile`, { body: '4' })
      assert.deepEqual([volatile.status, volatile.body.code], [400, 'invalid_argument'])
    }
    assert.equal(Buffer.from((await rig.ask('GET', '/v1/kv/p/app/a')).bytes).toString(), '3')
    const other = await rig.ask('PUT', '/v1/kv/p/app/a', { body: '2', headers })
    assert.deepEqual([other.status, other.body.code], [422, 'idempotency_mismatch'])
  })

  it('answers HEAD without the body', async () => {
    const rig = await HttpRig.open()
    await rig.ask('PUT', '/v1/kv/p/app/a', { body: 'one' })
    const head = await rig.ask('HEAD', '/v1/kv/p/app/a')
    assert.deepEqual([head.status, head.bytes.length], [200, 0])
    assert.match(head.headers.get('quorate-token') ?? '', /:\d+$/)
  })
})

describe('a list over HTTP', () => {
  it('gives pages of one state, whatever is written between them, in both directions', async () => {
    const rig = await HttpRig.open()
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1'])
      await rig.ask('PUT', `/v1/kv/p/app/${name}`, { body: name })
    for (const reverse of [false, true]) {
      const names: string[] = []
      let cursor = ''
      let seq: number | undefined
      do {
        const page = await rig.ask('GET', `/v1/kv/p/app?prefix=a&limit=2&reverse=${reverse}${cursor}`)
        assert.equal(page.status, 200, JSON.stringify(page.body))
        seq ??= page.body.seq
        assert.equal(page.body.seq, seq)
        names.push(...page.body.entries.map((entry: { text: string }) => entry.text))
        await rig.ask('PUT', '/v1/kv/p/app/a3x', { body: 'later' })
        cursor = page.body.cursor === undefined ? '' : `&cursor=${page.body.cursor}`
      } while (cursor !== '')
      const expected = ['a1', 'a2', 'a3', 'a4', 'a5']
      assert.deepEqual(names, reverse ? ['a5', 'a4', 'a3x', 'a3', 'a2', 'a1'] : expected)
    }
  })

  it('refuses a cursor of another list, and nonsense', async () => {
    const rig = await HttpRig.open()
    for (const name of ['a1', 'a2', 'a3']) await rig.ask('PUT', `/v1/kv/p/app/${name}`, { body: name })
    const { cursor } = (await rig.ask('GET', '/v1/kv/p/app?prefix=a&limit=1')).body
    for (const query of [
      `prefix=b&cursor=${cursor}`,
      `prefix=a&reverse=true&cursor=${cursor}`,
      'cursor=AAAA',
      'cursor=%21',
    ]) {
      const answer = await rig.ask('GET', `/v1/kv/p/app?${query}`)
      assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_argument'], query)
    }
  })

  it('leaves the values out when asked', async () => {
    const rig = await HttpRig.open()
    await rig.ask('PUT', '/v1/kv/p/app/a', { body: '1' })
    const { entries } = (await rig.ask('GET', '/v1/kv/p/app?values=false')).body
    assert.deepEqual([entries.length, entries[0].value], [1, undefined])
  })
})

describe('a transaction over HTTP', () => {
  it('is applied as a whole or not at all', async () => {
    const rig = await HttpRig.open()
    const set = (name: string): object => ({ type: 'kvSet', project: 'p', key: base64(name), value: base64('1') })
    const counter = { type: 'kvIncrement', project: 'p', key: base64('n'), by: '9007199254740993', width: 64 }
    const good = await rig.ask('POST', '/v1/commit', { body: JSON.stringify({ mutations: [set('a'), counter] }) })
    assert.equal(good.status, 200, JSON.stringify(good.body))
    assert.deepEqual(good.body.results, [null, '9007199254740993'])
    const refused = await rig.ask('POST', '/v1/commit', {
      body: JSON.stringify({
        assertions: [{ type: 'keyExists', project: 'p', key: base64('zz'), expected: true }],
        mutations: [set('b')],
      }),
    })
    assert.deepEqual([refused.status, refused.body.code, refused.body.detail.index], [412, 'assertion_failed', 0])
    assert.equal((await rig.ask('GET', '/v1/kv/p/app/b')).status, 404)
  })

  it('tells which operations of a DDL changed something', async () => {
    const rig = await HttpRig.open()
    const operations = [
      { type: 'createProject', project: 'p', ifNotExists: true },
      { type: 'createScope', project: 'p', scope: 's' },
    ]
    const answer = await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(operations) })
    assert.deepEqual([answer.status, answer.body.changed], [200, [false, true]])
    const again = await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(operations[1]) })
    assert.deepEqual([again.status, again.body.code], [409, 'already_exists'])
  })

  it('applies a DDL in the order of its dependencies if that is asked for', async () => {
    const rig = await HttpRig.open()
    const body = JSON.stringify([
      { type: 'createScope', project: 'new', scope: 's' },
      { type: 'createProject', project: 'new' },
    ])
    const given = await rig.ask('POST', '/v1/ddl', { body })
    assert.deepEqual([given.status, given.body.code, given.body.detail.index], [404, 'project_not_found', 0])
    const answer = await rig.ask('POST', '/v1/ddl?order=dependencies', { body })
    assert.deepEqual([answer.status, answer.body.changed], [200, [true, true]])
    assert.equal((await rig.ask('POST', '/v1/ddl?order=any', { body })).status, 400)
    const tooMany = JSON.stringify(Array.from({ length: 10_001 }, () => ({ type: 'createProject', project: 'new' })))
    for (const target of ['/v1/ddl', '/v1/ddl?order=dependencies']) {
      const refused = await rig.ask('POST', target, { body: tooMany })
      assert.deepEqual([refused.status, refused.body.code], [413, 'transaction_too_large'])
    }
  })
})

describe('what is wrong with a request', () => {
  it('is said with a code and a fitting status', async () => {
    const rig = await HttpRig.open()
    const cases: readonly [string, string, string | undefined, number, string][] = [
      ['GET', '/v1/nothing', undefined, 404, 'not_found'],
      ['GET', '/v1/query', undefined, 405, 'method_not_allowed'],
      ['POST', '/v1/tables/p/app', '{}', 405, 'method_not_allowed'],
      ['GET', '/v1/tables/p', undefined, 404, 'not_found'],
      ['GET', '/v1/tables/p/app/t/more', undefined, 404, 'not_found'],
      ['GET', '/v1/tables/p/a%20b', undefined, 400, 'invalid_name'],
      ['POST', '/v1/query', '{"project":"p"}', 400, 'malformed_request'],
      ['POST', '/v1/query', '{"project":"p","from":"t","wher":{}}', 400, 'malformed_request'],
      ['POST', '/v1/kv/p/app/a', 'x', 405, 'method_not_allowed'],
      ['PUT', '/v1/kv/p/app', 'x', 405, 'method_not_allowed'],
      ['GET', '/v1/commit', undefined, 405, 'method_not_allowed'],
      ['DELETE', '/v1/status', undefined, 405, 'method_not_allowed'],
      ['GET', '/v1/kv/nowhere/app/a', undefined, 404, 'project_not_found'],
      ['GET', '/v1/kv/p/nowhere/a', undefined, 404, 'scope_not_found'],
      ['GET', '/v1/kv/b%20d/app/a', undefined, 400, 'invalid_name'],
      ['GET', '/v1/kv/p/', undefined, 400, 'invalid_name'],
      ['GET', '/v1/kv/p/app/%zz', undefined, 400, 'malformed_request'],
      ['GET', '/v1/kv/p/app/a/../b', undefined, 400, 'malformed_request'],
      ['GET', '/v1/kv/p/app/%2E%2e', undefined, 400, 'malformed_request'],
      ['GET', '/v1/kv/p/app/a?consistencyy=local', undefined, 400, 'invalid_argument'],
      ['GET', '/v1/kv/p/app/a?consistency=maybe', undefined, 400, 'invalid_argument'],
      ['GET', '/v1/kv/p/app/a?consistency=local&min_seq=3', undefined, 400, 'invalid_argument'],
      ['GET', '/v1/kv/p/app/a?min_seq=0000000000000000000000000000000f:1', undefined, 409, 'history_changed'],
      ['PUT', '/v1/kv/p/app/a?ttl_ms=0', 'x', 400, 'invalid_argument'],
      ['PUT', '/v1/kv/p/app/a?ttl_ms=1e3', 'x', 400, 'invalid_argument'],
      ['PUT', '/v1/kv/p/app/a?if_seq=1&if_seq=2', 'x', 400, 'malformed_request'],
      ['PUT', `/v1/kv/p/app/${'k'.repeat(2_000)}`, 'x', 413, 'key_too_large'],
      ['POST', '/v1/commit', 'not json', 400, 'malformed_request'],
      ['POST', '/v1/commit', '{"mutations":[],"asertions":[]}', 400, 'malformed_request'],
      ['POST', '/v1/ddl', '{"type":"explode"}', 400, 'malformed_request'],
      ['GET', '/v1/kv/p/app?limit=0', undefined, 400, 'invalid_argument'],
      ['GET', '/v1/kv/p/app/a?__proto__=1', undefined, 400, 'invalid_argument'],
      ['PUT', '/v1/kv/p/app/a?__proto__=1&__proto__=2', 'x', 400, 'malformed_request'],
    ]
    for (const [method, target, body, status, code] of cases) {
      const answer = await rig.ask(method, target, body === undefined ? {} : { body })
      assert.deepEqual([answer.status, answer.body?.code], [status, code], `${method} ${target}`)
      assert.equal(JSON.stringify(answer.body).includes('.ts:'), false)
      if (status === 405) assert.ok(answer.headers.get('allow') !== null)
    }
    assert.deepEqual(rig.faults, [])
  })

  it('has a status for every code', () => {
    assert.deepEqual(Object.keys(STATUS_OF).toSorted(), [...ERROR_CODES].toSorted())
  })

  it('includes a body beyond the limit, announced or not', async () => {
    const rig = await HttpRig.open()
    await rig.ask('POST', '/v1/ddl', { body: JSON.stringify({ type: 'setSetting', name: 'valueBytesMax', value: 64 }) })
    for (const headers of [{}, { 'content-length': '65' }] as Record<string, string>[]) {
      const answer = await rig.ask('PUT', '/v1/kv/p/app/a', { body: 'x'.repeat(65), headers })
      assert.deepEqual([answer.status, answer.body.code], [413, 'frame_too_large'])
    }
    assert.equal((await rig.ask('PUT', '/v1/kv/p/app/a', { body: 'x'.repeat(64) })).status, 200)
  })

  it('may be that there are too many others, or too many bytes in their bodies together', async () => {
    const rig = await HttpRig.open({ requestsMax: 2, bodyBytesMax: 100 })
    const target = '/v1/kv/p/app/a'
    /** A request whose body has so many bytes so far; `end` says that it is all. */
    const begin = async (bytes: number): Promise<{ answer: Promise<Response>; end: () => void }> => {
      let end = (): void => {}
      const body = new ReadableStream<Uint8Array>({
        start(stream) {
          if (bytes > 0) stream.enqueue(new Uint8Array(bytes))
          end = () => stream.close()
        },
      })
      const request = new Request(`http://127.0.0.1:7400${target}`, { method: 'PUT', body, duplex: 'half' })
      const answer = Promise.resolve(rig.app.fetch(request, { target, isLoopback: true }))
      await rig.trio.world.runFor(1)
      return { answer, end }
    }
    const refused = async (answer: Response): Promise<void> => {
      assert.equal(answer.headers.get('retry-after'), '1')
      const { code, retryable, applied } = (await answer.json()) as Record<string, unknown>
      assert.deepEqual([answer.status, code, retryable, applied], [429, 'busy', true, 'no'])
    }
    const first = await begin(60)
    await refused(await (await begin(41)).answer)
    const second = await begin(40)
    await refused(await (await begin(0)).answer)
    for (const each of [first, second]) {
      each.end()
      assert.equal((await rig.trio.world.runToCompletion(each.answer)).status, 200)
    }
    const third = await begin(100)
    third.end()
    assert.equal((await rig.trio.world.runToCompletion(third.answer)).status, 200)
  })
})

describe('who may ask', () => {
  it('is whoever has a token, or is on this machine and no page of another site', async () => {
    const rig = await HttpRig.open({
      authenticate: (token, isLoopback) =>
        token === 'bad' || (token === undefined && !isLoopback) ? undefined : 'root',
    })
    const status = async (isLoopback: boolean, headers: Record<string, string>): Promise<number> =>
      (await rig.ask('GET', '/v1/status', { isLoopback, headers })).status
    assert.equal(await status(false, {}), 401)
    assert.equal(await status(false, { authorization: 'Bearer good' }), 200)
    assert.equal(await status(true, { authorization: 'Bearer bad' }), 401)
    assert.equal(await status(true, { authorization: 'Basic Z29vZA==' }), 401)
    assert.equal(await status(true, {}), 200)
    assert.equal(await status(true, { origin: 'http://evil.example' }), 403)
    assert.equal(await status(true, { origin: 'null' }), 403)
    assert.equal(await status(true, { 'sec-fetch-site': 'cross-site' }), 403)
    assert.equal(await status(true, { host: 'evil.example:7400' }), 403)
    assert.equal(await status(true, { origin: 'http://127.0.0.1:7400' }), 200)
  })

  it('reads and writes only what its permissions allow', async () => {
    const rig = await HttpRig.open()
    const headers = { authorization: 'Bearer ann' }
    assert.equal((await rig.ask('GET', '/v1/kv/p/app/a', { headers })).status, 403)
    assert.equal((await rig.ask('PUT', '/v1/kv/p/app/a', { headers, body: '1' })).status, 403)
    const grant = { type: 'grant', caller: 'ann', permission: { type: 'kvRead', project: 'p' } }
    await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(grant) })
    assert.equal((await rig.ask('GET', '/v1/kv/p/app/a', { headers })).status, 404)
    assert.equal((await rig.ask('PUT', '/v1/kv/p/app/a', { headers, body: '1' })).status, 403)
  })
})

describe('a node without a leader', () => {
  it('says so in time, and that it may be tried again; what it has itself it still shows', async () => {
    const rig = await HttpRig.open({ place: 'follower' })
    const leader = rig.trio.leader!
    rig.trio.crash(leader)
    rig.trio.wire.cutOff.add([...rig.trio.nodes.keys()][0]!)
    const answer = await rig.ask('GET', '/v1/kv/p/app/a?timeout_ms=3000')
    assert.ok([503, 504].includes(answer.status))
    assert.equal(answer.body.retryable, true)
    const write = await rig.ask('PUT', '/v1/kv/p/app/a?timeout_ms=3000', { body: '1' })
    assert.ok([503, 504].includes(write.status), JSON.stringify(write.body))
    assert.equal((await rig.ask('GET', '/v1/kv/p/app/a?consistency=local')).status, 404)
  })
})

describe('projects and scopes', () => {
  it('are listed with the time of their creation', async () => {
    const rig = await HttpRig.open()
    const projects = await rig.ask('GET', '/v1/projects')
    assert.equal(projectsSchema.safeParse(projects.body).error, undefined)
    const [project] = projects.body.projects
    assert.deepEqual([project.name, project.createdAtMicros > 0], ['p', true])
    const scopes = await rig.ask('GET', '/v1/scopes/p')
    assert.equal(scopesSchema.safeParse(scopes.body).error, undefined)
    assert.equal(scopes.body.scopes[0].createdAtMicros, project.createdAtMicros)
    assert.equal((await rig.ask('GET', '/v1/scopes/none')).status, 404)
    assert.equal((await rig.ask('GET', '/v1/scopes/p/app')).status, 404)
  })
})

describe('the head', () => {
  it('is what reads see, and is waited for up to the time of the request', async () => {
    const rig = await HttpRig.open()
    const written = await rig.ask('PUT', '/v1/kv/p/app/a', { body: '1' })
    const head = await rig.ask('GET', '/v1/head')
    assert.equal(headSchema.safeParse(head.body).error, undefined)
    assert.ok(head.body.visibleSeq >= written.body.seq && head.body.durableSeq >= written.body.seq)
    assert.equal((await rig.ask('GET', `/v1/head?min_seq=${written.body.token}`)).status, 200)
    const later = await rig.ask('GET', `/v1/head?min_seq=${written.body.seq + 1000}&timeout_ms=50`)
    assert.ok(later.status >= 500, JSON.stringify(later.body))
    assert.equal((await rig.ask('GET', `/v1/head?min_seq=${'0'.repeat(32)}:1`)).body.code, 'history_changed')
    assert.equal((await rig.ask('POST', '/v1/head')).status, 405)
  })
})

describe('the settings', () => {
  it('are read by name', async () => {
    const rig = await HttpRig.open()
    const operation = { type: 'setSetting', name: 'auditRowsMax', value: 7 }
    assert.equal((await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(operation) })).status, 200)
    const { body } = await rig.ask('GET', '/v1/settings')
    assert.equal(settingsSchema.safeParse(body).error, undefined)
    assert.deepEqual([body.settings.auditRowsMax, body.settings.sessionWindow], [7, 1_024])
    assert.deepEqual(Object.keys(body.settings).toSorted(), Object.keys(SETTING_RULES).toSorted())
    assert.equal((await rig.ask('POST', '/v1/settings')).status, 405)
  })
})

describe('the description', () => {
  it('is OpenAPI with every path, and needs no token', async () => {
    const rig = await HttpRig.open()
    const { status, body } = await rig.ask('GET', '/v1/openapi.json', { isLoopback: false })
    assert.equal(status, 200)
    assert.equal(body.openapi, '3.1.0')
    assert.deepEqual(Object.keys(body.paths).toSorted(), [
      '/v1/commit',
      '/v1/commits/{seq}/events',
      '/v1/ddl',
      '/v1/events/{project}',
      '/v1/events/{project}/{scope}',
      '/v1/events/{project}/{scope}/summary',
      '/v1/head',
      '/v1/jobs',
      '/v1/kv/{project}',
      '/v1/kv/{project}/{scope}',
      '/v1/kv/{project}/{scope}/{key}',
      '/v1/preflight',
      '/v1/projects',
      '/v1/query',
      '/v1/scopes/{project}',
      '/v1/settings',
      '/v1/status',
      '/v1/tables/{project}/{scope}',
      '/v1/tables/{project}/{scope}/{table}',
      '/v1/usage',
      '/v1/usage/{project}',
    ])
    const { parameters } = body.paths['/v1/kv/{project}/{scope}/{key}'].put
    assert.equal(parameters.find((p: { name: string }) => p.name === 'ttl_ms').schema.type, 'integer')
  })
})
