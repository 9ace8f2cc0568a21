import { deepEqual, equal } from 'node:assert/strict'
import { counterShardKey } from '../../encoding/index.ts'
import { bytesCodec, DEFAULT_SETTINGS, integerCodec } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, refused } from './expectations.ts'

const MAX_64 = (1n << 64n) - 1n
const MAX_256 = (1n << 256n) - 1n

export const counterSection: ConformanceSection = {
  title: 'a counter',
  cases: [
    {
      name: 'counts up and down from zero and is stored as big-endian bytes',
      async run({ kv, database, project }) {
        equal(await kv.increment('n'), 1n)
        equal(await kv.increment('n', 257), 258n)
        equal(await kv.decrement('n', 2n), 256n)
        deepEqual(Uint8Array.from((await kv.get('n')) ?? []), Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0))
        equal(await database.kv(project, { value: integerCodec() }).get('n'), 256n)
        equal(await kv.increment('wide', MAX_256, { width: 256 }), MAX_256)
        equal((await kv.get('wide'))?.length, 32)
        equal(await kv.increment('zero', 0n), 0n)
        equal((await kv.get('zero'))?.length, 8)
      },
    },
    {
      name: 'keeps within its width: rejects, saturates or leaves the number',
      async run({ kv }) {
        await kv.increment('n', MAX_64)
        const over = await refused(kv.increment('n'), 'overflow')
        equal(over.detail?.index, 0)
        equal(await kv.increment('n', 5, { onOverflow: 'saturate' }), MAX_64)
        await kv.set('n', new Uint8Array(8))
        await refused(kv.decrement('n'), 'underflow')
        equal(await kv.decrement('n', 1, { onUnderflow: 'saturate' }), 0n)
        equal(await kv.increment('n', 3), 3n)
        const before = await kv.entry('n')
        equal(await kv.decrement('n', 4, { onUnderflow: 'ignore' }), 3n)
        equal((await kv.entry('n'))?.seq, before?.seq)
        equal(await kv.decrement('absent', 1, { onUnderflow: 'ignore' }), 0n)
        equal(await kv.get('absent'), undefined)
      },
    },
    {
      name: 'refuses a missing key where asked, and what is no number of its width',
      async run({ kv }) {
        await refused(kv.increment('n', 1, { onMissing: 'reject' }), 'key_missing')
        await refused(kv.decrement('n', 1, { onMissing: 'reject' }), 'key_missing')
        equal(await kv.get('n'), undefined)
        await kv.set('text', bytes('seven'))
        await refused(kv.increment('text'), 'not_a_number')
        await kv.increment('n')
        await refused(kv.increment('n', 1, { width: 256 }), 'not_a_number')
      },
    },
    {
      name: 'keeps the largest and the smallest, and writes only what changes',
      async run({ kv, database, project }) {
        const extreme = async (type: 'kvMax' | 'kvMin', value: bigint, options: object = {}): Promise<unknown> => {
          const mutation = { type, project, key: bytes('n'), value, width: 64, ...options } as const
          return (await database.commit({ mutations: [mutation] })).results[0]
        }
        await refused(extreme('kvMax', 1n, { onMissing: 'reject' }), 'key_missing')
        equal(await extreme('kvMin', 7n), 7n)
        equal(await extreme('kvMax', 9n), 9n)
        const { seq } = (await kv.entry('n'))!
        equal(await extreme('kvMax', 9n), 9n)
        equal(await extreme('kvMin', 10n), 9n)
        equal((await kv.entry('n'))?.seq, seq)
        equal(await extreme('kvMin', MAX_64), 9n)
        await refused(extreme('kvMax', 1n, { width: 256 }), 'not_a_number')
        await kv.delete('n')
        equal(await extreme('kvMin', 3n, { onMissing: 'zero' }), 0n)
      },
    },
    {
      name: 'computes under an expected version',
      async run({ kv, database, project }) {
        const mutate = async (op: 'set' | 'add' | 'subtract', operand: bigint, expectedSeq?: number) => {
          const expected = expectedSeq !== undefined && { expectedSeq }
          const mutation = { type: 'kvMutate', project, key: bytes('n'), op, operand, width: 64, ...expected } as const
          return database.commit({ mutations: [mutation] })
        }
        const first = await mutate('set', 5n, 0)
        deepEqual(first.results, [5n])
        const error = await refused(mutate('add', 1n, 0), 'assertion_failed')
        equal(error.detail?.actualSeq, first.seq)
        deepEqual((await mutate('add', 2n, first.seq)).results, [7n])
        await kv.set('n', (await kv.get('n'))!, { ttlMs: 60_000 })
        const { expiresAtMicros } = (await kv.entry('n'))!
        deepEqual((await mutate('set', 7n)).results, [7n])
        equal((await kv.entry('n'))?.expiresAtMicros, expiresAtMicros)
        await refused(mutate('subtract', 8n), 'underflow')
        await refused(mutate('add', MAX_64), 'overflow')
        deepEqual((await mutate('subtract', 7n)).results, [0n])
        equal((await kv.get('n'))?.length, 8)
      },
    },
    {
      name: 'adds signed numbers within bounds',
      async run({ kv, database, project }) {
        const add = async (by: bigint, options: object = {}): Promise<unknown> => {
          const mutation = { type: 'kvAddSigned', project, key: bytes('n'), by, ...options } as const
          return (await database.commit({ mutations: [mutation] })).results[0]
        }
        await refused(add(1n, { onMissing: 'reject' }), 'key_missing')
        equal(await add(-5n), -5n)
        deepEqual(await kv.get('n').then(value => [...value!]), [255, 255, 255, 255, 255, 255, 255, 251])
        equal(await add(6n, { min: 0n, max: 1n }), 1n)
        await refused(add(1n, { max: 1n }), 'overflow')
        await refused(add(-2n, { min: 0n }), 'underflow')
        await refused(add(0n, { min: 2n, max: 1n }), 'invalid_argument')
        await refused(add((1n << 63n) - 1n), 'overflow')
        equal(await add((1n << 63n) - 2n), (1n << 63n) - 1n)
        equal(await add(-(1n << 63n)), -1n)
        await refused(add(-(1n << 63n)), 'underflow')
      },
    },
    {
      name: 'is divided into shards that many can add to',
      async run({ kv, database, project }) {
        const key = bytes('visits')
        const add = (shard: number, by: bigint) =>
          database.commit({ mutations: [{ type: 'counterAdd', project, key, by, shards: 4, shard }] })
        deepEqual((await add(0, 1n)).results, [1n])
        deepEqual((await add(3, 2n)).results, [2n])
        deepEqual((await add(0, 3n)).results, [4n])
        equal(await kv.get('visits'), undefined)
        const numbers = database.kv(project, { key: bytesCodec, value: integerCodec() })
        let sum = 0n
        for await (const { value } of numbers.scan({ prefix: counterShardKey(key) })) sum += value
        equal(sum, 6n)
        equal(await numbers.get(counterShardKey(key, 3)), 2n)
        await refused(add(3, MAX_64), 'overflow')
        const { keyBytesMax } = DEFAULT_SETTINGS
        const counted = (length: number) => {
          const longest = new Uint8Array(length).fill(1)
          return database.commit({
            mutations: [{ type: 'counterAdd', project, key: longest, by: 1n, shards: 1, shard: 0 }],
          })
        }
        await counted(keyBytesMax - 4)
        await refused(counted(keyBytesMax - 3), 'key_too_large')
      },
    },
    {
      name: 'loses no increment of many at once',
      async run({ kv }) {
        const results = await Promise.all(Array.from({ length: 60 }, () => kv.increment('n', 2)))
        equal(new Set(results).size, 60)
        equal(await kv.increment('n', 0), 120n)
      },
    },
    {
      name: 'keeps the largest and the smallest number it was given',
      async run({ kv }) {
        equal(await kv.max('high', 5), 5n)
        equal(await kv.max('high', 3), 5n)
        equal(await kv.max('high', 9n), 9n)
        equal(await kv.min('low', 5), 5n)
        equal(await kv.min('low', 9), 5n)
        equal(await kv.min('low', 0), 0n)
        equal(await kv.min('from-zero', 5, { onMissing: 'zero' }), 0n)
        equal(await kv.max('wide', MAX_256, { width: 256 }), MAX_256)
        await refused(kv.max('none', 1, { onMissing: 'reject' }), 'key_missing')
        await refused(kv.max('wide', 1), 'not_a_number')
        await refused(kv.max('high', -1), 'invalid_argument')
      },
    },
    {
      name: 'may be signed, within bounds',
      async run({ kv }) {
        equal(await kv.addSigned('n', -5), -5n)
        equal(await kv.addSigned('n', 3n), -2n)
        await refused(kv.addSigned('n', -9, { min: -10n }), 'underflow')
        await refused(kv.addSigned('n', 9, { max: 6n }), 'overflow')
        equal(await kv.addSigned('n', 8, { min: -10n, max: 6n }), 6n)
        await refused(kv.addSigned('n', 2n ** 63n - 1n), 'overflow')
        await refused(kv.addSigned('none', 1, { onMissing: 'reject' }), 'key_missing')
        await refused(kv.addSigned('n', 2n ** 63n), 'invalid_argument')
        await refused(kv.addSigned('n', 1, { min: 2n, max: 1n }), 'invalid_argument')
      },
    },
    {
      name: 'is computed only at the version that is expected',
      async run({ kv }) {
        equal(await kv.compareAndCompute('n', 0, 'add', 5), 5n)
        const error = await refused(kv.compareAndCompute('n', 0, 'add', 5), 'assertion_failed')
        const { seq } = (await kv.entry('n'))!
        equal(error.detail?.actualSeq, seq)
        equal(await kv.compareAndCompute('n', seq, 'subtract', 2), 3n)
        await refused(kv.compareAndCompute('n', seq, 'set', 9), 'assertion_failed')
        equal(await kv.compareAndCompute('n', (await kv.entry('n'))!.seq, 'set', 9), 9n)
        await refused(kv.compareAndCompute('n', (await kv.entry('n'))!.seq, 'subtract', 10), 'underflow')
      },
    },
    {
      name: 'of many shards is the sum of what was added',
      async run({ kv }) {
        const counter = kv.counter('hits', { shards: 8 })
        equal(await counter.value(), 0n)
        await Promise.all(Array.from({ length: 40 }, (_, i) => counter.add(i)))
        equal(await counter.value(), 780n)
        await counter.add()
        equal(await kv.counter('hits', { shards: 8 }).value(), 781n)
        await refused(counter.add(-1), 'invalid_argument')
      },
    },
  ],
}
