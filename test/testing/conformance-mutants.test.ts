import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decodeEnvelope,
  encodeEnvelope,
  encodeOutcome,
  firstOutcome,
  type Mutation,
  type TransactionEnvelope,
} from '../../src/encoding/index.ts'
import { createDatabase, type CoreOptions, type QueryData } from '../../src/model/index.ts'
import { conformanceSections } from '../../src/testing/index.ts'
import { ReferenceCore } from '../model/reference-core.ts'

/** Plants one fault in a core. */
type Mutant = (core: ReferenceCore) => void

function changeEnvelopes(core: ReferenceCore, change: (envelope: TransactionEnvelope) => TransactionEnvelope): void {
  const submit = core.submit.bind(core)
  core.submit = (bytes, options) => submit(encodeEnvelope(change(decodeEnvelope(bytes))), options)
}

function changeReads(core: ReferenceCore, change: (options: CoreOptions) => CoreOptions): void {
  const read = core.read.bind(core)
  core.read = (request, options) => read(request, change(options))
}

function changeMutations(core: ReferenceCore, change: (mutation: Mutation) => Mutation): void {
  changeEnvelopes(core, envelope => ({ ...envelope, mutations: envelope.mutations.map(change) }))
}

function changeQueries(core: ReferenceCore, change: (query: QueryData) => QueryData): void {
  const read = core.read.bind(core)
  core.read = (request, options) =>
    read(request.type === 'query' ? { ...request, query: change(request.query) } : request, options)
}

/** Each fault, and the title of a section that must notice it. */
const mutants: Readonly<Record<string, [section: string, Mutant]>> = {
  'reads of transactions are not checked': [
    'a transaction',
    core => changeEnvelopes(core, ({ readSet: _, ...rest }) => rest),
  ],
  'ranges are not checked': [
    'a transaction',
    core =>
      changeEnvelopes(core, envelope => ({
        ...envelope,
        ...(envelope.readSet !== undefined && { readSet: { points: envelope.readSet.points ?? [] } }),
      })),
  ],
  'assertions are not checked': [
    'a commit',
    core => changeEnvelopes(core, envelope => ({ ...envelope, assertions: [] })),
  ],
  'what was asked to be durable is not, when it is answered': [
    'a commit',
    core => {
      const submit = core.submit.bind(core)
      core.submit = async (bytes, options) => ({ ...(await submit(bytes, options)), durableSeq: 0 })
    },
  ],
  'a repetition is not told from a first request': [
    'a write that is sent again',
    core => {
      const submit = core.submit.bind(core)
      core.submit = async (bytes, options) => {
        const answer = await submit(bytes, options)
        return { ...answer, outcome: firstOutcome(answer.outcome) }
      }
    },
  ],
  'idempotency keys are forgotten': [
    'a write that is sent again',
    core => changeEnvelopes(core, ({ idempotencyKey: _, ...rest }) => rest),
  ],
  'mutations are applied in the wrong order': [
    'a commit',
    core => changeEnvelopes(core, envelope => ({ ...envelope, mutations: envelope.mutations.toReversed() })),
  ],
  'lifetimes are lost': [
    'a key with a lifetime',
    core =>
      changeEnvelopes(core, envelope => ({
        ...envelope,
        mutations: envelope.mutations.map(mutation => {
          if (mutation.type !== 'kvSet') return mutation
          const { ttlMs: _, ...rest } = mutation
          return rest
        }),
      })),
  ],
  'callers are not told apart': [
    'a caller',
    core => {
      changeReads(core, ({ caller: _, ...rest }) => rest)
    },
  ],
  'views and exact seqs show the newest state': [
    'a read',
    core => {
      const read = core.read.bind(core)
      core.read = (request, { view: _, consistency: __, ...rest }) => read(request, rest)
    },
  ],
  'what a transaction has read of tables is not checked': [
    'a transaction on rows',
    core =>
      changeEnvelopes(core, ({ readSet = {}, ...rest }) => ({
        ...rest,
        readSet: {
          points: (readSet.points ?? []).filter(({ table }) => table === undefined),
          ranges: (readSet.ranges ?? []).filter(({ table }) => table === undefined),
        },
      })),
  ],
  'a row is inserted over another one': [
    'a row',
    core =>
      changeMutations(core, mutation => (mutation.type === 'insert' ? { ...mutation, type: 'upsert' } : mutation)),
  ],
  'an insert forgets what to do on a conflict': [
    'a row',
    core =>
      changeMutations(core, mutation => {
        if (mutation.type !== 'insert' || mutation.onConflict === undefined) return mutation
        return { ...mutation, onConflict: { ...mutation.onConflict, action: 'nothing' } }
      }),
  ],
  'limits of updates by a condition are lost': [
    'a row',
    core =>
      changeMutations(core, mutation => {
        if (mutation.type !== 'updateWhere' && mutation.type !== 'deleteWhere') return mutation
        const { limit: _, ...rest } = mutation
        return rest
      }),
  ],
  'tables have no checks, foreign keys and unique indexes': [
    'a constraint',
    core =>
      changeMutations(core, mutation => {
        if (mutation.type !== 'ddl' || mutation.operation.type !== 'createTable') return mutation
        const { checks: _, foreignKeys: __, indexes: ___, ...operation } = mutation.operation
        return { type: 'ddl', operation }
      }),
  ],
  'referential actions are those of another': [
    'a constraint',
    core =>
      changeMutations(core, mutation => {
        if (mutation.type !== 'ddl' || mutation.operation.type !== 'createTable') return mutation
        const { foreignKeys = [], ...operation } = mutation.operation
        return {
          type: 'ddl',
          operation: { ...operation, foreignKeys: foreignKeys.map(key => ({ ...key, onDelete: 'cascade' as const })) },
        }
      }),
  ],
  'a query forgets its order': ['a query', core => changeQueries(core, ({ orderBy: _, ...query }) => query)],
  'a query forgets its condition': [
    'a query',
    core => changeQueries(core, ({ where: _, ...query }) => ({ ...query, allowFullScan: true })),
  ],
  'further pages begin anew': ['a query', core => changeQueries(core, ({ cursor: _, ...query }) => query)],
  'joins are all inner ones': [
    'a query',
    core =>
      changeQueries(core, query => ({
        ...query,
        ...(query.joins !== undefined && { joins: query.joins.map(join => ({ ...join, type: 'inner' as const })) }),
      })),
  ],
  'read policies are not set': [
    'a caller of a table',
    core =>
      changeMutations(core, mutation =>
        mutation.type === 'ddl' && mutation.operation.type === 'setReadPolicy'
          ? { ...mutation, operation: { ...mutation.operation, policy: { op: 'and', args: [] } } }
          : mutation,
      ),
  ],
  'a watch begins anew instead of resuming': [
    'a watch',
    core => {
      const watch = core.watch.bind(core)
      const beginning = `${core.token.split(':')[0]}:0`
      core.watch = (selector, options) => watch(selector, { ...options, from: beginning })
    },
  ],
  'a watch ignores its prefix': [
    'a watch',
    core => {
      const watch = core.watch.bind(core)
      core.watch = (selector, options) => watch({ ...selector, prefix: new Uint8Array(0) }, options)
    },
  ],
  'a watch of rows ignores the key that it is given': [
    'a watch of a table',
    core => {
      const watch = core.watch.bind(core)
      core.watch = (selector, options) => watch({ ...selector, key: {} }, options)
    },
  ],
  'a watch of rows tells everything to everybody': [
    'a watch of a table',
    core => {
      const watch = core.watch.bind(core)
      core.watch = (selector, { caller: _, ...options }) => watch(selector, options)
    },
  ],
  'a watch of rows begins anew instead of resuming': [
    'a watch of a table',
    core => {
      const watch = core.watch.bind(core)
      const beginning = `${core.token.split(':')[0]}:0`
      core.watch = (selector, options) => watch(selector, { ...options, from: beginning })
    },
  ],
  'a watch of rows goes on where its sight has changed': [
    'a watch of a table',
    core => {
      const watch = core.watch.bind(core)
      core.watch = async function* (selector, options) {
        for await (const event of watch(selector, options)) {
          if (event.type === 'reset') void event.view.close()
          else yield event
        }
      }
    },
  ],
  'what layers assert is not checked': [
    'a layer',
    core => changeEnvelopes(core, envelope => ({ ...envelope, assertions: [] })),
  ],
  'what is done by the callers of layers is done in the name of root': [
    'a layer',
    core => {
      const submit = core.submit.bind(core)
      core.submit = (bytes, { caller: _, ...options }) => submit(bytes, options)
    },
  ],
  'all scopes are read in the name of root': [
    'a scan of all scopes',
    core => {
      changeReads(core, ({ caller: _, ...rest }) => rest)
    },
  ],
  'a scan of all scopes reads only one': [
    'a scan of all scopes',
    core => {
      const read = core.read.bind(core)
      core.read = async (request, options) => {
        const found = await read(request, options)
        if (found.result.type !== 'scopes') return found
        return { ...found, result: { ...found.result, scopes: found.result.scopes.slice(0, 1) } }
      }
    },
  ],
  'a preflight is made in the name of root': [
    'a preflight',
    core => {
      changeReads(core, ({ caller: _, ...rest }) => rest)
    },
  ],
  'a preflight forgets what it has found': ['a preflight', core => changePreflights(core, { readSet: { points: [] } })],
  'a preflight says that everything is fine': [
    'a preflight',
    core => changePreflights(core, { outcome: encodeOutcome({ status: 'committed', seq: 1, results: [2n, true] }) }),
  ],
}

function changePreflights(core: ReferenceCore, change: object): void {
  const read = core.read.bind(core)
  core.read = async (request, options) => {
    const found = await read(request, options)
    return found.result.type === 'preflight' ? { ...found, result: { ...found.result, ...change } } : found
  }
}

/** How many cases of the section fail on the mutant. */
async function failures(title: string, mutant: Mutant): Promise<number> {
  const section = conformanceSections.find(section => section.title === title)
  assert.ok(section !== undefined)
  let failed = 0
  for (const [index, { needs, run }] of section.cases.entries()) {
    if (needs !== undefined && [needs].flat().includes('checkpoint')) continue
    const core = new ReferenceCore()
    mutant(core)
    const database = createDatabase(core)
    const project = `case-${index}`
    await database.ddl({ type: 'createProject', project })
    const hooks = {
      advanceTimeMs: (ms: number) => Promise.resolve(core.advanceTimeMs(ms)),
      forgetChanges: () => Promise.resolve(core.forget()),
      checkpoint: () => Promise.reject(new Error('the reference has no checkpoints')),
    }
    const outcome = run({ database, project, kv: database.kv(project), hooks }).then(
      () => 0,
      () => 1,
    )
    // A case that waits for ever has noticed something too.
    failed += await Promise.race([outcome, turns(3_000).then(() => 1)])
  }
  return failed
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}

describe('the conformance suite', () => {
  for (const [fault, [title, mutant]] of Object.entries(mutants)) {
    it(`notices that ${fault}`, async () => {
      assert.ok((await failures(title, mutant)) > 0)
    })
  }

  it('finds nothing where nothing is wrong', async () => {
    for (const title of new Set(Object.values(mutants).map(([title]) => title))) {
      assert.equal(await failures(title, () => {}), 0, title)
    }
  })
})
