import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind } from '../../src/encoding/index.ts'
import type { Mutation } from '../../src/encoding/index.ts'
import { at, bytes, Harness, remove, request, SECOND, set } from './harness.ts'

function increment(
  key: string,
  by: bigint,
  options: Partial<Extract<Mutation, { type: 'kvIncrement' }>> = {},
): Mutation {
  return { type: 'kvIncrement', ...at(key), by, width: 64, ...options }
}

function decrement(
  key: string,
  by: bigint,
  options: Partial<Extract<Mutation, { type: 'kvDecrement' }>> = {},
): Mutation {
  return { type: 'kvDecrement', ...at(key), by, width: 64, ...options }
}

describe('a transaction', () => {
  it('writes, reads, overwrites and deletes keys, and remembers when a key was created', async () => {
    const harness = await Harness.withProject()
    const first = await harness.commit({ mutations: [set('a', '1'), set('b', '2')] })
    const second = await harness.commit({ mutations: [set('a', '3'), remove('b'), remove('missing')] })
    assert.equal(second.status, 'committed')
    const read = harness.read({ type: 'get', project: 'p', scope: 'app', keys: [bytes('a'), bytes('b')] })
    assert.deepEqual(read.type === 'get' && read.entries, [
      { key: bytes('a'), value: bytes('3'), seq: second.seq, createdSeq: first.seq, expiresAtMicros: undefined },
      undefined,
    ])
  })

  it('sees its own earlier mutations', async () => {
    const harness = await Harness.withProject()
    const outcome = await harness.commit({
      mutations: [increment('n', 5n), increment('n', 2n), remove('n'), increment('n', 1n)],
    })
    assert.deepEqual(outcome.status === 'committed' && outcome.results, [5n, 7n, undefined, 1n])
  })

  it('is all or nothing: a refused one leaves no trace but its own refusal', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1')] })
    const before = harness.core.digest
    const code = await harness.refusal({ mutations: [set('a', '2'), set('b', '2'), increment('a', 1n)] })
    assert.equal(code, 'not_a_number')
    assert.equal(harness.get('a'), '1')
    assert.equal(harness.get('b'), undefined)
    assert.deepEqual({ ...harness.core.digest, seq: 0 }, { ...before, seq: 0 })
  })

  it('adds and subtracts 64-bit and 256-bit numbers and keeps to their bounds', async () => {
    const harness = await Harness.withProject()
    const max = (1n << 64n) - 1n
    const wide = (1n << 256n) - 1n
    assert.deepEqual(
      await harness.commit({
        mutations: [
          increment('n', max),
          increment('n', 1n, { onOverflow: 'saturate' }),
          decrement('n', max),
          decrement('n', 1n, { onUnderflow: 'saturate' }),
          decrement('n', 1n, { onUnderflow: 'ignore' }),
          increment('w', wide, { width: 256 }),
          decrement('w', wide - 1n, { width: 256 }),
        ],
      }),
      { status: 'committed', seq: harness.entries.length, results: [max, max, 0n, 0n, 0n, wide, 1n] },
    )
    assert.equal(await harness.refusal({ mutations: [increment('w', wide, { width: 256 })] }), 'overflow')
    assert.equal(await harness.refusal({ mutations: [decrement('n', 1n)] }), 'underflow')
    assert.equal(await harness.refusal({ mutations: [increment('w', 1n)] }), 'not_a_number')
    assert.equal(await harness.refusal({ mutations: [increment('x', 1n, { onMissing: 'reject' })] }), 'key_missing')
    await harness.commit({ mutations: [decrement('y', 1n, { onUnderflow: 'ignore' })] })
    assert.equal(harness.get('y'), undefined, 'ignore does not create the key')
  })

  it('is refused by the first assertion that does not hold, with what was found', async () => {
    const harness = await Harness.withProject()
    const { seq } = await harness.commit({ mutations: [set('a', 'm')] })
    const holds = await harness.commit({
      assertions: [
        { type: 'keyVersion', ...at('a'), seq },
        { type: 'keyVersion', ...at('none'), seq: 0 },
        { type: 'keyExists', ...at('a'), expected: true },
        { type: 'keyExists', ...at('none'), expected: false },
        { type: 'keyEquals', ...at('a'), value: bytes('m') },
        { type: 'keyCompare', ...at('a'), op: 'gt', threshold: bytes('l') },
        { type: 'keyCompare', ...at('a'), op: 'lte', threshold: bytes('m') },
        { type: 'keyCompare', ...at('a'), op: 'ne', threshold: bytes('mm') },
      ],
      mutations: [set('b', '1')],
    })
    assert.equal(holds.status, 'committed')
    const fails = [
      [
        { type: 'keyVersion', ...at('a'), seq: seq + 1 },
        { op: 'eq', expected: seq + 1, actual: seq },
      ],
      [
        { type: 'keyExists', ...at('a'), expected: false },
        { op: 'eq', expected: false, actual: true },
      ],
      [
        { type: 'keyEquals', ...at('a'), value: bytes('n') },
        { op: 'eq', expected: bytes('n'), actual: bytes('m') },
      ],
      [
        { type: 'keyCompare', ...at('a'), op: 'lt', threshold: bytes('m') },
        { op: 'lt', expected: bytes('m'), actual: bytes('m') },
      ],
    ] as const
    for (const [assertion, found] of fails) {
      const outcome = await harness.commit({
        assertions: [{ type: 'keyExists', ...at('a'), expected: true }, assertion],
        mutations: [set('a', 'x')],
      })
      assert.deepEqual(outcome.status === 'refused' && [outcome.code, outcome.detail], [
        'assertion_failed',
        { index: 1, actualSeq: seq, condition: { path: 'assertions[1]', type: assertion.type, ...found } },
      ])
    }
    assert.equal(harness.get('a'), 'm')
  })

  it('is refused as malformed, on every replica alike, if its bytes are no envelope', async () => {
    const harness = await Harness.withProject()
    const good = request({ mutations: [set('a', '1')] })
    for (const cut of [3, 41, good.length - 1]) {
      const outcome = await harness.applyOne(EntryKind.transaction, good.slice(0, cut))
      assert.ok(outcome !== undefined && Buffer.from(outcome.outcome).includes('malformed_request'))
    }
    assert.equal(harness.get('a'), undefined)
    const caller = 'x'.repeat(1_000)
    assert.equal(await harness.refusal({ idempotencyKey: 'k', mutations: [] }, { caller }), 'malformed_request')
    assert.equal(await harness.refusal({ mutations: [] }, { caller: '' }), 'malformed_request')
  })

  it('takes the longest keys on the smallest pages, with every row that they need', async () => {
    const harness = await Harness.withProject({ pageBytes: 4096 })
    const longest = 'k'.repeat(768)
    await harness.commit({ idempotencyKey: 'i'.repeat(128), mutations: [set(longest, 'v', 1_000)] }, { caller: 'root' })
    assert.equal(harness.get(longest), 'v')
    const setting = { type: 'setSetting', name: 'keyBytesMax', value: 769 } as const
    assert.equal(await harness.refusal({ mutations: [{ type: 'ddl', operation: setting }] }), 'setting_out_of_range')
    harness.timeMicros += 2 * SECOND
    await harness.tick()
    assert.equal(harness.get(longest), undefined)
  })

  it('keeps to the limits of the settings', async () => {
    const harness = await Harness.withProject()
    const setting = (name: string, value: number): Mutation => ({
      type: 'ddl',
      operation: { type: 'setSetting', name, value },
    })
    await harness.commit({ mutations: [setting('mutationsMax', 2), setting('assertionsMax', 1)] })
    await harness.commit({ mutations: [setting('valueBytesMax', 64), setting('keyBytesMax', 16)] })
    await harness.commit({ mutations: [setting('readSetMax', 1), setting('outcomeBytesMax', 256)] })
    const three = [set('a', '1'), set('b', '1'), set('c', '1')]
    assert.equal(await harness.refusal({ mutations: three }), 'transaction_too_large')
    assert.equal(await harness.refusal({ mutations: [set('a', 'x'.repeat(65))] }), 'value_too_large')
    assert.equal(await harness.refusal({ mutations: [set('k'.repeat(17), 'x')] }), 'key_too_large')
    assert.equal(await harness.refusal({ mutations: [set('', 'x')] }), 'invalid_argument')
    const exists = { type: 'keyExists', ...at('a'), expected: false } as const
    assert.equal(await harness.refusal({ assertions: [exists, exists], mutations: [] }), 'transaction_too_large')
    const point = { ...at('a'), seq: 0 }
    assert.equal(await harness.refusal({ readSet: { points: [point, point] }, mutations: [] }), 'transaction_too_large')
    await harness.commit({ mutations: [setting('mutationsMax', 100)] })
    const many = Array.from({ length: 40 }, (_, i) => increment(`n${i}`, 1n))
    assert.equal(await harness.refusal({ mutations: many }), 'transaction_too_large')
    assert.equal(harness.get('n0'), undefined)
  })
})

describe('expiry', () => {
  it('hides a key from the moment of its expiry by leader time, for reads and writes', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1', 1_000)] })
    assert.equal(harness.core.nextExpiryMicros(), harness.timeMicros + SECOND)
    harness.timeMicros += SECOND - 1
    await harness.commit({ mutations: [set('b', '1')] })
    assert.equal(harness.get('a'), '1')
    harness.timeMicros += 1
    const gone = await harness.commit({
      assertions: [{ type: 'keyVersion', ...at('a'), seq: 0 }],
      mutations: [set('b', '2')],
    })
    assert.equal(gone.status, 'committed')
    assert.equal(harness.get('a'), undefined)
    const created = await harness.commit({ mutations: [set('a', '2')] })
    const read = harness.read({ type: 'get', project: 'p', scope: 'app', keys: [bytes('a')] })
    assert.equal(read.type === 'get' && read.entries[0]?.createdSeq, created.seq, 'an expired key is created anew')
  })

  it('is removed by a later set without one, and moved by one with another', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1', 1_000), set('b', '1', 1_000)] })
    await harness.commit({ mutations: [set('a', '2'), set('b', '2', 5_000)] })
    harness.timeMicros += 2 * SECOND
    await harness.tick()
    assert.equal(harness.get('a'), '2')
    assert.equal(harness.get('b'), '2')
    assert.equal(harness.core.nextExpiryMicros(), harness.timeMicros + 3 * SECOND)
    harness.timeMicros += 3 * SECOND
    await harness.tick()
    assert.equal(harness.get('b'), undefined)
    assert.equal(harness.core.nextExpiryMicros(), undefined)
  })

  it('removes at most so many keys a tick, in the order of expiry and key', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('c', '1', 1_000), set('a', '1', 2_000), set('b', '1', 2_000)] })
    harness.timeMicros += 10 * SECOND
    const before = harness.core.digest
    await harness.tick(2)
    const events: string[] = []
    harness.core.watch({ caller: 'root', project: 'p', scope: 'app', prefix: new Uint8Array(0) }, before.seq, {
      commit: (_, changes) =>
        events.push(...changes.map(change => `${change.kind} ${Buffer.from(change.key).toString()}`)),
      rows: () => assert.fail('no rows are watched'),
      progress: () => undefined,
      reset: () => assert.fail('reset'),
      failed: error => assert.fail(error),
      queuedBytes: 0,
    })
    await new Promise<void>(resolve => {
      setImmediate(resolve)
    })
    assert.deepEqual(events, ['expire c', 'expire a'])
    assert.ok(harness.core.nextExpiryMicros()! <= harness.timeMicros, 'another tick is due')
    await harness.tick()
    assert.equal(harness.core.nextExpiryMicros(), undefined)
  })
})
