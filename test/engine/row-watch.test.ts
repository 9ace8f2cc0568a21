import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Ddl, Mutation, Value } from '../../src/encoding/index.ts'
import { RowJudge } from './row-watch-judge.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { Harness, SECOND } from './harness.ts'
import { seed } from './seed.ts'

const place = { project: 'p', table: 't' } as const
const CALLERS = ['root', 'ann', 'bob'] as const
const create: Ddl = {
  type: 'createTable',
  ...place,
  columns: [
    { name: 'part', type: 'text' },
    { name: 'id', type: 'integer' },
    { name: 'owner', type: 'text' },
    { name: 'count', type: 'integer', default: 0 },
  ],
  primaryKey: ['part', 'id'],
  indexes: [{ name: 'owners', columns: ['owner'] }],
}
const ofOwner: Ddl = {
  type: 'setReadPolicy',
  ...place,
  policy: { op: 'eq', column: 'owner', value: { caller: true } },
}
const ofCount: Ddl = { type: 'setReadPolicy', ...place, policy: { op: 'lt', column: 'count', value: 3 } }
const bypass = { caller: 'bob', permission: { type: 'policyBypass', project: 'p' } } as const

function mutation(random: SeededRandom): Mutation {
  const key = { part: random.pick(['a', 'b']), id: random.below(5) }
  const owner = random.pick(['ann', 'bob', 'eve'])
  switch (random.below(6)) {
    case 0:
      return { type: 'delete', ...place, key }
    case 1:
      return {
        type: 'updateWhere',
        ...place,
        where: { op: 'eq', column: 'owner', value: owner },
        set: { owner: { set: random.pick(['ann', 'bob', 'eve']) }, count: { add: 1 } },
      }
    case 2:
      return { type: 'deleteWhere', ...place, where: { op: 'eq', column: 'owner', value: owner }, limit: 2 }
    case 3:
      return { type: 'upsert', ...place, rows: [{ ...key, owner }], ttlMs: random.between(1, 5) * 1_000 }
    default:
      return { type: 'upsert', ...place, rows: [{ ...key, owner, count: random.below(5) }] }
  }
}

const DDL: readonly Ddl[] = [
  ofOwner,
  ofCount,
  { type: 'clearReadPolicy', ...place },
  { type: 'grant', ...bypass },
  { type: 'revoke', ...bypass },
]

async function run(runSeed: number): Promise<number> {
  const random = new SeededRandom(runSeed)
  let harness = await Harness.withProject()
  const grants = ['ann', 'bob'].map((caller): Ddl => ({
    type: 'grant',
    caller,
    permission: { type: 'tableRead', project: 'p' },
  }))
  await harness.commit({ mutations: [create, ...grants].map(operation => ({ type: 'ddl', operation })) })
  const shown = new Map<number, ReadonlyMap<string, ReadonlyMap<string, string>>>()
  const note = (): void => {
    const states = new Map<string, Map<string, string>>()
    for (const caller of CALLERS) {
      const query = { project: 'p', from: 't', allowFullScan: true }
      const read = harness.read({ type: 'query', query }, caller)
      assert.ok(read.type === 'query')
      states.set(caller, new Map(read.result.rows.map(row => [keyText(row), row.join(' ')])))
    }
    shown.set(harness.core.appliedSeq, states)
  }
  const sightChanges: number[] = []
  note()
  const first = harness.core.appliedSeq
  const appliedSeq = (): number => harness.core.appliedSeq
  let sinks: RowJudge[] = []
  const watch = (): void => {
    const caller = random.pick(CALLERS)
    const part = random.chance(0.3) ? random.pick(['a', 'b']) : undefined
    const from = random.between(Math.max(first, harness.core.appliedSeq - 20), harness.core.appliedSeq)
    const sink = new RowJudge(
      `seed ${runSeed}: ${caller} from ${from}`,
      { shown, sightChanges, appliedSeq },
      caller,
      part,
      from,
    )
    const key = part === undefined ? {} : { key: { part } }
    const selector = { caller, project: 'p', scope: 'app', table: 't', prefix: new Uint8Array(0), ...key }
    const entries = (low: number, high: number) => Promise.resolve(harness.batch(low, high))
    harness.core.watch(selector, from, sink, entries)
    sinks.push(sink)
  }
  let told = 0
  const judge = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns++) await turn()
    harness.core.watchProgress()
    for (const sink of sinks) sink.judge(harness.core.appliedSeq)
    told += sinks.reduce((sum, sink) => sum + sink.told, 0)
    sinks = []
  }
  for (let step = 0; step < 90; step++) {
    if (random.chance(0.15)) {
      // Rows are gone by their time before a tick removes them: here both come at once.
      harness.timeMicros += random.below(4) * SECOND
      await harness.tick()
    } else if (random.chance(0.08)) {
      await harness.commit({ mutations: [{ type: 'ddl', operation: random.pick(DDL) }] })
      sightChanges.push(harness.core.appliedSeq)
    } else await harness.commit({ mutations: Array.from({ length: random.between(1, 3) }, () => mutation(random)) })
    note()
    if (random.chance(0.15)) watch()
    if (random.chance(0.02)) {
      await judge()
      await harness.checkpoint()
      harness = await harness.reopen({ withoutChanges: random.chance(0.5) })
    }
  }
  await judge()
  return told
}

function keyText([part, id]: readonly Value[]): string {
  return `${String(part)} ${String(id)}`
}

describe('watches of rows', () => {
  it('tell each caller of all that changes in what it sees, and of nothing else, whatever is done', async () => {
    let told = 0
    for (let i = 0; i < 6; i++) told += await run(seed * 100 + i)
    assert.ok(told > 100, `only ${told} changes were told`)
  })
})
