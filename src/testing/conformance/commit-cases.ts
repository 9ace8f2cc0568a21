import { deepEqual, equal } from 'node:assert/strict'
import {
  rangeDigest,
  type Assertion,
  type KeyAssertion,
  type Mutation,
  type TransactionEnvelope,
} from '../../encoding/index.ts'
import { ConflictError, DEFAULT_SETTINGS } from '../../model/index.ts'
import type { RequestOptions } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, fails, keysOf, refused, text } from './expectations.ts'

function set(project: string, key: string, value: string): Mutation {
  return { type: 'kvSet', project, key: bytes(key), value: bytes(value) }
}

/** Runs `work` under another value of a setting. */
async function withSetting(
  { database }: ConformanceContext,
  name: keyof typeof DEFAULT_SETTINGS,
  value: number,
  work: () => Promise<unknown>,
): Promise<void> {
  await database.ddl({ type: 'setSetting', name, value })
  try {
    await work()
  } finally {
    await database.ddl({ type: 'setSetting', name, value: DEFAULT_SETTINGS[name] })
  }
}

export const commitSection: ConformanceSection = {
  title: 'a commit',
  cases: [
    {
      name: 'is durable when it is answered if it is economic or waits for that; a volatile one is refused everywhere',
      async run({ database, kv }) {
        equal((await kv.set('k', bytes('1'), { writeClass: 'economic' })).isDurable, true)
        const second = await kv.set('k', bytes('2'), { finality: 'durable', writeClass: 'standard' })
        deepEqual([second.isDurable, second.isDuplicate], [true, false])
        for (const options of [{ writeClass: 'volatile' }, { finality: 'never' }] as unknown as RequestOptions[]) {
          await refused((async () => kv.set('k', bytes('3'), options))(), 'invalid_argument')
          await refused((async () => database.commit({ mutations: [] }, options))(), 'invalid_argument')
        }
        equal(text(await kv.get('k')), '2')
      },
    },
    {
      name: 'applies its mutations in order at one seq and answers each',
      async run({ database, project, kv }) {
        const n = { project, key: bytes('n'), width: 64 } as const
        const { seq, results } = await database.commit({
          mutations: [
            set(project, 'a', '1'),
            { type: 'kvIncrement', ...n, by: 5n },
            { type: 'kvDecrement', ...n, by: 2n },
            set(project, 'a', '2'),
            set(project, 'b', '1'),
            { type: 'kvDelete', project, key: bytes('b') },
          ],
        })
        deepEqual(results, [undefined, 5n, 3n, undefined, undefined, undefined])
        equal(text(await kv.get('a')), '2')
        deepEqual(await keysOf(kv.scan()), ['a', 'n'])
        equal((await kv.entry('a'))?.seq, seq)
        equal((await kv.entry('n'))?.seq, seq)
      },
    },
    {
      name: 'changes nothing when one mutation is refused, and names it',
      async run({ database, project, kv }) {
        const mutations: Mutation[] = [
          set(project, 'a', '1'),
          { type: 'kvDecrement', project, key: bytes('n'), by: 1n, width: 64 },
        ]
        equal((await refused(database.commit({ mutations }), 'underflow')).detail?.index, 1)
        deepEqual(await keysOf(kv.scan()), [])
      },
    },
    {
      name: 'holds only if every assertion does, and names the first that does not',
      async run({ database, project, kv }) {
        const { seq } = await kv.set('k', bytes('bb'))
        await kv.increment('n', 10)
        const at = (key: string): { project: string; key: Uint8Array } => ({ project, key: bytes(key) })
        const number = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 10)
        const true_: Assertion[] = [
          { type: 'keyVersion', ...at('k'), seq },
          { type: 'keyVersion', ...at('none'), seq: 0 },
          { type: 'keyExists', ...at('k'), expected: true },
          { type: 'keyExists', ...at('none'), expected: false },
          { type: 'keyEquals', ...at('k'), value: bytes('bb') },
          { type: 'keyCompare', ...at('k'), op: 'gt', threshold: bytes('ba') },
          { type: 'keyCompare', ...at('k'), op: 'lte', threshold: bytes('bb') },
          { type: 'keyCompare', ...at('n'), op: 'eq', threshold: number },
        ]
        const false_: KeyAssertion[] = [
          { type: 'keyVersion', ...at('k'), seq: seq + 1 },
          { type: 'keyExists', ...at('k'), expected: false },
          { type: 'keyEquals', ...at('k'), value: bytes('b') },
          { type: 'keyEquals', ...at('none'), value: new Uint8Array(0) },
          { type: 'keyCompare', ...at('k'), op: 'lt', threshold: bytes('bb') },
          { type: 'keyCompare', ...at('k'), op: 'ne', threshold: bytes('bb') },
          { type: 'keyCompare', ...at('n'), op: 'gte', threshold: Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0) },
          { type: 'keyCompare', ...at('none'), op: 'ne', threshold: bytes('x') },
        ]
        for (const wrong of false_) {
          const envelope = { assertions: [...true_, wrong], mutations: [set(project, 'x', '1')] }
          const error = await refused(database.commit(envelope), 'assertion_failed')
          equal(error.detail?.index, true_.length, `${wrong.type} on ${text(wrong.key)}`)
        }
        equal(await kv.get('x'), undefined)
        await database.commit({ assertions: true_, mutations: [set(project, 'x', '1')] })
        equal(text(await kv.get('x')), '1')
      },
    },
    {
      name: 'checks its read set: points, ranges, their limit and their direction',
      async run({ database, project, kv }) {
        for (const key of ['a', 'c', 'e']) await kv.set(key, bytes(key))
        const records = await Promise.all(
          ['a', 'c', 'e'].map(async key => ({ key: bytes(key), seq: (await kv.entry(key))!.seq })),
        )
        const readsRange = (
          picked: typeof records,
          range: { start?: Uint8Array; end?: Uint8Array; reverse?: boolean; limit: number },
        ): TransactionEnvelope => ({
          readSet: { ranges: [{ project, ...range, digest: rangeDigest(picked) }] },
          mutations: [set(project, 'z', '1')],
        })
        const [a, c, e] = records as [(typeof records)[0], (typeof records)[0], (typeof records)[0]]
        const before = { end: bytes('z') }
        await database.commit(readsRange([a, c, e], { ...before, limit: 0 }))
        await database.commit(readsRange([a, c], { ...before, limit: 2 }))
        await database.commit(readsRange([e, c], { ...before, limit: 2, reverse: true }))
        await database.commit(readsRange([c, e], { ...before, start: bytes('b'), limit: 5 }))
        for (const wrong of [
          readsRange([a, c], { ...before, limit: 0 }),
          readsRange([c, e], { ...before, limit: 2, reverse: true }),
          readsRange([a, c, e], { ...before, start: bytes('b'), limit: 0 }),
          readsRange([a, c, { ...e, seq: e.seq - 1 }], { ...before, limit: 0 }),
        ]) {
          const error = await refused(database.commit(wrong), 'conflict')
          equal(error instanceof ConflictError && error.retryable, true)
        }
        const points = [
          { project, key: bytes('a'), seq: a.seq },
          { project, key: bytes('b'), seq: 0 },
        ]
        await database.commit({ readSet: { points }, mutations: [set(project, 'b', '1')] })
        const conflict = await refused(
          database.commit({ readSet: { points }, mutations: [set(project, 'y', '1')] }),
          'conflict',
        )
        equal(conflict.detail?.index, 1)
        equal(conflict.detail.actualSeq, (await kv.entry('b'))?.seq)
      },
    },
    {
      name: 'stays within the limits of the cluster',
      async run(context) {
        const { database, project, kv } = context
        await refused(kv.set('x'.repeat(DEFAULT_SETTINGS.keyBytesMax + 1), bytes('1')), 'key_too_large')
        await kv.set('x'.repeat(DEFAULT_SETTINGS.keyBytesMax), bytes('1'))
        await withSetting(context, 'valueBytesMax', 100, async () => {
          await refused(kv.set('k', new Uint8Array(101)), 'value_too_large')
          await kv.set('k', new Uint8Array(100))
        })
        await withSetting(context, 'mutationsMax', 2, async () => {
          const mutations = ['a', 'b', 'c'].map(key => set(project, key, '1'))
          await refused(database.commit({ mutations }), 'transaction_too_large')
          await database.commit({ mutations: mutations.slice(1) })
        })
        await withSetting(context, 'transactionBytesMax', 2_000, () =>
          refused(kv.set('k', new Uint8Array(2_001)), 'transaction_too_large', 'value_too_large'),
        )
        equal((await kv.get('k'))?.length, 100)
      },
    },
    {
      name: 'may have all the time there is',
      async run({ database, project, kv }) {
        for (const timeoutMs of [Infinity, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]) {
          await kv.set('k', bytes('1'), { timeoutMs })
          equal(text(await kv.get('k', { timeoutMs })), '1')
          await database.transaction(async tx => tx.kv(project).delete('k'), { timeoutMs })
          equal(await kv.get('k'), undefined)
        }
      },
    },
    {
      name: 'of a form that no envelope has is refused where it is made',
      async run({ database, project, kv }) {
        const forms: unknown[] = [
          undefined,
          {},
          { mutations: 'all' },
          { mutations: [{ type: 'kvSet', project, key: 'text', value: bytes('1') }] },
          { mutations: [{ type: 'kvPut', project, key: bytes('k'), value: bytes('1') }] },
          { mutations: [set(project, 'k', '1')], assertion: [{}] },
          { mutations: [{ type: 'kvIncrement', project, key: bytes('k'), by: -1n, width: 64 }] },
        ]
        for (const form of forms) await refused(database.commit(form as TransactionEnvelope), 'invalid_argument')
        await refused(kv.set('k', bytes('1'), { timeoutMs: -1 }), 'invalid_argument')
        deepEqual(await keysOf(kv.scan()), [])
        await fails(kv.get('k', { consistency: { minSeq: 'no token' } }), 'invalid_argument')
      },
    },
  ],
}
