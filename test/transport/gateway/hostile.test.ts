import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON, QuorateError } from '../../../src/model/index.ts'
import type { ClientMessage, OutcomeHandler, StateView } from '../../../src/model/index.ts'
import { commit, ddl, get, hello, put, Rig, watch, withMethods } from './client.ts'
import type { TestClient } from './client.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const utf8 = new TextEncoder()

function codeOf(client: TestClient, requestId: number): string | undefined {
  return client.find('error', requestId)?.error.code
}

describe('a frame that is wrong', () => {
  it('in one message is answered under its id, and the connection goes on', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome()
    const broken = client.frame(commit(2, 1, put('a', '1')))
    broken[broken.length - 20] = 0xff
    const cut = client.frame(get(3, 'a')).slice(0, 20)
    cut[0] = cut.length
    const unknown = client.frame(get(4, 'a'))
    unknown[4] = 33
    for (const frame of [broken, cut, unknown]) client.link.onFrame!(frame)
    client.say(get(5, 'a'))
    await rig.until('the read', () => client.find('readResult', 5) !== undefined)
    assert.deepEqual(
      [2, 3, 4].map(id => codeOf(client, id)),
      ['malformed_request', 'malformed_request', 'malformed_request'],
    )
    assert.equal(client.link.closed, undefined)
    assert.deepEqual(rig.faults, [])
  })

  it('as a whole, or breaks the order of things, ends the connection', async () => {
    const rig = await Rig.open({ limits: { maxFrameBytes: 100_000 } })
    const cases: readonly [string, (client: TestClient) => void, string, number][] = [
      [
        'a length beyond the frame',
        c => c.link.onFrame!(Uint8Array.of(99, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0)),
        'malformed_request',
        1002,
      ],
      ['half a header', c => c.link.onFrame!(Uint8Array.of(1, 2, 3)), 'malformed_request', 1002],
      ['too long', c => c.link.onFrame!(new Uint8Array(100_001)), 'frame_too_large', 1009],
      ['request id 0', c => c.say(get(0, 'a')), 'malformed_request', 1002],
      ['a request id in use', c => c.say(get(7, 'a'), get(7, 'b')), 'malformed_request', 1002],
      ['another protocol', c => c.say(hello({ protocol: 2 })), 'unsupported_version', 1008],
    ]
    for (const [what, say, code, close] of cases) {
      const client = await rig.welcome()
      say(client)
      assert.equal(codeOf(client, 0), code, what)
      assert.equal(client.link.closed?.code, close, what)
    }
    assert.equal(rig.gateway.stats.connections, 0)
  })

  it('of JSON ends the connection', async () => {
    const rig = await Rig.open()
    for (const text of [
      '',
      '{}',
      '[{"type":"read"}]',
      '[1]',
      '[{"type":"nonsense","requestId":1}]',
      '[[[',
      '"\ud800"',
    ]) {
      const client = await rig.welcome({ subprotocol: CLIENT_SUBPROTOCOL_JSON })
      client.link.onFrame!(utf8.encode(text))
      assert.deepEqual([codeOf(client, 0), client.link.closed?.code], ['malformed_request', 1007], text)
    }
    const client = await rig.welcome({ subprotocol: CLIENT_SUBPROTOCOL_JSON })
    client.link.onFrame!(Uint8Array.of(0x5b, 0xff, 0x5d))
    assert.equal(client.link.closed?.code, 1007)
  })

  it(`changes nothing and breaks nothing, whatever its bytes are (seed ${seed})`, async () => {
    const rig = await Rig.open({ seed })
    const { random } = rig.trio.world
    const { machine } = rig.trio.node(rig.name)
    await rig.pass(500)
    const sane = [
      get(2, 'a'),
      commit(3, 1, put('a', '1')),
      watch(4),
      hello(),
      { type: 'openView', requestId: 5, timeoutMs: 9, consistency: 'local', caller: 'x' } as const,
    ]
    for (let round = 0; round < 400; round++) {
      const subprotocol = round % 3 === 0 ? CLIENT_SUBPROTOCOL_JSON : CLIENT_SUBPROTOCOL_BINARY
      const client = rig.connect({ subprotocol })
      if (round % 2 === 0) client.say(hello())
      const frame = client.frame(...sane)
      const isNoise = random.below(4) === 0
      for (let i = 0; i < 1 + random.below(8); i++) frame[random.below(frame.length)] = random.below(256)
      client.link.onFrame!(
        isNoise
          ? Uint8Array.from({ length: random.below(200) }, () => random.below(256))
          : frame.slice(0, 1 + random.below(frame.length)),
      )
      if (round % 20 === 0) await rig.pass(20)
      client.heard()
      client.link.onClose!(1006, '')
    }
    await rig.pass(500)
    assert.deepEqual(rig.faults, [])
    assert.deepEqual(rig.gateway.stats.connections + rig.gateway.stats.views + rig.gateway.stats.watches, 0)
    const check = await rig.welcome()
    check.say(get(2, 'a'))
    await rig.until('the read', () => check.find('readResult', 2) !== undefined)
    const { result } = check.find('readResult', 2)!
    // None of these connections has a session, so that not even a sound commit among them may be applied.
    assert.ok(result.type === 'get' && result.entries[0] === undefined)
    assert.ok(machine.appliedSeq > 0)
  })
})

describe('a connection', () => {
  it('that is not known is refused, and nothing before hello is taken', async () => {
    const rig = await Rig.open({ authenticate: token => (token === 'good' ? 'ann' : undefined) })
    const nobody = rig.connect()
    nobody.say(hello({ token: 'bad' }))
    assert.deepEqual([codeOf(nobody, 0), nobody.link.closed?.code], ['unauthenticated', 1008])
    const early = rig.connect({ token: 'good' })
    early.say(get(2, 'a'))
    assert.deepEqual([codeOf(early, 0), early.link.closed?.code], ['unauthenticated', 1008])
    const long = rig.connect({ token: 'good' })
    long.link.onFrame!(new Uint8Array(65_537))
    assert.equal(codeOf(long, 0), 'frame_too_large')
    const good = rig.connect({ token: 'good' })
    good.say(hello())
    await rig.pass(1)
    assert.equal(good.find('welcome')!.caller, 'ann')
    good.say(hello({ token: 'bad' }))
    assert.equal(codeOf(good, 0), 'unauthenticated')
    assert.equal(rig.gateway.stats.unauthenticatedTotal, 2)
  })

  it("that was let in is sent away once its token is not good any more, or is another caller's", async () => {
    const rig = await Rig.open({ authenticate: (token, isLoopback) => token ?? (isLoopback ? 'root' : undefined) })
    const [ann, bob, early, local] = [{ token: 'ann' }, { token: 'bob' }, { token: 'gone' }, {}].map(origin =>
      rig.connect(origin),
    ) as [TestClient, TestClient, TestClient, TestClient]
    const late = rig.connect()
    late.say(hello({ token: 'gone' }))
    for (const client of [ann, bob, local]) client.say(hello())
    await rig.pass(1)
    rig.gateway.recheck((token, isLoopback) => {
      if (token === undefined) return isLoopback ? 'root' : undefined
      return token === 'gone' ? undefined : token === 'bob' ? 'somebody' : token
    })
    await rig.pass(1)
    assert.deepEqual(
      [ann, bob, late, early, local].map(client => client.link.closed?.code),
      [undefined, 1008, 1008, undefined, undefined],
    )
    assert.equal(codeOf(late, 0), 'unauthenticated')
    assert.equal(rig.gateway.stats.unauthenticatedTotal, 2)
    ann.say(get(2, 'a'))
    await rig.until('answer', () => (ann.find('readResult', 2) ?? ann.find('error', 2)) !== undefined)
  })

  it('from an address that has failed too often is told to come later', async () => {
    const asked: string[] = []
    const rig = await Rig.open({
      authenticate: (_token, _isLoopback, address) => {
        asked.push(address)
        throw new QuorateError('busy', 'too many wrong tokens', { retryable: true })
      },
    })
    const client = rig.connect({ token: 'x', address: '10.1.2.3' })
    client.say(hello())
    assert.deepEqual([codeOf(client, 0), client.link.closed?.code, asked], ['busy', 1013, ['10.1.2.3']])
  })

  it('goes on with no session but one that it opened itself: its id alone proves nothing', async () => {
    const rig = await Rig.open({ authenticate: token => token })
    const nonce = rig.nonce()
    const owner = rig.connect({ token: 'root' })
    owner.say(hello({ session: { id: 0, nonce } }))
    await rig.until('welcome', () => owner.find('welcome') !== undefined)
    const { id } = owner.find('welcome')!.session!
    const attempts = [
      { token: 'mallory', nonce, code: 'permission_denied', what: 'another caller with the nonce' },
      { token: 'mallory', nonce: rig.nonce(), code: 'permission_denied', what: 'another caller' },
      { token: 'root', nonce: rig.nonce(), code: 'permission_denied', what: 'the same caller without the nonce' },
    ]
    for (const { token, nonce: shown, code, what } of attempts) {
      const thief = rig.connect({ token })
      thief.say(hello({ session: { id, nonce: shown } }))
      await rig.until(what, () => codeOf(thief, 1) !== undefined)
      assert.equal(codeOf(thief, 1), code, what)
      // The session of root may act as anybody: without the check above this would be applied.
      thief.say(commit(2, 1, put('stolen', what), { caller: 'root' }))
      await rig.pass(50)
      assert.equal(codeOf(thief, 2), 'session_ended', what)
    }
    const none = rig.connect({ token: 'root' })
    none.say(hello({ session: { id: id - 1, nonce } }))
    await rig.until('the answer', () => codeOf(none, 1) !== undefined)
    assert.equal(codeOf(none, 1), 'session_ended')
    const again = rig.connect({ token: 'root' })
    again.say(hello({ session: { id, nonce } }))
    await rig.until('welcome', () => again.find('welcome') !== undefined)
    assert.equal(again.find('welcome')!.session!.id, id)
  })

  it('that never says hello, or falls silent, is closed', async () => {
    const rig = await Rig.open({ limits: { helloMs: 2_000, idleMs: 6_000 } })
    const mute = rig.connect()
    const quiet = await rig.welcome()
    const lively = await rig.welcome()
    for (let i = 0; i < 10; i++) {
      await rig.pass(1_000)
      lively.say({ type: 'ping', requestId: 100 + i })
    }
    await rig.pass(10)
    assert.equal(mute.link.closed?.code, 1008)
    assert.equal(quiet.link.closed?.code, 1001)
    assert.equal(lively.link.closed, undefined)
    assert.equal(lively.all('pong').length, 10)
  })

  it('beyond the limit is told so', async () => {
    const rig = await Rig.open({ limits: { connectionsMax: 1 } })
    await rig.welcome()
    const second = rig.connect()
    assert.deepEqual([codeOf(second, 0), second.link.closed?.code], ['too_many_connections', 1013])
    assert.equal(rig.gateway.stats.connections, 1)
  })

  it('has bounded views and watches', async () => {
    const rig = await Rig.open({ limits: { viewsMax: 2, watchesMax: 2 } })
    const client = await rig.welcome()
    for (const requestId of [2, 3, 4]) {
      client.say({ type: 'openView', requestId, timeoutMs: 0, consistency: 'local', caller: '' }, watch(requestId + 10))
    }
    await rig.pass(50)
    assert.deepEqual([rig.gateway.stats.views, rig.gateway.stats.watches], [2, 2])
    assert.deepEqual([codeOf(client, 4), codeOf(client, 14)], ['view_limit', 'busy'])
    client.link.onClose!(1006, '')
    assert.deepEqual([rig.gateway.stats.views, rig.gateway.stats.watches], [0, 0])
  })
})

describe('views of all connections together', () => {
  it('are bounded, and there is room again when one is closed', async () => {
    const rig = await Rig.open({ limits: { viewsMax: 2, viewsOpenMax: 3 } })
    const openView = (requestId: number): ClientMessage => ({
      type: 'openView',
      requestId,
      timeoutMs: 0,
      consistency: 'local',
      caller: '',
    })
    const one = await rig.welcome()
    const other = await rig.welcome()
    one.say(openView(2), openView(3))
    other.say(openView(2), openView(3))
    await rig.until('all answers', () => codeOf(other, 3) !== undefined)
    const refused = other.find('error', 3)!.error
    assert.deepEqual([refused.code, refused.retryable, rig.gateway.stats.views], ['view_limit', true, 3])
    one.say({ type: 'closeView', requestId: 4, viewId: one.find('viewOpened', 2)!.viewId })
    other.say(openView(5))
    await rig.until('the view', () => other.find('viewOpened', 5) !== undefined)
    assert.equal(rig.gateway.stats.views, 3)
  })
})

describe('what a client may have open', () => {
  it('includes the views that watches are given, and a watch that finds no room for one is to come again', async () => {
    let view: StateView | undefined
    const rig = await Rig.open({
      limits: { viewsMax: 2 },
      wrap: service =>
        withMethods(service, {
          watch: (_selector, _fromSeq, sink) => {
            service.whenReadable('local', Infinity, found => {
              view = found
              sink.reset(found!)
            })
            return { close: () => {}, resume: () => {} }
          },
        }),
    })
    const client = await rig.welcome()
    client.say(watch(2), watch(3), watch(4))
    await rig.until('all answers', () => client.all('error').length > 0)
    const resets = client.all('watchEvents').map(({ requestId, events: [event] }) => [requestId, event?.type])
    assert.deepEqual(resets, [
      [2, 'reset'],
      [3, 'reset'],
    ])
    const { error } = client.find('error', 4)!
    assert.deepEqual([error.code, error.retryable], ['view_limit', true])
    assert.deepEqual([rig.gateway.stats.views, rig.gateway.stats.watches], [2, 2])
    assert.throws(() => view!.readSync({ type: 'projects' }, 'root'), { code: 'view_expired' })
  })

  for (const consistency of ['linearizable', 'local'] as const) {
    it(`is bounded when it asks for everything in one frame, ${consistency}`, async () => {
      const rig = await Rig.open({ limits: { viewsMax: 2, watchesMax: 2 } })
      const client = await rig.welcome()
      const permission = { type: 'kvRead', project: 'p' } as const
      client.say(commit(20, 1, { mutations: [ddl({ type: 'grant', caller: 'somebody', permission })] }))
      await rig.until('the permission', () => client.find('outcome', 20) !== undefined)
      const asked = [2, 3, 4, 5, 6].flatMap((requestId): ClientMessage[] => [
        { type: 'openView', requestId, timeoutMs: 0, consistency, caller: '' },
        watch(requestId + 10, { caller: 'somebody' }),
      ])
      client.say(...asked)
      await rig.until('all answers', () => client.all('viewOpened').length + client.all('error').length >= 8)
      assert.deepEqual([rig.gateway.stats.views, rig.gateway.stats.watches], [2, 2])
      assert.deepEqual([codeOf(client, 4), codeOf(client, 6), codeOf(client, 16)], ['view_limit', 'view_limit', 'busy'])
      client.link.onClose!(1006, '')
      assert.deepEqual([rig.gateway.stats.views, rig.gateway.stats.watches], [0, 0])
    })
  }
})

describe('a client that does not take its answers', () => {
  it('is not read from until it does', async () => {
    const rig = await Rig.open({ limits: { unsentBytesHigh: 1_000 } })
    const client = await rig.welcome()
    client.link.bufferedBytes = 2_000
    client.say({ type: 'ping', requestId: 2 })
    assert.equal(client.link.isPaused, true)
    client.say(get(3, 'a'))
    await rig.pass(200)
    assert.ok(client.find('pong', 2) !== undefined)
    assert.equal(client.find('readResult', 3), undefined)
    client.link.bufferedBytes = 0
    await rig.until('the second read', () => client.find('readResult', 3) !== undefined)
    assert.equal(client.link.isPaused, false)
  })

  it('gets the answers to many large reads one after the other, never more than it may leave untaken', async () => {
    const rig = await Rig.open({ limits: { unsentBytesHigh: 100_000, heldBytesMax: 1_000_000 } })
    const client = await rig.welcome()
    client.say(commit(2, 1, put('a', 'x'.repeat(50_000))))
    await rig.until('the write', () => client.find('outcome', 2) !== undefined)
    client.link.isSlow = true
    client.say(...Array.from({ length: 100 }, (_, i) => get(i + 10, 'a')))
    let most = 0
    await rig.until('all reads', () => {
      most = Math.max(most, client.link.bufferedBytes)
      if (client.link.bufferedBytes > 0) client.link.bufferedBytes -= Math.min(20_000, client.link.bufferedBytes)
      return client.all('readResult').length === 100
    })
    assert.ok(most > 100_000 && most < 700_000, `${most} bytes`)
    client.say(...Array.from({ length: 100 }, (_, i) => get(i + 200, 'a')))
    await rig.pass(50)
    client.link.onClose!(1006, '')
    await rig.pass(50)
    assert.equal(rig.gateway.stats.connections, 0)
  })

  it('is closed when that lasts, or when it sends on and on', async () => {
    const rig = await Rig.open({ limits: { unsentBytesHigh: 1_000, stalledMs: 3_000, heldBytesMax: 50_000 } })
    const stalled = await rig.welcome()
    const flooding = await rig.welcome()
    stalled.link.bufferedBytes = flooding.link.bufferedBytes = 2_000
    stalled.say(get(2, 'a'))
    for (let i = 2; flooding.link.closed === undefined && i < 2_000; i++) flooding.say(get(i, 'a'))
    assert.equal(flooding.link.closed?.code, 1013)
    await rig.pass(6_000)
    assert.equal(stalled.link.closed?.code, 1013)
    assert.equal(rig.gateway.stats.slowClosedTotal, 2)
  })

  it('pauses its watch, which then goes on without a gap', async () => {
    const rig = await Rig.open({ limits: { unsentBytesHigh: 2 << 20 } })
    const client = await rig.welcome()
    const writer = await rig.welcome()
    client.say(watch(2))
    client.link.bufferedBytes = 1_500_000
    for (let serial = 1; serial <= 20; serial++) writer.say(commit(serial + 1, serial, put('k', String(serial))))
    await rig.until('the writes', () => writer.all('outcome').length === 20)
    await rig.pass(100)
    const seen = (): string[] =>
      client
        .all('watchEvents')
        .flatMap(m => m.events)
        .flatMap(e => (e.type === 'commit' ? e.changes.map(change => new TextDecoder().decode(change.value)) : []))
    assert.ok(seen().length < 20)
    client.link.bufferedBytes = 0
    await rig.until('all changes', () => seen().length === 20)
    assert.deepEqual(
      seen(),
      Array.from({ length: 20 }, (_, i) => String(i + 1)),
    )
  })
})

describe('a commit', () => {
  it('stops further reading while too many are unanswered', async () => {
    const waiting: OutcomeHandler[] = []
    const rig = await Rig.open({
      limits: { inFlightMax: 4 },
      wrap: service => withMethods(service, { submit: (_request, onOutcome) => void waiting.push(onOutcome) }),
    })
    const client = await rig.welcome()
    for (let serial = 1; serial <= 10; serial++) client.say(commit(serial + 1, serial, put('a', '1')))
    assert.equal(waiting.length, 5)
    assert.equal(client.link.isPaused, true)
    const busy = new QuorateError('unavailable', 'test', { retryable: true })
    for (const answer of waiting.splice(0)) answer(undefined, busy)
    await rig.until('the rest', () => waiting.length === 5)
    assert.equal(client.all('error').length, 5)
  })

  it('whose time is over is not submitted, unless it may have been applied before', async () => {
    const submitted: Uint8Array[] = []
    const rig = await Rig.open({
      wrap: service => withMethods(service, { submit: request => void submitted.push(request) }),
    })
    const client = await rig.welcome()
    client.say(
      commit(2, 1, put('a', '1'), { notAfterMicros: 1 }),
      commit(3, 2, put('a', '1'), { notAfterMicros: 1, copy: 1 }),
    )
    assert.equal(codeOf(client, 2) ?? (await rig.pass(10), codeOf(client, 2)), 'expired')
    assert.equal(submitted.length, 1)
  })

  it('that was refused as busy holds back later ones of its session until it comes again', async () => {
    let isBusy = true
    const rig = await Rig.open({
      wrap: service =>
        withMethods(service, {
          submit: (request, onOutcome) =>
            isBusy
              ? onOutcome(undefined, new QuorateError('busy', 'test', { retryable: true }))
              : service.submit(request, onOutcome),
        }),
    })
    const client = await rig.welcome()
    client.say(commit(2, 1, put('a', '1')))
    isBusy = false
    client.say(commit(3, 2, put('a', '2')))
    await rig.pass(10)
    assert.deepEqual([codeOf(client, 2), codeOf(client, 3)], ['busy', 'busy'])
    client.say(commit(4, 1, put('a', '1')), commit(5, 2, put('a', '2')))
    await rig.until('both', () => client.all('outcome').length === 2)
  })

  it('of a connection without a session is refused', async () => {
    const rig = await Rig.open()
    const client = rig.connect()
    client.say(hello(), commit(2, 1, put('a', '1')))
    await rig.pass(10)
    assert.equal(codeOf(client, 2), 'session_ended')
  })
})

describe('a read that nobody waits for', () => {
  it('is not answered once it was cancelled, and its id is free again', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome()
    client.say(get(2, 'a'), { type: 'cancel', requestId: 2 })
    await rig.pass(100)
    assert.equal(client.find('readResult', 2), undefined)
    client.say(get(2, 'a'))
    await rig.until('the read', () => client.find('readResult', 2) !== undefined)
  })
})
