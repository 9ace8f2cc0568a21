import { deepEqual, equal, ok } from 'node:assert/strict'
import { formatToken, parseToken, QuorateError } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, fails, keysOf, text } from './expectations.ts'

export const consistencySection: ConformanceSection = {
  title: 'a read',
  cases: [
    {
      name: 'with the token of a write sees that write, at every freshness',
      async run({ kv }) {
        for (let i = 0; i < 10; i++) {
          const { token } = await kv.set('k', bytes(`${i}`))
          equal(text(await kv.get('k', { consistency: { minSeq: token } })), `${i}`)
        }
        equal(text(await kv.get('k', { consistency: 'linearizable' })), '9')
        const { token } = await kv.set('k', bytes('10'))
        await kv.get('k', { consistency: { minSeq: token } })
        ok((await kv.get('k', { consistency: { maxStaleMs: 600_000 } })) !== undefined)
        ok((await kv.get('k', { consistency: 'local' })) !== undefined)
      },
    },
    {
      name: 'of an exact seq sees the state after it',
      async run({ kv }) {
        const first = await kv.set('a', bytes('1'))
        const second = await kv.set('a', bytes('2'))
        await kv.set('b', bytes('1'))
        const at = (token: string): { consistency: { atSeq: string } } => ({ consistency: { atSeq: token } })
        equal(text(await kv.get('a', at(first.token))), '1')
        equal(text(await kv.get('a', at(second.token))), '2')
        equal(await kv.get('b', at(second.token)), undefined)
        deepEqual(await keysOf(kv.scan(at(second.token))), ['a'])
      },
    },
    {
      name: 'of a seq outside the window or of another history is refused',
      async run({ kv }) {
        const { token } = await kv.set('a', bytes('1'))
        const { historyId, seq } = parseToken(token)
        const far = formatToken(historyId, seq + 1_000_000)
        const error = await fails(kv.get('a', { consistency: { atSeq: far } }), 'seq_unavailable')
        ok((error.detail?.newestSeq ?? 0) >= seq && (error.detail?.oldestSeq ?? Infinity) <= seq)
        const other = formatToken(
          historyId.replace(/^./, first => (first === '0' ? '1' : '0')),
          seq,
        )
        for (const consistency of [{ atSeq: other }, { minSeq: other }]) {
          await fails(kv.get('a', { consistency }), 'history_changed')
        }
      },
    },
    {
      name: 'by the lease of the leader sees every write that was acknowledged before, whether leases are allowed or not',
      async run({ database, kv }) {
        const allow = (value: number): Promise<unknown> =>
          database.ddl({ type: 'setSetting', name: 'leaseReads', value })
        for (const isAllowed of [0, 1]) {
          await allow(isAllowed)
          for (let i = 0; i < 5; i++) {
            const { seq } = await kv.set('k', bytes(`${isAllowed} ${i}`))
            equal(text(await kv.get('k', { consistency: 'lease' })), `${isAllowed} ${i}`)
            await using view = await database.view({ consistency: 'lease' })
            ok(view.seq >= seq)
          }
        }
        await allow(0)
      },
    },
    {
      name: 'of the newest checkpoint sees what was written before it, and nothing of what came after',
      needs: 'checkpoint',
      async run({ database, project, kv, hooks }) {
        const first = await kv.set('k', bytes('1'))
        await hooks.checkpoint()
        const second = await kv.set('k', bytes('2'))
        const old = await database.view({ consistency: 'checkpoint' })
        ok(old.seq >= first.seq && old.seq < second.seq)
        equal(text(await old.kv(project).get('k')), '1')
        equal(text(await kv.get('k', { consistency: 'checkpoint' })), '1')
        await hooks.checkpoint()
        equal(text(await kv.get('k', { consistency: 'checkpoint' })), '2')
        equal(text(await old.kv(project).get('k')), '1')
        await old.close()
      },
    },
    {
      name: 'through a view that is kept for long shows its state or ends with view_expired, and never shows another',
      needs: ['checkpoint', 'advanceTimeMs'],
      async run({ database, project, kv, hooks }) {
        await kv.set('k', bytes('0'))
        await using view = await database.view()
        for (let i = 1; i <= 4; i++) {
          await kv.set('k', bytes(`${i}`))
          await hooks.checkpoint()
          await hooks.advanceTimeMs(40_000)
          const seen = await view
            .kv(project)
            .get('k')
            .then(text, (error: unknown) => (error instanceof QuorateError ? error.code : String(error)))
          ok(seen === '0' || seen === 'view_expired', `after ${i} checkpoints: ${seen}`)
        }
        equal(text(await kv.get('k')), '4')
      },
    },
    {
      name: 'sees the head, and waits for what is durable by seq and by token',
      async run({ database, kv }) {
        const { seq, token } = await kv.set('k', bytes('1'))
        const head = await database.head()
        ok(head.visibleSeq >= seq, 'an acknowledged write is not visible')
        equal(parseToken(head.token).seq, head.visibleSeq)
        equal(parseToken(head.token).historyId, parseToken(token).historyId)
        for (const point of [seq, token]) {
          const durable = await database.waitForDurable(point)
          ok(durable.durableSeq >= seq && durable.visibleSeq >= seq, `waited for ${point}`)
        }
        await database.as('nobody').waitForDurable(token)
        const { historyId } = parseToken(token)
        const later = `${historyId}:${seq + 1_000_000}`
        await fails(database.waitForDurable(later, { timeoutMs: 200 }), 'seq_unavailable', 'timeout')
        await fails(database.waitForDurable(seq + 1_000_000, { timeoutMs: 200 }), 'seq_unavailable', 'timeout')
        await fails(database.waitForDurable(`${'0'.repeat(32)}:1`), 'history_changed')
        await fails(database.waitForDurable('soon'), 'invalid_argument')
        await fails(database.waitForDurable(-1), 'invalid_argument')
        await fails(database.head({ signal: AbortSignal.abort() }), 'aborted')
      },
    },
    {
      name: 'that is aborted before it begins is not made',
      async run({ kv }) {
        await fails(kv.get('a', { signal: AbortSignal.abort() }), 'aborted')
      },
    },
    {
      name: 'through a view sees one state until the view is closed',
      async run({ database, project, kv }) {
        await kv.set('a', bytes('1'))
        const view = await database.view()
        await kv.set('a', bytes('2'))
        await kv.set('b', bytes('2'))
        const pinned = view.kv(project)
        equal(text(await pinned.get('a')), '1')
        equal((await pinned.entry('b'))?.seq, undefined)
        deepEqual(await keysOf(pinned.scan()), ['a'])
        equal(parseToken(view.token).seq, view.seq)
        equal(text(await kv.get('a', { consistency: { atSeq: view.token } })), '1')
        await view.close()
        await view.close()
        await fails(pinned.get('a'), 'closed')
      },
    },
    {
      name: 'through a view at a token sees at least that write',
      async run({ database, project, kv }) {
        const { token, seq } = await kv.set('a', bytes('1'))
        await using newer = await database.view({ consistency: { minSeq: token } })
        ok(newer.seq >= seq)
        await kv.set('a', bytes('2'))
        await using exact = await database.view({ consistency: { atSeq: token } })
        equal(exact.seq, seq)
        equal(text(await exact.kv(project).get('a')), '1')
      },
    },
  ],
}
