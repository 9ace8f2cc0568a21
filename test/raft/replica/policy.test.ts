import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Assertion, Ddl, Expr } from '../../../src/encoding/index.ts'
import { createDatabase } from '../../../src/model/index.ts'
import type { Database } from '../../../src/model/index.ts'
import { ReplicaCore } from '../../../src/raft/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const T = { project: 'p', scope: 'app', table: 'notes' }
const ROWS = 12
const CREATE: readonly Ddl[] = [
  { type: 'createProject', project: 'p' },
  {
    type: 'createTable',
    ...T,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'owner', type: 'text' },
    ],
    primaryKey: ['id'],
    indexes: [{ name: 'owner', columns: ['owner'] }],
  },
  ...(['tableRead', 'tableWrite'] as const).map(
    type => ({ type: 'grant', caller: 'ann', permission: { type, ...T } }) as const,
  ),
]
const OWN: Expr = { op: 'eq', column: 'owner', value: { caller: true } }
const OTHERS: Expr = { op: 'ne', column: 'owner', value: { caller: true } }

/** Three nodes; the database of each, and time that passes until what it does has ended. */
class Policed {
  readonly trio: Trio = new Trio(seed, { lagLogBytes: 32 << 10, checkpointAgeMs: 500 })

  at(name: string): Database {
    const { clock, timers, random } = this.trio.machines.get(name)!.process!
    return createDatabase(new ReplicaCore({ service: this.trio.node(name).replica, clock, timers, random }))
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.trio.world.runToCompletion(work, 60_000)
  }

  /** The ids that ann sees on a node, by every kind of read; all must say the same. */
  async seen(name: string, isLocal: boolean): Promise<number[]> {
    const ann = this.at(name).as('ann')
    const options = isLocal ? ({ consistency: 'local' } as const) : {}
    const table = ann.table(T)
    const all = await this.run(table.query(q => q.orderBy('id').limit(100)).all(options))
    const ids = all.map(row => Number(row['id']))
    const points = await this.run(
      table.getMany(
        Array.from({ length: ROWS }, (_, id) => ({ id })),
        options,
      ),
    )
    assert.deepEqual(
      points.map(row => Number(row?.['id'] ?? -1)).filter(id => id >= 0),
      ids,
      'points',
    )
    assert.equal(await this.run(table.count(undefined, options)), ids.length, 'count')
    const byIndex = table.query(q =>
      q
        .where({ op: 'in', column: 'owner', values: ['ann', 'ben'] })
        .orderBy('owner')
        .limit(100),
    )
    const found = (await this.run(byIndex.all(options))).map(row => Number(row['id']))
    assert.deepEqual(
      found.toSorted((a, b) => a - b),
      ids,
      'index',
    )
    const paged: number[] = []
    const pages = table.query(q => q.orderBy('id').limit(4))
    for (let page = await this.run(pages.page(undefined, options)); ;) {
      paged.push(...page.rows.map(row => Number(row['id'])))
      if (page.cursor === undefined) break
      page = await this.run(pages.page(page.cursor))
    }
    assert.deepEqual(paged, ids, 'pages')
    const count: Assertion = { type: 'count', ...T, op: 'eq', value: 1_000 }
    const { error } = await this.run(
      ann.preflight({ assertions: [count], mutations: [{ type: 'delete', ...T, key: { id: -1 } }] }),
    )
    assert.equal(error?.detail?.condition?.actual, ids.length, 'assertion')
    return ids
  }

  /** Until a node has applied all that the leader has. */
  async caughtUp(name: string, leader: string): Promise<void> {
    const { machine } = this.trio.node(leader)
    await this.trio.until(
      `${name} to be as far`,
      () => {
        const node = this.trio.nodes.get(name)
        return node !== undefined && node.machine.appliedSeq >= machine.appliedSeq
      },
      60_000,
    )
  }
}

const even = Array.from({ length: ROWS / 2 }, (_, i) => 2 * i)
const odd = even.map(id => id + 1)

describe(`a read policy on followers (seed ${seed})`, () => {
  it('binds every read there: as it follows, after it has replayed its log, and after an install', async () => {
    const policed = new Policed()
    const { trio } = policed
    await trio.start()
    const leader = await trio.untilLed()
    const [follower, other] = NAMES.filter(name => name !== leader) as [string, string]
    const root = policed.at(leader)
    await policed.run(root.ddl(CREATE))
    const rows = Array.from({ length: ROWS }, (_, id) => ({ id, owner: id % 2 === 0 ? 'ann' : 'ben' }))
    await policed.run(root.table(T).insertMany(rows))
    await policed.run(root.ddl({ type: 'setReadPolicy', ...T, policy: OWN }))
    for (const name of [follower, other]) assert.deepEqual(await policed.seen(name, false), even, name)

    // A view of before shows what the policy of now lets its caller see.
    const early = await policed.run(policed.at(follower).as('ann').view())
    await policed.run(root.ddl({ type: 'setReadPolicy', ...T, policy: OTHERS }))
    assert.deepEqual(await policed.seen(follower, false), odd)
    const late = await policed.run(
      early
        .table(T)
        .query(q => q.orderBy('id').limit(100))
        .all(),
    )
    assert.deepEqual(
      late.map(row => Number(row['id'])),
      odd,
      'the view',
    )
    await policed.run(early.close())

    trio.crash(follower)
    await trio.start(follower)
    await policed.caughtUp(follower, leader)
    assert.deepEqual(await policed.seen(follower, true), odd, 'after replay')

    trio.crash(other)
    await policed.run(root.ddl({ type: 'setReadPolicy', ...T, policy: OWN }))
    const kv = root.kv('p')
    for (let i = 0; i < 120; i++) await policed.run(kv.set(`k${i % 7}`, new Uint8Array(1_500).fill(i)))
    await trio.start(other)
    await trio.until('an install', () => trio.nodes.get(other)?.machine.isInstalled === true, 60_000)
    await policed.caughtUp(other, leader)
    assert.deepEqual(await policed.seen(other, true), even, 'after the install')
    trio.crash(other)
    await trio.start(other)
    await policed.caughtUp(other, leader)
    assert.deepEqual(await policed.seen(other, true), even, 'after the install and a replay')

    await policed.run(root.ddl({ type: 'revoke', caller: 'ann', permission: { type: 'tableRead', ...T } }))
    await policed.caughtUp(other, leader)
    const denied = policed.at(other).as('ann').table(T).count(undefined, { consistency: 'local' })
    await assert.rejects(policed.run(denied), { code: 'permission_denied' })
  })
})
