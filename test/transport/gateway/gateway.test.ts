import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeOutcome, repeatedOutcome, requestSerial } from '../../../src/encoding/index.ts'
import { CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON, formatToken } from '../../../src/model/index.ts'
import type { NodeService, OutcomeHandler } from '../../../src/model/index.ts'
import { commit, ddl, get, hello, put, Rig, watch } from './client.ts'
import type { TestClient } from './client.ts'

const text = new TextDecoder()

function valueRead(client: TestClient, requestId: number): string | undefined {
  const answer = client.find('readResult', requestId)
  assert.ok(answer?.result.type === 'get', `no answer to read ${requestId}`)
  const [entry] = answer.result.entries
  return entry && text.decode(entry.value)
}

for (const subprotocol of [CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON]) {
  for (const place of ['leader', 'follower'] as const) {
    describe(`a client of the ${place} over ${subprotocol}`, () => {
      it('opens a session, writes, and reads what it wrote', async () => {
        const rig = await Rig.open({ place })
        const client = await rig.welcome({ subprotocol })
        const welcome = client.find('welcome')!
        assert.equal(welcome.caller, 'root')
        assert.ok(welcome.session!.id > 0)
        assert.equal(welcome.limits.keyBytesMax, 768)
        client.say(commit(2, 1, put('a', '1')))
        await rig.until('the outcome', () => client.find('outcome', 2) !== undefined)
        const outcome = decodeOutcome(client.find('outcome', 2)!.outcome)
        assert.equal(outcome.status, 'committed')
        client.say(get(3, 'a'), get(4, 'nothing'))
        await rig.until('the reads', () => client.find('readResult', 4) !== undefined)
        assert.equal(valueRead(client, 3), '1')
        assert.equal(valueRead(client, 4), undefined)
        assert.ok(client.find('readResult', 3)!.seq >= outcome.seq)
      })

      it('gets the changes of a watch, each commit whole', async () => {
        const rig = await Rig.open({ place })
        const client = await rig.welcome({ subprotocol })
        client.say(watch(5))
        const two = { mutations: [...put('a', '1').mutations, ...put('b', '2').mutations] }
        client.say(commit(6, 1, two))
        await rig.until('the change', () => client.all('watchEvents').some(m => m.events[0]!.type === 'commit'))
        const event = client
          .all('watchEvents')
          .flatMap(m => m.events)
          .find(e => e.type === 'commit')!
        assert.deepEqual(
          event.changes.map(change => text.decode(change.key)),
          ['a', 'b'],
        )
        assert.equal(rig.gateway.stats.watches, 1)
        client.say({ type: 'cancel', requestId: 5 })
        assert.equal(rig.gateway.stats.watches, 0)
      })
    })
  }
}

describe('commits of one frame', () => {
  it('are answered each by its own id, with leader time and latency as of the turn of the answer', async () => {
    let leaderTimeMicros = 1_000
    const submitted: { serial: number; onOutcome: OutcomeHandler }[] = []
    const wrap = (service: NodeService): NodeService =>
      new Proxy(service, {
        get: (target, property) => {
          if (property === 'leaderTimeMicros') return leaderTimeMicros
          if (property === 'submit') {
            return (request: Uint8Array, onOutcome: OutcomeHandler) =>
              submitted.push({ serial: requestSerial(request), onOutcome })
          }
          const value: unknown = Reflect.get(target, property, target)
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value
        },
      })
    const rig = await Rig.open({ wrap })
    const client = await rig.welcome()
    client.say(commit(2, 1, put('a', '1')), commit(3, 2, put('b', '2')), commit(4, 3, put('c', '3')))
    assert.deepEqual(
      submitted.map(({ serial }) => serial),
      [1, 2, 3],
    )
    const told = (): string[] => client.all('outcome').map(m => `${m.requestId} ${m.outcome[0]} ${m.leaderTimeMicros}`)
    await rig.pass(5)
    for (const at of [1, 0]) submitted[at]!.onOutcome(Uint8Array.of(at), undefined)
    await rig.pass(2)
    leaderTimeMicros = 8_000
    submitted[2]!.onOutcome(Uint8Array.of(2), undefined)
    await rig.pass(1)
    assert.deepEqual(told(), ['3 1 1000', '2 0 1000', '4 2 8000'])
    const { count, sumSeconds } = rig.gateway.stats.commitLatency
    assert.deepEqual([count, Math.round(sumSeconds * 1000)], [3, 5 + 5 + 7])
    for (const [id, notAfterMicros] of [7_999, 8_000].entries())
      client.say(commit(5 + id, 4, put('d', '4'), { notAfterMicros }))
    await rig.pass(1)
    assert.deepEqual([client.find('error', 5)?.error.code, submitted.length], ['expired', 4])
  })
})

describe('a session', () => {
  it('answers a copy of a request with the first outcome, also over another connection that goes on with it', async () => {
    const rig = await Rig.open()
    const nonce = rig.nonce()
    const client = rig.connect()
    client.say(hello({ session: { id: 0, nonce } }))
    await rig.until('welcome', () => client.find('welcome') !== undefined)
    const { session } = client.find('welcome')!
    client.say(commit(2, 1, put('a', '1')))
    await rig.until('the outcome', () => client.find('outcome', 2) !== undefined)
    client.link.onClose!(1006, '')
    const again = rig.connect()
    again.say(hello({ session: { id: session!.id, nonce } }))
    await rig.until('welcome', () => again.find('welcome') !== undefined)
    again.say(commit(9, 1, put('a', 'other'), { copy: 1 }))
    await rig.until('the outcome', () => again.find('outcome', 9) !== undefined)
    assert.deepEqual(again.find('outcome', 9)!.outcome, repeatedOutcome(client.find('outcome', 2)!.outcome))
    again.say(get(10, 'a'))
    await rig.until('the read', () => again.find('readResult', 10) !== undefined)
    assert.equal(valueRead(again, 10), '1')
  })

  it('is the same one when its opening is sent again', async () => {
    const rig = await Rig.open()
    const nonce = rig.nonce()
    const ids: number[] = []
    for (let i = 0; i < 2; i++) {
      const client = rig.connect()
      client.say(hello({ session: { id: 0, nonce } }))
      await rig.until('welcome', () => client.find('welcome') !== undefined)
      ids.push(client.find('welcome')!.session!.id)
    }
    assert.equal(ids[0], ids[1])
  })
})

describe('all that happens in one turn', () => {
  it('shares a frame', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome()
    client.heard()
    const before = client.frames
    client.say(...Array.from({ length: 50 }, (_, i) => get(i + 2, 'a')))
    await rig.until('the reads', () => client.find('readResult', 51) !== undefined)
    assert.equal(client.frames - before, 1)
  })
})

describe('a view', () => {
  it('shows one state while the world goes on, and ends when it is not used', async () => {
    const rig = await Rig.open({ limits: { viewIdleMs: 1_000 } })
    const client = await rig.welcome()
    client.say({ type: 'openView', requestId: 2, timeoutMs: 0, consistency: 'linearizable', caller: '' })
    await rig.until('the view', () => client.find('viewOpened', 2) !== undefined)
    const { viewId } = client.find('viewOpened', 2)!
    client.say(commit(3, 1, put('a', '1')))
    await rig.until('the outcome', () => client.find('outcome', 3) !== undefined)
    client.say(get(4, 'a', { viewId }))
    assert.equal(
      (await rig.until('the read', () => client.find('readResult', 4) !== undefined), valueRead(client, 4)),
      undefined,
    )
    assert.equal(rig.gateway.stats.views, 1)
    await rig.pass(3_000)
    assert.equal(rig.gateway.stats.views, 0)
    client.say(get(5, 'a', { viewId }))
    await rig.until('the refusal', () => client.find('error', 5) !== undefined)
    assert.equal(client.find('error', 5)!.error.code, 'view_expired')
  })
})

describe('a view that is read all the time', () => {
  it('ends when it is too old', async () => {
    const rig = await Rig.open({ limits: { viewIdleMs: 2_000, viewAgeMs: 10_000 } })
    const client = await rig.welcome()
    client.say({ type: 'openView', requestId: 2, timeoutMs: 0, consistency: 'local', caller: '' })
    await rig.until('the view', () => client.find('viewOpened', 2) !== undefined)
    const { viewId } = client.find('viewOpened', 2)!
    let reads = 0
    for (; reads < 30 && rig.gateway.stats.views === 1; reads++) {
      client.say(get(reads + 10, 'a', { viewId }))
      await rig.pass(1_000)
    }
    assert.ok(reads >= 9 && reads <= 13, `${reads} reads`)
    client.say(get(5, 'a', { viewId }))
    await rig.until('the refusal', () => client.find('error', 5) !== undefined)
    assert.equal(client.find('error', 5)!.error.code, 'view_expired')
  })
})

describe('permissions', () => {
  it('acting as somebody else needs impersonate, for reads, watches and writes', async () => {
    const rig = await Rig.open()
    const root = await rig.welcome()
    root.say(commit(2, 1, { mutations: [ddl({ type: 'grant', caller: 'ann', permission: { type: 'impersonate' } })] }))
    await rig.until('the grant', () => root.find('outcome', 2) !== undefined)
    for (const [token, code] of [
      ['ann', 'none'],
      ['bob', 'permission_denied'],
    ] as const) {
      const client = await rig.welcome({ token })
      client.say(
        get(2, 'a', { caller: 'root' }),
        watch(3, { caller: 'root' }),
        commit(4, 1, put('a', '1'), { caller: 'root' }),
      )
      await rig.until(
        'the outcome',
        () => client.find('outcome', 4) !== undefined || client.find('error', 4) !== undefined,
      )
      await rig.pass(100)
      const outcome = client.find('outcome', 4)
      const decoded = outcome === undefined ? undefined : decodeOutcome(outcome.outcome)
      assert.equal(
        decoded?.status === 'committed' ? 'none' : (decoded?.code ?? client.find('error', 4)!.error.code),
        code,
      )
      assert.equal(client.find('error', 2)?.error.code ?? 'none', code)
      assert.equal(client.find('error', 3)?.error.code ?? 'none', code)
    }
    assert.deepEqual(rig.impersonations, ['ann as root'], 'told once for the connection, and only for who may')
    const { machine } = rig.trio.node(rig.name)
    const { rows } = await machine.auditRows(10, Number.MAX_SAFE_INTEGER)
    assert.deepEqual(
      rows
        .filter(({ kind }) => kind === 'impersonated')
        .map(({ actor, caller, code }) => `${actor} as ${caller} ${code}`),
      ['ann as root '],
    )
    const ann = await rig.welcome({ token: 'ann', as: 'root' })
    assert.equal(ann.find('welcome')!.caller, 'root')
    ann.say(get(2, 'a'))
    await rig.until('the read', () => ann.find('readResult', 2) !== undefined)
  })
})

describe('a watch from a point', () => {
  it('is refused if the point is of another history', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome()
    client.say(watch(2, { from: formatToken('0'.repeat(31) + '1', 5) }))
    await rig.until('the refusal', () => client.find('error', 2) !== undefined)
    assert.equal(client.find('error', 2)!.error.code, 'history_changed')
    client.say(watch(3, { project: 'nowhere' }))
    await rig.until('the refusal', () => client.find('error', 3) !== undefined)
    assert.equal(client.find('error', 3)!.error.code, 'project_not_found')
  })
})

describe('a draining gateway', () => {
  it('tells its clients, answers what is open, refuses new ones, and closes', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome()
    const { world } = rig.trio
    const drained = world.runToCompletion(rig.gateway.drain(500, { nodeId: 2, term: 3, clientAddress: 'n2:2' }))
    client.say(commit(2, 1, put('a', '1')))
    const late = rig.connect()
    late.say(hello())
    await drained
    assert.equal(client.find('goaway')!.reason, 'draining')
    assert.equal(client.find('goaway')!.leader!.clientAddress, 'n2:2')
    assert.ok(client.find('outcome', 2) !== undefined)
    assert.equal(late.find('error', 0)!.error.code, 'draining')
    assert.equal(client.link.closed!.code, 1001)
    assert.equal(rig.gateway.stats.connections, 0)
  })
})

describe('the topology', () => {
  it('is pushed when it changes', async () => {
    const rig = await Rig.open({ place: 'follower' })
    const client = await rig.welcome()
    const { term } = client.find('welcome')!.topology
    rig.trio.crash(rig.trio.leader!)
    await rig.until('a new leader', () =>
      client.all('topology').some(m => m.topology.leaderId !== 0 && m.topology.term > term),
    )
  })
})
