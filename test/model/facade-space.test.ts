import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeOutcome } from '../../src/encoding/index.ts'
import {
  bytesCodec,
  createDatabase,
  integerCodec,
  jsonCodec,
  QuorateError,
  refusalError,
  type CoreOptions,
} from '../../src/model/index.ts'
import { ReferenceCore } from './reference-core.ts'
import { bytes, collect, failure, open, text } from './facade-support.ts'

describe('a key-value space', () => {
  it('reads a scan that one read can answer without a view, and a longer one from one view that it closes', async () => {
    const { core, kv } = await open()
    for (let i = 0; i < 20; i++) await kv.set(`k${String(i).padStart(2, '0')}`, bytes(`${i}`))
    assert.equal((await collect(kv.scan({ limit: 3 }))).length, 3)
    assert.equal((await collect(kv.scan({ prefix: 'k1', limit: 100, end: 'k14' }))).length, 4)
    assert.equal(core.calls.openView, 0)
    const seen: string[] = []
    for await (const entry of kv.scan()) {
      seen.push(entry.key)
      // Written behind and before the reader, while it reads: not in its state.
      if (seen.length === 1) await Promise.all([kv.set('k99', bytes('late')), kv.delete('k15')])
    }
    assert.equal(seen.length, 20)
    assert.equal(core.calls.openView, 1)
    for await (const entry of kv.scan({ reverse: true })) if (entry.key === 'k12') break
    assert.equal(core.calls.openView, 2)
    assert.equal(core.openViews, 0)
    assert.deepEqual(await collect(kv.scan({ limit: 0 })), [])
    assert.deepEqual(await collect(kv.scan({ start: 'z', end: 'a' })), [])
  })

  it('refuses wrong arguments before anything is sent', async () => {
    const { core, database, kv } = await open()
    const before = JSON.stringify(core.calls)
    const loose = kv as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    const one = bytes('1')
    const wrong: [string, ...unknown[]][] = [
      ['get', 7],
      ['get', 'lone \ud800 surrogate'],
      ['get', 'k', { timeoutMs: 0 }],
      ['get', 'k', { consistency: 'strong' }],
      ['get', 'k', { consistency: { minSeq: 'x' } }],
      ['get', 'k', { consistency: { minSeq: 17 } }],
      ['get', 'k', { consistency: { maxStaleMs: -1 } }],
      ['entry', undefined],
      ['getMany', ['a', null]],
      ['set', 'k', 'not bytes'],
      ['set', 'k', undefined],
      ['set', 5, one],
      ['set', 'k', one, { ttlMs: 0 }],
      ['set', 'k', one, { ttlMs: 1.5 }],
      ['set', 'k', one, { ttlMs: 1e15 }],
      ['set', 'k', one, { ifSeq: -1 }],
      ['set', 'k', one, { ifSeq: 3, ifAbsent: true }],
      ['set', 'k', one, { idempotencyKey: '' }],
      ['set', 'k', one, { idempotencyKey: 'x'.repeat(129) }],
      ['delete', 'k', { ifSeq: 1.5 }],
      ['compareAndSet', 'k', undefined, one],
      ['compareAndSet', 'k', 1, one, { ifAbsent: true }],
      ['increment', 'k', -1],
      ['increment', 'k', 1n << 64n],
      ['increment', 'k', 0.5],
      ['increment', 'k', 1, { width: 32 }],
      ['increment', 'k', 1, { onOverflow: 'ignore' }],
      ['decrement', 'k', 1, { onMissing: 'create' }],
    ]
    for (const [method, ...args] of wrong) await failure(loose[method]!.apply(kv, args), 'invalid_argument')
    await failure(collect(kv.scan({ limit: -1 })), 'invalid_argument')
    await failure(collect(kv.watch({ from: 'nonsense' })), 'invalid_argument')
    for (const method of ['get', 'delete']) await failure(loose[method]!.call(kv, 'x'.repeat(65_536)), 'key_too_large')
    await failure(kv.set('x'.repeat(65_536), one), 'key_too_large')
    await failure(kv.get('k', { signal: AbortSignal.abort() }), 'aborted')
    for (const name of ['', 'a b', 'x'.repeat(129), '::']) {
      assert.throws(() => database.kv(name), { code: 'invalid_name' })
      assert.throws(() => database.kv('shop', { scope: name }), { code: 'invalid_name' })
    }
    assert.throws(() => database.as(''), { code: 'invalid_name' })
    await failure(database.ddl([]), 'invalid_argument')
    assert.equal(JSON.stringify(core.calls), before)
  })

  it('applies in the order of the calls, with and without options', async () => {
    const { kv } = await open()
    const results = await Promise.all([
      kv.set('k', bytes('1')),
      kv.set('k', bytes('2'), { ttlMs: 1000 }),
      kv.set('kä', bytes('x')),
      kv.delete('other'),
      kv.set('k', bytes('3')),
    ])
    const seqs = results.map(result => result.seq)
    assert.deepEqual(
      seqs,
      [...seqs].sort((a, b) => a - b),
    )
    assert.equal(text(await kv.get('k')), '3')
  })

  it('writes keys and values through codecs', async () => {
    const { database } = await open()
    const numbers = database.kv('shop', { key: bytesCodec, value: integerCodec(64) })
    await numbers.set(Uint8Array.of(0, 255), 7n)
    assert.equal(await numbers.increment(Uint8Array.of(0, 255), 3), 10n)
    assert.equal(await numbers.get(Uint8Array.of(0, 255)), 10n)
    const json = database.kv('shop', { value: jsonCodec<{ a: number }>() })
    await json.set('Zürich', { a: 1 })
    assert.deepEqual((await json.entry('Zürich'))?.value, { a: 1 })
    await failure(json.set('x', undefined as never), 'invalid_argument')
    await failure(database.kv('shop', { value: integerCodec(64) }).get('Zürich'), 'not_a_number')
    await failure(collect(database.kv('shop').scan()), 'invalid_argument')
  })
})

describe('the options of a call', () => {
  it('reach the core, with what is left of the time for each page', async () => {
    const core = new ReferenceCore()
    const seen: CoreOptions[] = []
    const openView = core.openView.bind(core)
    const read = core.read.bind(core)
    core.openView = options => {
      seen.push(options)
      return openView(options)
    }
    core.read = (request, options) => {
      seen.push(options)
      core.clock.nowMs += 10
      return read(request, options)
    }
    const database = createDatabase(core, { caller: 'root' })
    await database.ddl({ type: 'createProject', project: 'shop' })
    const kv = database.kv('shop')
    for (let i = 0; i < 12; i++) await kv.set(`k${i}`, bytes('x'))
    const controller = new AbortController()
    const { signal } = controller
    await collect(kv.scan({ timeoutMs: 100, signal, consistency: 'lease' }))
    controller.abort('enough')
    assert.deepEqual(
      seen.map(options => options.timeoutMs),
      [100, 100, 90, 80],
    )
    for (const options of seen) {
      assert.equal(options.caller, 'root')
      assert.deepEqual([options.signal?.aborted, options.signal?.reason], [true, 'enough'])
    }
    assert.equal(seen[0]!.consistency, 'lease')
    await failure(collect(kv.scan({ timeoutMs: 15 })), 'timeout')
    seen.length = 0
    await database
      .as('bob')
      .kv('shop')
      .get('k')
      .catch(() => undefined)
    assert.deepEqual(
      seen.map(options => options.caller),
      ['bob'],
    )
  })

  it('leave the core open when a database made by `as` closes', async () => {
    const { database, kv } = await open()
    await database.as('bob').close()
    await kv.set('k', bytes('1'))
    await database.close()
    await failure(kv.get('k'), 'closed')
  })
})

describe('a refused outcome', () => {
  it('becomes an error that tells what happened', () => {
    const plain = (code: string): QuorateError =>
      refusalError({ code, message: 'm', detail: { index: 2, actualSeq: 9 } })
    const failed = plain('assertion_failed')
    assert.deepEqual(
      [failed.code, failed.retryable, failed.applied, failed.detail],
      ['assertion_failed', false, 'no', { index: 2, actualSeq: 9 }],
    )
    assert.equal(plain('conflict').retryable, true)
    assert.equal(plain('session_ended').applied, 'unknown')
    assert.equal(plain('serial_out_of_window').applied, 'unknown')
    assert.equal(plain('from_the_future').code, 'internal')
    assert.match(plain('from_the_future').message, /from_the_future/)
  })

  it('is told again by outcome(), as a committed one is', async () => {
    const { database, kv } = await open()
    const lost = async (work: (signal: AbortSignal) => Promise<unknown>): Promise<QuorateError> => {
      const controller = new AbortController()
      const error = failure(work(controller.signal), 'aborted')
      controller.abort()
      return error
    }
    const written = await lost(signal => kv.set('k', bytes('1'), { signal }))
    const refused = await lost(signal => kv.set('k', bytes('2'), { signal, ifSeq: 1 }))
    assert.equal(written.applied, 'unknown')
    assert.equal(text(await kv.get('k')), '1')
    const outcome = await database.outcome(written.reference!)
    assert.equal(outcome?.seq, (await kv.entry('k'))?.seq)
    await failure(database.outcome(refused.reference!), 'assertion_failed')
    assert.equal(await database.outcome({ session: 1, serial: 999 }), undefined)
  })

  it('that cannot be read is an unknown one', async () => {
    const core = new ReferenceCore()
    const garbled = encodeOutcome({ status: 'refused', seq: 1, code: 'conflict', message: '' }).slice(0, 9)
    core.submit = () => Promise.resolve({ outcome: garbled, historyId: '' })
    const error = await failure(createDatabase(core).kv('shop').set('k', bytes('1')), 'internal')
    assert.equal(error.applied, 'unknown')
  })
})
