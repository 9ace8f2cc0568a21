import { deepEqual, equal, ok } from 'node:assert/strict'
import type { ConformanceSection } from './context.ts'
import { bytes, keysOf, text, Watching } from './expectations.ts'

export const expirySection: ConformanceSection = {
  title: 'a key with a lifetime',
  cases: [
    {
      name: 'tells when it will be gone, and is there until then',
      async run({ kv }) {
        await kv.set('k', bytes('1'), { ttlMs: 3_600_000 })
        const first = (await kv.entry('k'))?.expiresAtMicros ?? 0
        ok(first > 3_600_000_000)
        await kv.set('k', bytes('2'), { ttlMs: 7_200_000 })
        const second = (await kv.entry('k'))?.expiresAtMicros ?? 0
        ok(second >= first + 3_600_000_000)
        await kv.set('k', bytes('3'))
        equal((await kv.entry('k'))?.expiresAtMicros, undefined)
      },
    },
    {
      name: 'is gone for every read when leader time has passed',
      needs: 'advanceTimeMs',
      async run({ kv, hooks }) {
        await kv.set('short', bytes('1'), { ttlMs: 60_000 })
        await kv.set('long', bytes('2'), { ttlMs: 600_000 })
        await kv.set('ever', bytes('3'))
        await hooks.advanceTimeMs(30_000)
        equal(text(await kv.get('short')), '1')
        await hooks.advanceTimeMs(31_000)
        equal(await kv.get('short'), undefined)
        equal(await kv.entry('short'), undefined)
        deepEqual((await kv.getMany(['short', 'long'])).map(text), [undefined, '2'])
        deepEqual(await keysOf(kv.scan()), ['ever', 'long'])
      },
    },
    {
      name: 'counts as absent for conditions once it is gone, and begins anew',
      needs: 'advanceTimeMs',
      async run({ kv, hooks }) {
        const first = await kv.set('k', bytes('1'), { ttlMs: 1_000 })
        await hooks.advanceTimeMs(2_000)
        const second = await kv.set('k', bytes('2'), { ifAbsent: true })
        ok(second.seq > first.seq)
        equal((await kv.entry('k'))?.createdSeq, second.seq)
        await kv.set('n', new Uint8Array(8).fill(1), { ttlMs: 1_000 })
        await hooks.advanceTimeMs(2_000)
        equal(await kv.increment('n'), 1n)
      },
    },
    {
      name: 'keeps its lifetime when it is counted up',
      needs: 'advanceTimeMs',
      async run({ kv, hooks }) {
        await kv.set('n', new Uint8Array(8), { ttlMs: 10_000 })
        await kv.increment('n')
        ok((await kv.entry('n'))?.expiresAtMicros !== undefined)
        await hooks.advanceTimeMs(11_000)
        equal(await kv.get('n'), undefined)
      },
    },
    {
      name: 'is reported to watches when it goes',
      needs: 'advanceTimeMs',
      async run({ kv, hooks }) {
        const { token } = await kv.set('k', bytes('1'), { ttlMs: 1_000 })
        await hooks.advanceTimeMs(2_000)
        const watching = new Watching(signal => kv.watch({ from: token, signal }))
        deepEqual((await watching.nextCommit()).changes, ['~k'])
        await watching.end()
      },
    },
    {
      name: 'conflicts with a transaction that read it before it went',
      needs: 'advanceTimeMs',
      async run({ kv, database, project, hooks }) {
        await kv.set('k', bytes('1'), { ttlMs: 5_000 })
        const seen = await database.transaction(async tx => {
          const value = text(await tx.kv(project).get('k'))
          if (tx.attempt === 1) await hooks.advanceTimeMs(6_000)
          tx.kv(project).set('copy', bytes(value ?? 'nothing'))
          return value
        })
        equal(seen, undefined)
        equal(text(await kv.get('copy')), 'nothing')
      },
    },
  ],
}
