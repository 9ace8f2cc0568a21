import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeOutcome, EntryKind, repeatedOutcome } from '../../src/encoding/index.ts'
import type { Assertion, Mutation } from '../../src/encoding/index.ts'
import type { EntryWork } from '../../src/engine/entry-work.ts'
import { KeyspaceReader } from '../../src/engine/keyspace-store.ts'
import { setEngineMutants } from '../../src/engine/mutants.ts'
import { findIdempotent, fingerprint } from '../../src/engine/sessions/idempotency.ts'
import { at, bytes, Harness, nonce, request, SECOND, set } from './harness.ts'

const add: Mutation = { type: 'kvIncrement', ...at('n'), by: 1n, width: 64 }
const refused: Mutation = { type: 'kvIncrement', ...at('none'), by: 1n, width: 64, onMissing: 'reject' }

async function withSession(kind: 'client' | 'node' = 'client'): Promise<{ harness: Harness; session: number }> {
  const harness = await Harness.withProject()
  const { session } = await harness.openSession({ kind })
  return { harness, session }
}

function codeOf(bytes: Uint8Array): string {
  const outcome = decodeOutcome(bytes)
  return outcome.status === 'refused' ? outcome.code : outcome.status
}

function setting(name: string, value: number): Mutation {
  return { type: 'ddl', operation: { type: 'setSetting', name, value } }
}

it('a stored idempotency key without its form stops apply: it is no fault of the request', () => {
  const record = { value: new Uint8Array(5) }
  const work = { changes: { get: () => record }, timeMicros: 0 } as unknown as EntryWork
  const print = fingerprint(new Uint8Array(8), 0, 8)
  assert.throws(() => findIdempotent(work, new Uint8Array(4), print), { name: 'InvariantError' })
})

describe('a session', () => {
  it('applies each serial once and gives the first answer to every copy', async () => {
    const { harness, session } = await withSession()
    const table: [string, readonly Mutation[]][] = [
      ['no result', [set('a', '1')]],
      ['one number', [add]],
      ['a negative number', [{ type: 'kvAddSigned', ...at('signed'), by: -5n }]],
      ['several results', [add, add]],
      ['a boolean', [setting('tickKeysMax', 7)]],
      ['a refusal', [refused]],
      ['nothing', []],
    ]
    for (const [index, [name, mutations]] of table.entries()) {
      const serial = index + 1
      const first = await harness.submit({ mutations }, { session, serial })
      const before = harness.core.digest
      const second = await harness.submit({ mutations }, { session, serial })
      assert.equal(first.isDuplicate, false, name)
      assert.equal(second.isDuplicate, true, name)
      assert.deepEqual(second.outcome, repeatedOutcome(first.outcome), name)
      const told = decodeOutcome(second.outcome)
      assert.equal(told.status === 'committed' && told.isDuplicate === true, name !== 'a refusal', name)
      assert.deepEqual({ ...harness.core.digest, seq: 0 }, { ...before, seq: 0 }, `${name}: the copy changed something`)
      assert.deepEqual(harness.core.recordedOutcome(session, serial), first.outcome, name)
    }
  })

  it('records a refusal, so that a retry is refused even if it would succeed now', async () => {
    const { harness, session } = await withSession()
    assert.equal(await harness.refusal({ mutations: [refused] }, { session, serial: 1 }), 'key_missing')
    await harness.commit({ mutations: [{ type: 'kvSet', ...at('none'), value: new Uint8Array(8) }] })
    assert.equal(await harness.refusal({ mutations: [refused] }, { session, serial: 1 }), 'key_missing')
  })

  it('is named by the seq of its opening, and a copy of the opening finds it', async () => {
    const { harness } = await withSession()
    const seq = harness.nextSeq
    const first = await harness.openSession({ nonce: nonce(77) })
    assert.equal(first.session, seq)
    const copy = await harness.openSession({ nonce: nonce(77) })
    assert.equal(copy.session, seq)
    assert.equal(copy.isDuplicate, true)
    const other = await harness.openSession({ nonce: nonce(77), caller: 'somebody' })
    assert.equal(decodeOutcome(other.outcome).status, 'refused')
  })

  it('is not opened once the time of its opening is over; a copy finds what was opened in time', async () => {
    const { harness } = await withSession()
    const notAfterMicros = harness.timeMicros + SECOND
    const inTime = await harness.openSession({ nonce: nonce(77), notAfterMicros })
    harness.timeMicros += 2 * SECOND
    assert.equal(codeOf((await harness.openSession({ nonce: nonce(78), notAfterMicros })).outcome), 'expired')
    const copy = await harness.openSession({ nonce: nonce(77), notAfterMicros })
    assert.deepEqual([copy.session, copy.isDuplicate], [inTime.session, true])
    const unbounded = await harness.openSession({ nonce: nonce(78) })
    assert.equal(codeOf(unbounded.outcome), 'committed', 'what came too late has not used the nonce up')
  })

  it('does not exist for an envelope that names an absent one', async () => {
    const { harness } = await withSession()
    assert.equal(await harness.refusal({ mutations: [add] }, { session: 999, serial: 1 }), 'session_ended')
    assert.equal(harness.get('n'), undefined)
  })

  it('answers a copy that comes too late with what was recorded, and anything new with expired', async () => {
    const { harness, session } = await withSession()
    const notAfterMicros = harness.timeMicros + SECOND
    const first = await harness.submit({ mutations: [add] }, { session, serial: 1, notAfterMicros })
    harness.timeMicros += 2 * SECOND
    const copy = await harness.submit({ mutations: [add] }, { session, serial: 1, notAfterMicros })
    assert.deepEqual(copy.outcome, repeatedOutcome(first.outcome))
    assert.equal(await harness.refusal({ mutations: [add] }, { session, serial: 2, notAfterMicros }), 'expired')
    assert.equal(await harness.refusal({ mutations: [add] }, { session, serial: 2 }), 'expired', 'it stays expired')
  })

  it('of a client never applies a serial behind a later one, whatever became of that and wherever the state is read', async () => {
    for (const [name, later] of [
      ['committed', add],
      ['refused', refused],
    ] as const) {
      const { harness, session } = await withSession()
      await harness.commit({ mutations: [add] }, { session, serial: 1 })
      await harness.commit({ mutations: [later] }, { session, serial: 40 })
      const before = harness.get('n')
      const overtaken = await harness.submit({ mutations: [add] }, { session, serial: 39 })
      assert.equal(codeOf(overtaken.outcome), 'expired', name)
      assert.equal(harness.get('n'), before, name)
      assert.deepEqual(harness.core.recordedOutcome(session, 39), overtaken.outcome, 'it stays refused')
      assert.equal((await harness.submit({ mutations: [add] }, { session, serial: 39 })).isDuplicate, true)
      assert.equal((await harness.submit({ mutations: [add] }, { session, serial: 1 })).isDuplicate, true, 'a copy')
      await harness.checkpoint()
      const again = await harness.reopen()
      assert.equal(await again.refusal({ mutations: [add] }, { session, serial: 38 }), 'expired', `${name}, read again`)
      assert.equal((await again.commit({ mutations: [add] }, { session, serial: 41 })).status, 'committed')
    }
  })

  it('of a node takes them in any order: its requests are of many who know nothing of each other', async () => {
    const { harness, session } = await withSession('node')
    for (const serial of [2, 70, 1, 69]) {
      assert.equal((await harness.commit({ mutations: [add] }, { session, serial })).status, 'committed', `${serial}`)
    }
  })

  it('answers a serial that was overtaken with what its idempotency key gave before', async () => {
    const { harness, session } = await withSession()
    const envelope = { idempotencyKey: 'once', mutations: [add] }
    const first = await harness.commit(envelope, { session, serial: 2 })
    const again = await harness.commit(envelope, { session, serial: 1 })
    assert.deepEqual(again, { ...first, isDuplicate: true })
  })

  it('forgets what was acknowledged, chunk by chunk, and then refuses it for ever', async () => {
    const { harness, session } = await withSession()
    for (let serial = 1; serial <= 70; serial++) await harness.commit({ mutations: [refused] }, { session, serial })
    await harness.commit({ mutations: [add] }, { session, serial: 71, acknowledgedThrough: 63 })
    const forgotten = await harness.refusal({ mutations: [add] }, { session, serial: 63 })
    assert.equal(forgotten, 'serial_out_of_window')
    assert.equal(await harness.refusal({ mutations: [add] }, { session, serial: 64 }), 'key_missing')
    assert.equal(harness.core.recordedOutcome(session, 63), undefined)
    assert.notEqual(harness.core.recordedOutcome(session, 64), undefined)
  })

  it('keeps as many serials as its window has', async () => {
    const { harness, session } = await withSession()
    await harness.commit({ mutations: [setting('sessionWindow', 64)] })
    await harness.commit({ mutations: [add] }, { session, serial: 1 })
    await harness.commit({ mutations: [add] }, { session, serial: 64 })
    assert.equal((await harness.submit({ mutations: [add] }, { session, serial: 1 })).isDuplicate, true)
    await harness.commit({ mutations: [add] }, { session, serial: 1_000_000 })
    assert.equal(await harness.refusal({ mutations: [add] }, { session, serial: 1 }), 'serial_out_of_window')
    assert.equal(await harness.refusal({ mutations: [add] }, { session, serial: 2 }), 'serial_out_of_window')
    assert.equal((await harness.commit({ mutations: [add] }, { session, serial: 1_000_001 })).status, 'committed')
  })

  it('belongs to its caller; a session of a node serves everybody', async () => {
    const { harness, session } = await withSession()
    await harness.openSession({ caller: 'alice' })
    const alice = harness.entries.length
    assert.equal(
      await harness.refusal({ mutations: [add] }, { session: alice, serial: 1, caller: 'bob' }),
      'permission_denied',
    )
    const mine = await harness.submit({ mutations: [] }, { session: alice, serial: 1, caller: 'alice' })
    assert.equal(mine.isDuplicate, false, 'the slot was not touched')
    const asBob = await harness.submit({ mutations: [] }, { session, serial: 1, caller: 'bob' })
    assert.equal(decodeOutcome(asBob.outcome).status, 'committed', 'root may act as bob')
    const node = (await harness.openSession({ kind: 'node', caller: 'node-1' })).session
    const forBob = await harness.submit({ mutations: [] }, { session: node, serial: 1, caller: 'bob' })
    assert.equal(decodeOutcome(forBob.outcome).status, 'committed')
  })

  it('ends when it was not used for its lifetime, and use keeps it alive', async () => {
    const { harness, session } = await withSession()
    for (let serial = 1; serial <= 40; serial++) {
      harness.timeMicros += 50 * SECOND
      await harness.tick()
      assert.equal((await harness.commit({ mutations: [add] }, { session, serial })).status, 'committed')
    }
    harness.timeMicros += 60 * SECOND
    assert.equal((await harness.commit({ mutations: [add] }, { session, serial: 41 })).status, 'committed')
    harness.timeMicros += 60 * SECOND + 1
    assert.equal(await harness.refusal({ mutations: [add] }, { session, serial: 42 }), 'session_ended')
    await harness.tick()
    assert.equal(harness.core.nextExpiryMicros(), undefined, 'nothing of it is left to expire')
    const outcome = harness.read({ type: 'outcome', session, serial: 1 })
    assert.deepEqual(outcome, { type: 'outcome', outcome: undefined, sessionEnded: true })
  })

  it('outlives its lifetime while no leader could take its requests', async () => {
    const { harness, session } = await withSession()
    harness.timeMicros += 100 * SECOND
    harness.term++
    await harness.applyOne(EntryKind.noop, new Uint8Array(0))
    harness.timeMicros += 59 * SECOND
    await harness.tick()
    assert.equal((await harness.commit({ mutations: [add] }, { session, serial: 1 })).status, 'committed')
  })

  it('is looked up in what is published, and apply goes by nothing that was read there', async () => {
    const { harness, session } = await withSession()
    const { outcome } = await harness.submit({ mutations: [add] }, { session, serial: 1 })
    await harness.checkpoint()
    const { core } = await harness.reopen()
    assert.equal(core.memory.sessionBytes, 0)
    assert.equal((await core.sessionOwner(session))?.caller, 'root')
    assert.deepEqual(core.recordedOutcome(session, 1), outcome)
    assert.equal(core.memory.sessionBytes, 0)
  })

  it('is walked once in a state, for however many of its outcomes that state is asked', async t => {
    const { harness, session } = await withSession()
    for (let serial = 1; serial <= 200; serial++) await harness.commit({ mutations: [add] }, { session, serial })
    const { mock } = t.mock.method(KeyspaceReader.prototype, 'walk')
    for (const state of [1, 2]) {
      for (let serial = 1; serial <= 200; serial++) {
        assert.notEqual(harness.core.recordedOutcome(session, serial), undefined, `${serial}`)
      }
      assert.equal(mock.callCount(), state)
      await harness.commit({ mutations: [refused] })
    }
  })

  it('leaves nothing behind when it ends', async () => {
    const harness = await Harness.withProject()
    const empty = harness.core.digest.sum
    const { session } = await harness.openSession()
    for (let serial = 1; serial <= 100; serial++) await harness.commit({ mutations: [refused] }, { session, serial })
    harness.timeMicros += 100 * SECOND
    await harness.tick()
    // The counters' record was written again: their versions differ, so only what remains is compared.
    const { session: next } = await harness.openSession()
    assert.equal(harness.core.recordedOutcome(next, 1), undefined)
    harness.timeMicros += 100 * SECOND
    await harness.tick()
    assert.notEqual(harness.core.digest.sum, empty)
    assert.equal(harness.core.nextExpiryMicros(), undefined)
  })

  it('cannot be opened when there are too many, and again when one has ended', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [setting('sessionsMax', 16)] })
    for (let i = 0; i < 16; i++) await harness.openSession()
    const tooMany = decodeOutcome((await harness.openSession()).outcome)
    assert.equal(tooMany.status === 'refused' && tooMany.code, 'session_limit')
    harness.timeMicros += 100 * SECOND
    await harness.tick()
    assert.equal(decodeOutcome((await harness.openSession()).outcome).status, 'committed')
  })
})

describe('an idempotency key', () => {
  const once = { idempotencyKey: 'k', mutations: [add] }

  it('makes a transaction apply once across sessions and without one', async () => {
    const { harness, session } = await withSession()
    const first = await harness.submit(once)
    const again = await harness.submit(once)
    assert.equal(again.isDuplicate, true)
    const told = repeatedOutcome(first.outcome)
    assert.deepEqual(again.outcome, told)
    const inSession = await harness.submit(once, { session, serial: 1 })
    assert.deepEqual(inSession.outcome, told)
    assert.deepEqual(harness.core.recordedOutcome(session, 1), first.outcome)
    assert.deepEqual((await harness.submit(once, { session, serial: 1 })).outcome, told)
    assert.deepEqual(harness.get('n'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]).toString())
  })

  it('belongs to its caller and to its transaction', async () => {
    const { harness } = await withSession()
    await harness.commit({
      mutations: [{ type: 'ddl', operation: { type: 'grant', caller: 'bob', permission: { type: 'admin' } } }],
    })
    await harness.commit(once)
    const other = { idempotencyKey: 'k', mutations: [set('a', '1')] }
    assert.equal(await harness.refusal(other), 'idempotency_mismatch')
    assert.equal((await harness.commit(other, { caller: 'bob' })).status, 'committed')
  })

  it('is not used up by a refusal', async () => {
    const { harness } = await withSession()
    const envelope = { idempotencyKey: 'k', mutations: [refused] }
    assert.equal(await harness.refusal(envelope), 'key_missing')
    await harness.commit({ mutations: [{ type: 'kvSet', ...at('none'), value: new Uint8Array(8) }] })
    assert.equal((await harness.commit(envelope)).status, 'committed')
  })

  it('is forgotten after its lifetime, with or without a tick', async () => {
    const { harness } = await withSession()
    await harness.commit(once)
    harness.timeMicros += 300 * SECOND
    assert.equal((await harness.submit(once)).isDuplicate, false)
    harness.timeMicros += 300 * SECOND
    await harness.tick()
    assert.equal((await harness.submit(once)).isDuplicate, false)
    assert.deepEqual(harness.get('n'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 3]).toString())
  })

  it('makes room for new ones by forgetting the oldest', async () => {
    const { harness } = await withSession()
    await harness.commit({ mutations: [setting('idempotencyKeysMax', 100)] })
    for (let i = 0; i < 101; i++) await harness.commit({ idempotencyKey: `k${i}`, mutations: [add] })
    assert.equal((await harness.submit({ idempotencyKey: 'k100', mutations: [add] })).isDuplicate, true)
    assert.equal((await harness.submit({ idempotencyKey: 'k1', mutations: [add] })).isDuplicate, true)
    assert.equal((await harness.submit({ idempotencyKey: 'k0', mutations: [add] })).isDuplicate, false)
  })
})

describe('a request refused by its own bytes', () => {
  it('is found by checkRequest before it is logged, and preflight judges first sendings only', async () => {
    const { harness } = await withSession()
    const { core } = harness
    assert.equal(core.checkRequest(request({ mutations: [add] })), undefined)
    assert.equal(core.checkRequest(request({ mutations: [add] }).slice(0, -1))?.code, 'malformed_request')
    assert.equal(core.checkRequest(request({ mutations: [add] }, { caller: '' }))?.code, 'invalid_argument')
    const room = Buffer.concat([Buffer.alloc(5, 0xff), request({ mutations: [add] })])
    assert.equal(core.checkRequest(room, 5), undefined)
    assert.equal(core.checkRequest(room, 4)?.code, 'malformed_request')
    const missing = request({ mutations: [{ type: 'kvSet', project: 'none', key: bytes('a'), value: bytes('1') }] })
    assert.equal(core.preflight(missing)?.code, 'project_not_found')
    missing[1] = 1
    assert.equal(core.preflight(missing), undefined, 'a copy may have been applied before')
    setEngineMutants('preflight_answers_retries')
    assert.notEqual(core.preflight(missing), undefined)
    setEngineMutants()
    const stranger = request({ mutations: [add] }, { caller: 'stranger' })
    assert.equal(core.preflight(stranger)?.code, 'permission_denied')
  })

  it('may not hide assertions in groups', async () => {
    const { harness } = await withSession()
    await harness.commit({ mutations: [setting('assertionsMax', 3)] })
    const exists = { type: 'keyExists', ...at('a'), expected: false } as const
    const any = (count: number): Assertion => ({ type: 'any', assertions: Array.from({ length: count }, () => exists) })
    const { core } = harness
    assert.equal(core.checkRequest(request({ assertions: [any(2)], mutations: [add] })), undefined)
    assert.equal(core.checkRequest(request({ assertions: [any(3)], mutations: [add] }))?.code, 'transaction_too_large')
    const postflight = { type: 'postflight', assertions: [any(3)] } as const
    assert.equal(core.checkRequest(request({ mutations: [postflight] }))?.code, 'transaction_too_large')
    assert.equal(await harness.refusal({ assertions: [any(3)], mutations: [add] }), 'transaction_too_large')
  })
})
