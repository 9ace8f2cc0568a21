import { deepEqual, equal } from 'node:assert/strict'
import { integerCodec } from '../../model/index.ts'
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
      name: 'loses no increment of many at once',
      async run({ kv }) {
        const results = await Promise.all(Array.from({ length: 60 }, () => kv.increment('n', 2)))
        equal(new Set(results).size, 60)
        equal(await kv.increment('n', 0), 120n)
      },
    },
  ],
}
