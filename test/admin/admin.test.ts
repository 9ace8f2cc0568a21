import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Script } from 'node:vm'
import { formatMetrics } from '../../src/admin/index.ts'
import { CONSOLE_SCRIPT } from '../../src/admin/console/index.ts'
import { AdminRig } from './rig.ts'

describe('what an operator may do', () => {
  it('needs a token or this machine, and no page of another site', async () => {
    const rig = await new AdminRig().open()
    const asked = async (path: string, headers: Record<string, string>, isLoopback = false): Promise<number> =>
      (await rig.ask(path.endsWith('drain') ? 'POST' : 'GET', path, headers, undefined, isLoopback)).status
    for (const path of ['/metrics', '/admin/v1/figures', '/admin/v1/status', '/admin/v1/audit', '/admin/v1/drain']) {
      assert.equal(await asked(path, {}), 401)
      assert.equal(await asked(path, { authorization: 'Bearer other' }), 401)
      assert.equal(await asked(path, { authorization: 'Digest ops' }, true), 401)
      assert.equal(await asked(path, { origin: 'http://evil.example' }, true), 403)
      assert.equal(await asked(path, { host: 'evil.example' }, true), 403)
    }
    assert.deepEqual([rig.done, rig.actions], [[], []])
    assert.equal(await asked('/admin/v1/drain', { authorization: 'Bearer ops' }), 202)
    assert.deepEqual([rig.done, rig.actions], [['drain'], ['ops /admin/v1/drain']])
  })

  it('answers the audit rows, within bounds', async () => {
    const rig = await new AdminRig().open()
    const { status, text } = await rig.ask('GET', '/admin/v1/audit?limit=5')
    assert.deepEqual(
      [status, JSON.parse(text)],
      [200, { rows: [], isIntact: true, count: 0, headHash: '0'.repeat(64) }],
    )
    for (const query of ['limit=0', 'limit=x', 'limit=1001', 'before=-1']) {
      assert.equal((await rig.ask('GET', `/admin/v1/audit?${query}`)).status, 400, query)
    }
  })

  it('hands leadership to a named member, and takes a checkpoint', async () => {
    const rig = await new AdminRig().open()
    const to = [...rig.trio.nodes.keys()].find(name => name !== rig.name)!
    assert.equal((await rig.ask('POST', '/admin/v1/leader/transfer', {}, JSON.stringify({ to: 'nobody' }))).status, 404)
    assert.equal((await rig.ask('POST', '/admin/v1/leader/transfer', {}, 'to n2')).status, 400)
    assert.equal(
      (await rig.ask('POST', '/admin/v1/leader/transfer', {}, '{"tu":"n2"}')).status,
      400,
      'a misspelt field',
    )
    assert.equal((await rig.ask('POST', '/admin/v1/leader/transfer', {}, ' '.repeat(5_000))).status, 400)
    const answer = await rig.ask('POST', '/admin/v1/leader/transfer', {}, JSON.stringify({ to }))
    assert.equal(answer.status, 200, answer.text)
    await rig.trio.until('the other to lead', () => rig.trio.leader === to)
    assert.equal((await rig.ask('POST', '/admin/v1/leader/transfer')).status, 409)
    const checkpoint = await rig.ask('POST', '/admin/v1/checkpoint')
    assert.ok(JSON.parse(checkpoint.text).seq > 0)
  })
})

describe('the requests under way', () => {
  it('are listed and cancelled, which is audited', async () => {
    const rig = await new AdminRig().open('follower')
    const { trio, name } = rig
    const session = await trio.openSession(trio.leader!)
    trio.wire.cutOff.add(name)
    await trio.until('no leader', () => trio.node(name).replica.topology.leaderId === 0)
    const put = { type: 'kvSet', project: 'p', key: Uint8Array.of(1), value: Uint8Array.of(2) } as const
    const answer = trio.submit(name, trio.request(session, { mutations: [put] })).catch((error: unknown) => error)
    const { text } = await rig.ask('GET', '/admin/v1/requests?limit=1')
    const { count, requests } = JSON.parse(text)
    assert.deepEqual([count, requests[0].kind, requests[0].state], [1, 'commit', 'waiting'])
    const cancel = (id: unknown): ReturnType<AdminRig['ask']> =>
      rig.ask('POST', '/admin/v1/requests/cancel', {}, JSON.stringify({ id }))
    assert.equal((await cancel('commit-1-1')).status, 404)
    assert.equal((await cancel(7)).status, 400)
    assert.deepEqual(JSON.parse((await cancel(requests[0].id)).text), { id: requests[0].id, cancelled: true })
    assert.equal(((await answer) as { code: string }).code, 'cancelled')
    assert.deepEqual(
      rig.actions,
      [' commit-1-1', '', ` ${requests[0].id}`].map(id => `ops /admin/v1/requests/cancel${id}`),
    )
    assert.equal((await rig.ask('GET', '/admin/v1/requests?limit=0')).status, 400)
    assert.equal((await rig.ask('GET', '/admin/v1/requests', { authorization: 'Bearer other' })).status, 401)
  })

  it('that took long are kept from a threshold on, which can be changed', async () => {
    const rig = await new AdminRig().open()
    const { trio, name } = rig
    const session = await trio.openSession(name)
    const slow = async (): Promise<{ thresholdMs: number; count: number; requests: { kind: string }[] }> =>
      JSON.parse((await rig.ask('GET', '/admin/v1/requests/slow')).text)
    const change = async (thresholdMs: unknown): Promise<number> =>
      (await rig.ask('POST', '/admin/v1/requests/slow', {}, JSON.stringify({ thresholdMs }))).status
    await trio.commit(name, session, { mutations: [] })
    assert.equal((await slow()).count, 0)
    for (const wrong of [-1, 1.5, '0', 3_600_001]) assert.equal(await change(wrong), 400)
    assert.equal(await change(0), 200)
    await trio.commit(name, session, { mutations: [] })
    const { thresholdMs, count, requests } = await slow()
    assert.deepEqual([thresholdMs, count, requests[0]!.kind], [0, 1, 'commit'])
    assert.equal(await change(60_000), 200)
    await trio.commit(name, session, { mutations: [] })
    assert.equal((await slow()).count, 1)
  })
})

describe('the metrics', () => {
  it('are Prometheus text: every sample belongs to a family with help and type, and is a number', async () => {
    const rig = await new AdminRig().open()
    const { text, headers } = await rig.ask('GET', '/metrics')
    assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    const typed = new Set<string>()
    for (const line of text.trimEnd().split('\n')) {
      const family = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line)?.[1]
      if (family !== undefined) {
        assert.equal(typed.has(family), false, `${family} twice`)
        typed.add(family)
      } else if (!line.startsWith('# HELP ')) {
        const [, name = '', value = ''] = /^([a-z_:][a-z0-9_:]*)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? []
        assert.ok(typed.has(name), line)
        assert.ok(Number.isFinite(Number(value)), line)
      }
    }
    assert.match(text, /^quorate_server_has_leader 1$/m)
    assert.match(text, /^quorate_server_is_leader 1$/m)
    assert.match(text, /^quorate_server_voters 3$/m)
  })

  it('escape labels and help, write families of one name once, and refuse wrong names', () => {
    const sample = (label: string, value: number): { value: number; labels: Record<string, string> } => ({
      value,
      labels: { peer: label },
    })
    const family = { name: 'quorate_x', help: 'a\nb\\', type: 'gauge' as const }
    const text = formatMetrics([
      { ...family, samples: [sample('a"b\\c\nd', 1)] },
      { ...family, samples: [sample('e', Number.POSITIVE_INFINITY)] },
    ])
    assert.equal(
      text,
      '# HELP quorate_x a\\nb\\\\\n# TYPE quorate_x gauge\nquorate_x{peer="a\\"b\\\\c\\nd"} 1\nquorate_x{peer="e"} +Inf\n',
    )
    assert.throws(() => formatMetrics([{ ...family, name: 'quorate x', samples: [] }]), RangeError)
  })
})

describe('the figures for the console', () => {
  it('are the metrics but those that begin anew when they are read', async () => {
    const rig = await new AdminRig().open()
    const namesOf = (text: string): Set<string> =>
      new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name!))
    const metrics = namesOf((await rig.ask('GET', '/metrics')).text)
    const figures = namesOf((await rig.ask('GET', '/admin/v1/figures')).text)
    assert.ok(figures.has('quorate_server_is_leader') && metrics.has('quorate_process_loop_lag_seconds'))
    assert.ok(!figures.has('quorate_process_loop_lag_seconds'))
    for (const name of figures) assert.ok(metrics.has(name), name)
  })
})

describe('the console', () => {
  it('asks only for figures that nodes have', async () => {
    const nodes = readFileSync('docs/operate/metrics.md', 'utf8')
    const asked = Array.from(CONSOLE_SCRIPT.matchAll(/'(quorate_[a-z_]+)'/g), ([, name]) =>
      name!.replace(/_count$/, ''),
    )
    assert.ok(asked.length > 15)
    for (const name of asked) assert.ok(nodes.includes(`\`${name}\``), name)
    assert.doesNotThrow(() => new Script(CONSOLE_SCRIPT))
  })

  it('is served with a strict policy and loads nothing from elsewhere', async () => {
    const rig = await new AdminRig().open()
    for (const path of ['/', '/console.js', '/console.css']) {
      const { status, text, headers } = await rig.ask('GET', path, {}, undefined, false)
      assert.equal(status, 200)
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/)
      assert.doesNotMatch(text, /https?:\/\/|innerHTML|\bon[a-z]+=|<style|javascript:/)
    }
  })
})

describe('an error', () => {
  it('has a code and no stack', async () => {
    const rig = await new AdminRig().open()
    const { status, text } = await rig.ask('GET', '/admin/v1/nothing')
    assert.equal(status, 404)
    assert.equal(JSON.parse(text).code, 'not_found')
    assert.doesNotMatch(text, /at .*\.ts/)
  })
})
