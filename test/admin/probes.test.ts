import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createStartingApp } from '../../src/admin/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { AdminRig, HEALTHY } from './rig.ts'

describe('the probes', () => {
  it('say alive, ready and started on a healthy node, without a token, in few words', async () => {
    const rig = await new AdminRig().open()
    for (const probe of ['livez', 'readyz', 'startupz']) {
      const answer = await rig.ask('GET', `/${probe}`, {}, undefined, false)
      const started = '{"status":"started","phase":"started","percent":100}\n'
      assert.deepEqual([answer.status, answer.text], [200, probe === 'startupz' ? started : 'ok\n'])
      assert.equal((await rig.ask('HEAD', `/${probe}`)).status, 200)
      assert.equal((await rig.ask('POST', `/${probe}`)).status, 405)
    }
  })

  it('name every check when asked, one alone, and leave some out', async () => {
    const rig = await new AdminRig().open()
    rig.health = { ...HEALTHY, fenced: 'differs from its peers' }
    const { text, status } = await rig.ask('GET', '/readyz?verbose')
    assert.equal(status, 503)
    assert.match(text, /^\[\+\]storage ok$/m)
    assert.match(text, /^\[-\]fenced failed: differs from its peers$/m)
    assert.match(text, /^readyz check failed$/m)
    assert.equal(await rig.status('/readyz/fenced'), 503)
    assert.equal(await rig.status('/readyz/leader'), 200)
    assert.equal(await rig.status('/readyz?exclude=fenced'), 200)
    assert.equal(await rig.status('/readyz?exclude=nonsense'), 404)
    assert.equal(await rig.status('/readyz/nonsense'), 404)
  })

  it('stay alive without a quorum, and ready until the grace for a lost leader is over', async () => {
    const rig = await new AdminRig().open('follower')
    for (const name of rig.trio.nodes.keys()) if (name !== rig.name) rig.trio.crash(name)
    await rig.trio.until('the leader to be missed', () => rig.trio.node(rig.name).replica.topology.leaderId === 0)
    assert.equal(await rig.status('/readyz'), 200)
    await rig.pass(9_500)
    assert.equal(await rig.status('/readyz'), 200)
    await rig.pass(1_000)
    assert.equal(await rig.status('/readyz'), 503)
    assert.equal(await rig.status('/readyz?exclude=leader'), 200)
    assert.equal(await rig.status('/livez'), 200)
    assert.equal((await rig.ask('GET', '/admin/v1/status')).status, 200)
  })

  it('are not ready while the node is drained, and alive all the same', async () => {
    const rig = await new AdminRig().open('follower')
    assert.equal(await rig.status('/readyz'), 200)
    const { world } = rig.trio
    await world.runToCompletion(rig.trio.node(rig.name).replica.drain(1_000))
    const { status, text } = await rig.ask('GET', '/readyz')
    assert.deepEqual([status, text.match(/^\[-\].*$/gm)], [503, ['[-]draining failed: the node is being drained']])
    assert.deepEqual([await rig.status('/livez'), await rig.status('/startupz')], [200, 200])
  })

  it('tell the leader from the others', async () => {
    const leader = await new AdminRig().open('leader')
    const follower = await new AdminRig().open('follower')
    assert.deepEqual([await leader.status('/leaderz'), await follower.status('/leaderz')], [200, 503])
    assert.deepEqual(
      [await leader.status('/leaderz?role=follower'), await follower.status('/leaderz?role=follower')],
      [503, 200],
    )
    assert.equal(await leader.status('/leaderz?role=king'), 400)
  })

  it('are not alive once the storage has failed, and not started before the start is done', async () => {
    const rig = await new AdminRig().open()
    rig.health = { ...HEALTHY, storage: 'a write failed' }
    assert.equal(await rig.status('/livez'), 503)
    rig.health = { ...HEALTHY, start: { phase: 'replay', share: 0.429 } }
    assert.deepEqual(
      [await rig.status('/livez'), await rig.status('/startupz'), await rig.status('/readyz')],
      [200, 503, 503],
    )
    assert.equal((await rig.ask('GET', '/startupz')).text, '{"status":"starting","phase":"replay","percent":42}\n')
    assert.match((await rig.ask('GET', '/startupz/started')).text, /failed: the node is starting: replay, 42 % done$/m)
    rig.health = { ...rig.health, storage: 'a write failed' }
    const { status, checks } = JSON.parse((await rig.ask('GET', '/startupz')).text)
    assert.deepEqual([status, checks[0]], ['failed', { name: 'storage', failure: 'a write failed' }])
    assert.equal(JSON.parse((await rig.ask('GET', '/startupz?verbose&exclude=started')).text).checks.length, 1)
  })

  it('refuse parameters that they do not know, rather than to ask for something else', async () => {
    const rig = await new AdminRig().open()
    for (const path of ['/readyz?excluded=leader', '/livez/storage?exclude=storage', '/startupz?role=leader']) {
      const { status, text } = await rig.ask('GET', path)
      assert.deepEqual([status, JSON.parse(text).code], [400, 'invalid_argument'], path)
    }
  })
})

describe('the probe of the leader', () => {
  it('answers the statuses that it is told to, each by the role that the node has', async () => {
    const leader = await new AdminRig().open('leader')
    const follower = await new AdminRig().open('follower')
    const path = '/leaderz?leader_code=201&follower_code=429'
    assert.deepEqual([await leader.status(path), await follower.status(path)], [201, 429])
    const other = '/leaderz?role=follower&leader_code=404&none_code=500'
    assert.deepEqual([await leader.status(other), await follower.status(other)], [404, 200])
    const { status, text } = await leader.ask('GET', '/leaderz?leader_code=204')
    assert.deepEqual([status, text], [204, ''])
    const headed = await follower.ask('HEAD', '/leaderz?follower_code=429')
    assert.deepEqual([headed.status, headed.text], [429, ''])
    assert.equal((await leader.ask('POST', '/leaderz')).status, 405)
  })

  it('is neither that of a leader nor of a follower on a node without a leader', async () => {
    const rig = await new AdminRig().open('follower')
    for (const name of rig.trio.nodes.keys()) if (name !== rig.name) rig.trio.crash(name)
    await rig.trio.until('a candidacy', () => rig.trio.node(rig.name).replica.status().role === 'candidate')
    const codes = await Promise.all(
      ['/leaderz', '/leaderz?role=follower', '/leaderz?none_code=299'].map(path => rig.status(path)),
    )
    assert.deepEqual(codes, [503, 503, 299])
  })

  it('refuses parameters without a meaning, on whatever node', async () => {
    const rig = await new AdminRig().open('follower')
    const wrong = ['role=king', 'role=', 'leader_code=199', 'leader_code=600', 'leader_code=2e2', 'follower_code=']
    for (const query of [...wrong, 'leadercode=200', 'leader_code=200&leader_code=201', 'role=leader&role=follower']) {
      const { status, text } = await rig.ask('GET', `/leaderz?${query}`)
      assert.deepEqual([status, JSON.parse(text).code], [400, 'invalid_argument'], query)
    }
  })
})

describe('readiness', () => {
  it('reads the local state: at most once a second, and not for longer than a second', async () => {
    const rig = await new AdminRig().open()
    let reads = 0
    let release: () => void = () => {}
    rig.readLocal = () => {
      reads++
      return Promise.resolve()
    }
    for (let i = 0; i < 3; i++) assert.equal(await rig.status('/readyz/read'), 200)
    assert.equal(reads, 1)
    rig.readLocal = () => {
      reads++
      return new Promise<void>(resolve => (release = resolve))
    }
    await rig.pass(1_001)
    const startMs = rig.trio.world.nowMs
    const { status, text } = await rig.ask('GET', '/readyz')
    assert.deepEqual([status, /\[-\]read failed: a read takes more than 1000 ms/.test(text)], [503, true])
    assert.ok(rig.trio.world.nowMs - startMs < 1_100)
    const againMs = rig.trio.world.nowMs
    assert.equal(await rig.status('/readyz'), 503)
    assert.deepEqual([rig.trio.world.nowMs - againMs, reads], [0, 2], 'a read that hangs is not joined by others')
    release()
    await rig.pass(1)
    assert.equal(await rig.status('/readyz'), 200)
    rig.readLocal = () => Promise.reject(new QuorateError('damaged', 'pages/data at 4096: not for everybody'))
    await rig.pass(1_001)
    const failed = await rig.ask('GET', '/readyz/read')
    assert.match(failed.text, /^\[-\]read failed: a read failed: damaged$/m)
    assert.equal(await rig.status('/readyz?exclude=read'), 200)
  })

  it('outlives a burst of writes, is lost by who lags for the whole grace, and comes back at a quarter of the bound', async () => {
    const rig = new AdminRig()
    rig.readiness = { lagEntries: 400, lagGraceMs: 5_000 }
    await rig.open('follower')
    assert.equal(await rig.status('/readyz'), 200)
    rig.lag = 1_000
    assert.equal(await rig.status('/readyz'), 200)
    await rig.pass(4_000)
    assert.equal(await rig.status('/readyz'), 200)
    // A moment below the bound, between two probes, begins the grace anew.
    rig.lag = 300
    await rig.pass(600)
    rig.lag = 1_000
    await rig.pass(4_000)
    assert.equal(await rig.status('/readyz'), 200)
    await rig.pass(1_600)
    assert.match((await rig.ask('GET', '/readyz')).text, /\[-\]applied failed: 10\d\d committed entries/)
    rig.lag = 300
    await rig.pass(20_000)
    assert.equal(await rig.status('/readyz'), 503)
    rig.lag = 80
    assert.equal(await rig.status('/readyz'), 200)
  })

  it('is nothing that a node has from its start: it knows what is committed and has caught up with that first', async () => {
    const rig = new AdminRig()
    rig.readiness = { lagEntries: 400, lagGraceMs: 5_000 }
    rig.health = { ...HEALTHY, knowsCommit: false }
    await rig.open('follower')
    assert.match((await rig.ask('GET', '/readyz/applied')).text, /how much is committed is not known/)
    rig.lag = 200
    rig.health = HEALTHY
    assert.equal(await rig.status('/readyz/applied'), 503)
    rig.lag = 0
    assert.equal(await rig.status('/readyz'), 200)
  })
})

describe('a node that starts', () => {
  it('is alive, and neither started, ready nor anything else, which it says with a code', async () => {
    const app = createStartingApp(() => ({ phase: 'check', share: 0.999 }))
    const ask = async (path: string, method = 'GET'): Promise<[number, string]> => {
      const response = await app.fetch(new Request(`http://127.0.0.1:7420${path}`, { method }), { isLoopback: false })
      return [response.status, await response.text()]
    }
    assert.deepEqual(await ask('/livez'), [200, 'ok\n'])
    assert.deepEqual(await ask('/startupz'), [503, '{"status":"starting","phase":"check","percent":99}\n'])
    assert.deepEqual(
      [await ask('/leaderz'), await ask('/leaderz?none_code=200')],
      [
        [503, 'none\n'],
        [200, 'none\n'],
      ],
    )
    const [status, text] = await ask('/readyz?verbose')
    assert.equal(status, 503)
    assert.match(text, /^\[\+\]storage ok\n\[-\]started failed: the node is starting: check, 99 % done$/m)
    const rig = await new AdminRig().open()
    const started = (await rig.ask('GET', '/readyz?verbose')).text
    const names = (of: string): string[] => Array.from(of.matchAll(/^\[.\](\w+)/gm), ([, name]) => name!)
    assert.deepEqual(names(text), names(started), 'the same checks can be left out before and after')
    for (const path of ['/', '/metrics', '/admin/v1/status', '/nothing']) {
      const [code, body] = await ask(path)
      const { code: error, retryable } = JSON.parse(body)
      assert.deepEqual([code, error, retryable], [503, 'unavailable', true], path)
    }
    assert.equal((await ask('/admin/v1/drain', 'POST'))[0], 503)
    assert.equal((await ask('/livez', 'POST'))[0], 405)
  })
})
