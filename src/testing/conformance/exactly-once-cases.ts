import { deepEqual, equal, ok } from 'node:assert/strict'
import type { TransactionEnvelope } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, fails, refused, text } from './expectations.ts'

export const exactlyOnceSection: ConformanceSection = {
  title: 'a write that is sent again',
  cases: [
    {
      name: 'under its idempotency key is applied once and gets the first answer',
      async run({ kv, project }) {
        const options = { idempotencyKey: `${project}/1` }
        equal(await kv.increment('n', 5, options), 5n)
        equal(await kv.increment('n', 5, options), 5n)
        equal(await kv.increment('n', 0), 5n)
        const first = await kv.set('k', bytes('1'), { idempotencyKey: `${project}/2` })
        const again = await kv.set('k', bytes('1'), { idempotencyKey: `${project}/2` })
        equal(again.seq, first.seq)
        equal(again.token, first.token)
        deepEqual([first.isDuplicate, again.isDuplicate], [false, true])
        const both = { idempotencyKey: `${project}/both` }
        const parallel = await Promise.all(Array.from({ length: 5 }, () => kv.increment('m', 1, both)))
        ok(parallel.every(value => value === 1n))
      },
    },
    {
      name: 'is told from a first one, with the results and the seq of the first',
      async run({ database, kv, project }) {
        const scope = { project, scope: 'app' }
        const add = { type: 'kvIncrement', ...scope, key: bytes('n'), by: 5n, width: 64 } as const
        const envelope: TransactionEnvelope = { idempotencyKey: `${project}/told`, mutations: [add] }
        const first = await database.commit(envelope)
        equal(first.isDuplicate, false)
        const between = await kv.set('k', bytes('1'))
        equal(between.isDuplicate, false)
        const again = await database.commit(envelope)
        deepEqual(again, { ...first, isDuplicate: true })
        ok(again.seq < between.seq)
        deepEqual(again.results, [5n])
        const other = await database.commit({ ...envelope, idempotencyKey: `${project}/other` })
        equal(other.isDuplicate, false)
        deepEqual(other.results, [10n])
      },
    },
    {
      name: 'with other content under the same key is refused',
      async run({ kv, project }) {
        const options = { idempotencyKey: `${project}/1` }
        await kv.set('k', bytes('1'), options)
        await refused(kv.set('k', bytes('2'), options), 'idempotency_mismatch')
        equal(text(await kv.get('k')), '1')
      },
    },
    {
      name: 'after a refusal is tried anew: only successes are remembered',
      async run({ kv, project }) {
        const options = { idempotencyKey: `${project}/1`, ifAbsent: true }
        await kv.set('k', bytes('1'))
        await refused(kv.set('k', bytes('2'), options), 'assertion_failed')
        await kv.delete('k')
        await kv.set('k', bytes('2'), options)
        equal(text(await kv.get('k')), '2')
        await kv.delete('k')
        await kv.set('k', bytes('2'), options)
        equal(await kv.get('k'), undefined)
      },
    },
    {
      name: 'belongs to its caller: the key of another is another key',
      async run({ database, kv, project }) {
        const caller = `${project}-ann`
        await database.ddl([
          { type: 'grant', caller, permission: { type: 'kvRead', project } },
          { type: 'grant', caller, permission: { type: 'kvWrite', project } },
        ])
        const options = { idempotencyKey: `${project}/1` }
        equal(await kv.increment('n', 1, options), 1n)
        equal(await database.as(caller).kv(project).increment('n', 1, options), 2n)
      },
    },
    {
      name: 'need not be: the outcome of a wait that was given up can be asked for',
      async run({ database, kv }) {
        const controller = new AbortController()
        const writing = kv.set('k', bytes('1'), { signal: controller.signal })
        controller.abort()
        const error = await writing.then(
          () => undefined,
          (error: unknown) => error,
        )
        // The answer may have been faster than the abort.
        if (error === undefined) return
        ok(error instanceof QuorateError && error.code === 'aborted')
        if (error.applied === 'no') {
          equal(await kv.get('k'), undefined)
          return
        }
        equal(error.applied, 'unknown')
        ok(error.reference !== undefined)
        await kv.set('after', bytes('1'))
        const outcome = await database.outcome(error.reference)
        equal(outcome?.seq, (await kv.entry('k'))?.seq)
      },
    },
    {
      name: 'has no outcome if it was never made',
      async run({ database, kv }) {
        const outcome = database.outcome({ session: 999_999_999, serial: 1 })
        equal(await outcome.catch(async () => fails(outcome, 'session_ended').then(() => undefined)), undefined)
        await fails(database.outcome({ session: -1, serial: 1 }), 'invalid_argument')
        equal(await kv.get('k'), undefined)
      },
    },
  ],
}
