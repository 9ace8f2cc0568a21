import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { integerCodec, ConflictError } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, fails, keysOf, text } from './expectations.ts'

export const transactionSection: ConformanceSection = {
  title: 'a transaction',
  cases: [
    {
      name: 'reads one state and its own writes, and commits them at one seq',
      async run({ database, project, kv }) {
        await kv.set('a', bytes('1'))
        await kv.set('c', bytes('1'))
        const result = await database.transaction(async tx => {
          const inside = tx.kv(project)
          inside.set('b', bytes('2'))
          inside.delete('c')
          await kv.set('unrelated', bytes('outside'))
          equal(await inside.get('c'), undefined)
          equal(text((await inside.entry('b'))?.value), '2')
          deepEqual((await inside.getMany(['a', 'b'])).map(text), ['1', '2'])
          return keysOf(inside.scan({ end: 'd' }))
        })
        deepEqual(result, ['a', 'b'])
        const entries = [await kv.entry('b'), await kv.entry('c')]
        ok(entries[0] !== undefined && entries[1] === undefined)
        deepEqual(await keysOf(kv.scan()), ['a', 'b', 'unrelated'])
      },
    },
    {
      name: 'rolls back when its body throws',
      async run({ database, project, kv }) {
        const reason = new Error('changed my mind')
        const work = database.transaction(tx => {
          tx.kv(project).set('k', bytes('1'))
          return Promise.reject(reason)
        })
        await rejects(work, reason)
        equal(await kv.get('k'), undefined)
      },
    },
    {
      name: 'loses no update of many at once',
      async run({ database, project }) {
        const value = integerCodec()
        const work = Array.from({ length: 6 }, async () => {
          for (let i = 0; i < 4; i++) {
            await database.transaction(async tx => {
              const counter = tx.kv(project, { value })
              counter.set('n', ((await counter.get('n')) ?? 0n) + 1n)
            })
          }
        })
        await Promise.all(work)
        equal(await database.kv(project, { value }).get('n'), 24n)
      },
    },
    {
      name: 'allows no write skew',
      async run({ database, project, kv }) {
        // Two on call; each may leave only while the other stays.
        for (const name of ['ann', 'bob']) await kv.set(`call/${name}`, bytes('on'))
        const leave = (name: string): Promise<boolean> =>
          database.transaction(async tx => {
            const call = tx.kv(project)
            const staying = (await call.getMany(['call/ann', 'call/bob'])).filter(value => text(value) === 'on')
            if (staying.length < 2) return false
            call.set(`call/${name}`, bytes('off'))
            return true
          })
        const left = await Promise.all([leave('ann'), leave('bob')])
        equal(left.filter(Boolean).length, 1)
      },
    },
    {
      name: 'allows no phantoms',
      async run({ database, project, kv }) {
        const book = (name: string): Promise<boolean> =>
          database.transaction(async tx => {
            const room = tx.kv(project)
            if ((await keysOf(room.scan({ prefix: 'room/9-10/' }))).length > 0) return false
            room.set(`room/9-10/${name}`, bytes(name))
            return true
          })
        const booked = await Promise.all(['ann', 'bob', 'eve'].map(book))
        equal(booked.filter(Boolean).length, 1)
        equal((await keysOf(kv.scan({ prefix: 'room/' }))).length, 1)
      },
    },
    {
      name: 'conflicts only with what it has read',
      async run({ database, project, kv }) {
        for (const key of ['a', 'b', 'c', 'd']) await kv.set(key, bytes(key))
        const attemptsWith = async (meanwhile: () => Promise<unknown>): Promise<number> =>
          database.transaction(async tx => {
            let left = 2
            for await (const entry of tx.kv(project).scan()) if (--left === 0 || entry.key > 'b') break
            tx.kv(project).set('z', bytes('z'))
            if (tx.attempt === 1) await meanwhile()
            return tx.attempt
          })
        equal(await attemptsWith(() => kv.set('c', bytes('beyond'))), 1)
        equal(await attemptsWith(() => kv.set('bb', bytes('beyond'))), 1)
        equal(await attemptsWith(() => kv.set('ab', bytes('phantom'))), 2)
        equal(await attemptsWith(() => kv.delete('a')), 2)
      },
    },
    {
      name: 'runs again as long as its time lasts, however often it has lost',
      async run({ database, project, kv }) {
        const losses = 18
        const runs = await database.transaction(async tx => {
          await tx.kv(project).get('hot')
          if (tx.attempt <= losses) await kv.set('hot', bytes(`${tx.attempt}`))
          tx.kv(project).set('won', bytes('1'))
          return tx.attempt
        })
        equal(runs, losses + 1)
        equal(text(await kv.get('won')), '1')
      },
    },
    {
      name: 'gives up with ConflictError after its attempts',
      async run({ database, project, kv }) {
        let runs = 0
        const work = database.transaction(
          async tx => {
            runs = tx.attempt
            await tx.kv(project).get('k')
            await kv.set('k', bytes(`${tx.attempt}`))
            tx.kv(project).set('never', bytes('1'))
          },
          { attempts: 3 },
        )
        const error = await fails(work, 'conflict')
        ok(error instanceof ConflictError && error.retryable)
        equal(runs, 3)
        equal(await kv.get('never'), undefined)
      },
    },
    {
      name: 'is applied once under an idempotency key, whether its repetition has read the same or what it has changed',
      async run({ database, project, kv }) {
        const counting = (): Promise<void> =>
          database.transaction(
            async tx => {
              const inside = tx.kv(project)
              const before = await inside.get('count')
              inside.set('count', bytes(`${text(before) ?? ''}x`))
            },
            { idempotencyKey: 'counting' },
          )
        await counting()
        equal((await fails(counting(), 'idempotency_mismatch')).applied, 'no')
        equal(text(await kv.get('count')), 'x')
        const noting = (): Promise<string> =>
          database.transaction(
            tx => {
              tx.kv(project).set('note', bytes('1'))
              return Promise.resolve('noted')
            },
            { idempotencyKey: 'noting' },
          )
        const results = [await noting()]
        const entry = await kv.entry('note')
        results.push(await noting())
        deepEqual(results, ['noted', 'noted'])
        equal((await kv.entry('note'))?.seq, entry?.seq)
      },
    },
    {
      name: 'stops for its caller',
      async run({ database, project, kv }) {
        const controller = new AbortController()
        const work = database.transaction(
          tx => {
            tx.kv(project).set('k', bytes('1'))
            controller.abort(new Error('no longer needed'))
            return new Promise<never>(() => {})
          },
          { signal: controller.signal },
        )
        equal((await fails(work, 'aborted')).applied, 'no')
        equal(await kv.get('k'), undefined)
      },
    },
    {
      name: 'changes the catalog and data together',
      async run({ database, project }) {
        await database.transaction(tx => {
          tx.ddl({ type: 'createScope', project, scope: 's' })
          tx.kv(project, { scope: 's' }).set('k', bytes('1'))
          return Promise.resolve()
        })
        equal(text(await database.kv(project, { scope: 's' }).get('k')), '1')
      },
    },
  ],
}
