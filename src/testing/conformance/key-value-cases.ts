import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Mutation } from '../../encoding/index.ts'
import { bytesCodec, jsonCodec, parseToken } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, collect, fails, keysOf, refused, text } from './expectations.ts'

export const keyValueSection: ConformanceSection = {
  title: 'a key-value space',
  cases: [
    {
      name: 'gives back what was set, with its versions',
      async run({ kv, database }) {
        equal(await kv.get('k'), undefined)
        equal(await kv.entry('k'), undefined)
        const first = await kv.set('k', bytes('1'))
        const second = await kv.set('k', bytes('2'))
        ok(second.seq > first.seq)
        equal(text(await kv.get('k')), '2')
        const entry = await kv.entry('k')
        deepEqual(
          { ...entry, value: text(entry?.value) },
          {
            key: 'k',
            value: '2',
            seq: second.seq,
            createdSeq: first.seq,
            expiresAtMicros: undefined,
          },
        )
        const { historyId, appliedSeq } = await database.status()
        deepEqual(parseToken(second.token), { historyId, seq: second.seq })
        ok(appliedSeq >= second.seq)
      },
    },
    {
      name: 'deletes, and deleting what is not there is a success',
      async run({ kv }) {
        await kv.delete('k')
        const before = await kv.set('k', bytes('1'))
        await kv.delete('k')
        equal(await kv.get('k'), undefined)
        await kv.delete('k')
        const after = await kv.set('k', bytes('1'))
        ok(after.seq > before.seq)
        equal((await kv.entry('k'))?.createdSeq, after.seq)
      },
    },
    {
      name: 'reads many keys of one state in the order asked',
      async run({ kv }) {
        await Promise.all([kv.set('a', bytes('A')), kv.set('b', bytes('B'))])
        deepEqual((await kv.getMany(['b', 'x', 'a', 'b'])).map(text), ['B', undefined, 'A', 'B'])
        deepEqual(await kv.getMany([]), [])
      },
    },
    {
      name: 'keeps any bytes, none and many of them',
      async run({ database, project }) {
        const raw = database.kv(project, { key: bytesCodec })
        const all = Uint8Array.from({ length: 256 }, (_, index) => index)
        const large = Uint8Array.from({ length: 150_000 }, (_, index) => (index * 31) >>> 3)
        await raw.set(all, large)
        await raw.set(Uint8Array.of(0), new Uint8Array(0))
        await raw.set(Uint8Array.of(0, 0), all)
        deepEqual(Uint8Array.from((await raw.get(all)) ?? []), large)
        equal((await raw.get(Uint8Array.of(0)))?.length, 0)
        deepEqual(Uint8Array.from((await raw.get(Uint8Array.of(0, 0))) ?? []), all)
        deepEqual(
          (await collect(raw.scan())).map(entry => entry.key.length),
          [1, 2, 256],
        )
      },
    },
    {
      name: 'sets many keys in one commit, or none of them',
      async run({ kv, database, project }) {
        const { seq } = await kv.setMany([
          ['a', bytes('1')],
          ['b', bytes('2')],
          ['a', bytes('3')],
        ])
        deepEqual((await kv.getMany(['a', 'b'])).map(text), ['3', '2'])
        deepEqual([(await kv.entry('a'))?.seq, (await kv.entry('b'))?.seq], [seq, seq])
        const many = new Map(Array.from({ length: 300 }, (_, i) => [`n${i}`, bytes(`${i}`)]))
        await kv.setMany(many, { ttlMs: 3_600_000, idempotencyKey: `${project} many` })
        equal(text(await kv.get('n299')), '299')
        ok((await kv.entry('n0'))?.expiresAtMicros !== undefined)
        await fails(kv.setMany([]), 'invalid_argument')
        const caller = `${project}-writer`
        const permission = { type: 'kvWrite', project, scope: 'app', prefix: bytes('own/') } as const
        await database.ddl({ type: 'grant', caller, permission })
        const writer = database.as(caller).kv(project)
        await refused(
          writer.setMany([
            ['own/x', bytes('1')],
            ['other', bytes('1')],
          ]),
          'permission_denied',
        )
        equal(await kv.get('own/x'), undefined)
      },
    },
    {
      name: 'scans by prefix, bounds, direction and limit, in the order of bytes',
      async run({ kv }) {
        const keys = ['a', 'a/1', 'a/2', 'a0', 'b', 'é', 'z']
        for (const key of [...keys].reverse()) await kv.set(key, bytes(key))
        const sorted = ['a', 'a/1', 'a/2', 'a0', 'b', 'z', 'é']
        deepEqual(await keysOf(kv.scan()), sorted)
        deepEqual(await keysOf(kv.scan({ reverse: true })), [...sorted].reverse())
        deepEqual(await keysOf(kv.scan({ prefix: 'a/' })), ['a/1', 'a/2'])
        deepEqual(await keysOf(kv.scan({ start: 'a/1', end: 'b' })), ['a/1', 'a/2', 'a0'])
        deepEqual(await keysOf(kv.scan({ prefix: 'a', start: 'a/2' })), ['a/2', 'a0'])
        deepEqual(await keysOf(kv.scan({ reverse: true, limit: 2, end: 'z' })), ['b', 'a0'])
        deepEqual(await keysOf(kv.scan({ limit: 3 })), sorted.slice(0, 3))
        deepEqual(await keysOf(kv.scan({ start: 'b', end: 'a' })), [])
        deepEqual(await keysOf(kv.scan({ prefix: 'nothing' })), [])
      },
    },
    {
      name: 'scans many records from one state, whatever is written meanwhile',
      async run({ kv, database, project }) {
        const names = Array.from({ length: 1200 }, (_, index) => `r${String(index).padStart(4, '0')}`)
        const mutations = names.map((name): Mutation => ({
          type: 'kvSet',
          project,
          key: bytes(name),
          value: bytes(name),
        }))
        await database.commit({ mutations })
        const seen: string[] = []
        for await (const entry of kv.scan()) {
          if (seen.length === 0) await Promise.all([kv.delete('r1100'), kv.set('r1150x', bytes('late'))])
          equal(text(entry.value), entry.key)
          seen.push(entry.key)
        }
        deepEqual(seen, names)
        let taken = 0
        for await (const entry of kv.scan({ reverse: true })) {
          ok(entry.key.startsWith('r1'))
          if (++taken === 3) break
        }
        equal((await keysOf(kv.scan({ limit: 900 }))).length, 900)
      },
    },
    {
      name: 'writes under a condition or tells the seq that it found',
      async run({ kv }) {
        const created = await kv.set('k', bytes('1'), { ifAbsent: true })
        const again = await refused(kv.set('k', bytes('2'), { ifAbsent: true }), 'assertion_failed')
        equal(again.detail?.actualSeq, created.seq)
        const changed = await kv.set('k', bytes('2'), { ifSeq: created.seq })
        const stale = await refused(kv.set('k', bytes('3'), { ifSeq: created.seq }), 'assertion_failed')
        equal(stale.detail?.actualSeq, changed.seq)
        equal(stale.detail.index, 0)
        await refused(kv.compareAndSet('k', 0, bytes('3')), 'assertion_failed')
        const swapped = await kv.compareAndSet('k', changed.seq, bytes('4'))
        await refused(kv.delete('k', { ifSeq: changed.seq }), 'assertion_failed')
        equal(text(await kv.get('k')), '4')
        await kv.delete('k', { ifSeq: swapped.seq })
        equal((await refused(kv.compareAndSet('k', 7, bytes('5')), 'assertion_failed')).detail?.actualSeq, 0)
        await kv.compareAndSet('k', 0, bytes('5'))
      },
    },
    {
      name: 'keeps scopes apart and names what is missing',
      async run({ kv, database, project }) {
        await database.ddl({ type: 'createScope', project, scope: 'other' })
        const other = database.kv(project, { scope: 'other' })
        await kv.set('k', bytes('app'))
        equal(await other.get('k'), undefined)
        await other.set('k', bytes('other'))
        equal(text(await database.kv(project, { scope: 'app' }).get('k')), 'app')
        await fails(database.kv('no-such-project').get('k'), 'project_not_found')
        await fails(collect(database.kv('no-such-project').scan()), 'project_not_found')
        await refused(database.kv('no-such-project').set('k', bytes('1')), 'project_not_found')
        await fails(database.kv(project, { scope: 'no-such-scope' }).get('k'), 'scope_not_found')
        await refused(database.kv(project, { scope: 'no-such-scope' }).delete('k'), 'scope_not_found')
      },
    },
    {
      name: 'applies what is not awaited in the order of the calls',
      async run({ kv }) {
        const writes = Array.from({ length: 50 }, (_, index) => kv.set('k', bytes(`${index}`)))
        const seqs = (await Promise.all(writes)).map(result => result.seq)
        deepEqual(
          seqs,
          [...seqs].sort((a, b) => a - b),
        )
        equal(new Set(seqs).size, seqs.length)
        equal(text(await kv.get('k')), '49')
      },
    },
    {
      name: 'speaks through codecs',
      async run({ database, project }) {
        const json = database.kv(project, { value: jsonCodec<{ n: number }>() })
        await json.set('schlüssel', { n: 1 })
        deepEqual(await json.get('schlüssel'), { n: 1 })
        deepEqual(
          (await collect(json.scan())).map(entry => [entry.key, entry.value]),
          [['schlüssel', { n: 1 }]],
        )
      },
    },
    {
      name: 'loses many keys in one commit',
      async run({ kv }) {
        await kv.setMany(['a', 'b', 'c', 'd'].map(key => [key, bytes(key)] as const))
        await kv.deleteMany(['a', 'c', 'none'])
        deepEqual(await keysOf(kv.scan()), ['b', 'd'])
        await refused(kv.deleteMany(['b', 'k'.repeat(4_000)]), 'key_too_large')
        await refused(kv.deleteMany([]), 'invalid_argument')
        deepEqual(await keysOf(kv.scan()), ['b', 'd'])
      },
    },
  ],
}
