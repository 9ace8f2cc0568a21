import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import type { Ddl, Mutation, TransactionEnvelope } from '../../src/encoding/index.ts'
import type { ProjectUsage } from '../../src/model/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { at, bytes, Harness, remove, set } from './harness.ts'
import { seed } from './seed.ts'

async function ddl(harness: Harness, ...operations: Ddl[]): Promise<void> {
  const outcome = await harness.commit({ mutations: operations.map(operation => ({ type: 'ddl', operation })) })
  assert.equal(outcome.status, 'committed', inspect(outcome))
}

function usage(harness: Harness, project = 'p', caller = 'root'): ProjectUsage {
  const result = harness.read({ type: 'usage', project }, caller)
  assert.equal(result.type, 'usage')
  return (result.type === 'usage' ? result.projects[0] : undefined)!
}

const committed = async (harness: Harness, ...mutations: Mutation[]): Promise<void> => {
  const outcome = await harness.commit({ mutations })
  assert.equal(outcome.status, 'committed', inspect(outcome))
}
const refusal = (harness: Harness, ...mutations: Mutation[]): Promise<string> => harness.refusal({ mutations })
const T = { project: 'p', table: 't' } as const
const TABLE: Ddl = {
  type: 'createTable',
  ...T,
  columns: [
    { name: 'id', type: 'integer' },
    { name: 'v', type: 'text', nullable: true },
  ],
  primaryKey: ['id'],
}

describe('a quota', () => {
  it('of bytes counts keys and values to the byte', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setQuota', project: 'p', bytes: 10 })
    await committed(harness, set('abc', '1234567'))
    assert.equal(await refusal(harness, set('x', '')), 'quota_exceeded')
    assert.equal(await refusal(harness, set('abc', '12345678')), 'quota_exceeded')
    const outcome = await harness.commit({ mutations: [set('x', 'y')] })
    assert.match(outcome.status === 'refused' ? outcome.message : '', /p would hold more than its quota of 10 bytes/)
    assert.equal(harness.get('abc'), '1234567')
    await committed(harness, set('abc', '7654321'))
    await committed(harness, set('abc', '12'), set('de', '345'))
    assert.deepEqual([usage(harness).bytes, usage(harness).keys], [10, 2])
  })

  it('of records counts keys and rows, of all mutations of a transaction together', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, TABLE, { type: 'setQuota', project: 'p', records: 3 })
    const row = (id: number): Mutation => ({ type: 'insert', ...T, rows: [{ id }] })
    await committed(harness, set('a', '1'), row(1))
    assert.equal(await refusal(harness, set('b', '1'), row(2)), 'quota_exceeded')
    assert.equal(await refusal(harness, row(2), row(3)), 'quota_exceeded')
    await committed(harness, set('b', '1'), row(2), remove('a'))
    assert.equal(await refusal(harness, set('c', '1')), 'quota_exceeded')
    await committed(harness, { type: 'kvDelete', ...at('b') }, row(3))
    assert.deepEqual([usage(harness).keys, usage(harness).rows], [0, 3])
  })

  it('lets through what makes the project no larger, also when it holds too much already', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, TABLE)
    await committed(harness, set('a', '12345678'), set('b', '1'), { type: 'insert', ...T, rows: [{ id: 1, v: 'one' }] })
    await ddl(harness, { type: 'setQuota', project: 'p', bytes: 0, records: 0 })
    assert.equal(await refusal(harness, set('c', '1')), 'quota_exceeded')
    assert.equal(await refusal(harness, set('b', '12')), 'quota_exceeded')
    await committed(harness, set('b', '2'))
    await committed(harness, set('a', '1'))
    await committed(harness, remove('none'))
    await committed(harness, { type: 'deleteWhere', ...T })
    await committed(harness, remove('a'), remove('b'))
    assert.deepEqual([usage(harness).bytes, usage(harness).rows, usage(harness).keys], [0, 0, 0])
    assert.equal(await refusal(harness, set('c', '1')), 'quota_exceeded')
    await ddl(harness, { type: 'setQuota', project: 'p' })
    await committed(harness, set('c', '1'))
  })

  it('counts index entries and events as bytes, and each project apart', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, TABLE, { type: 'createProject', project: 'q' })
    await committed(harness, { type: 'insert', ...T, rows: [{ id: 1, v: 'x'.repeat(100) }] })
    const before = usage(harness).bytes
    await ddl(harness, { type: 'createIndex', ...T, index: { name: 'by_v', columns: ['v'] } })
    while ((await harness.tick(), usage(harness).bytes) === before);
    assert.ok(usage(harness).bytes > before + 100)
    await ddl(harness, { type: 'setQuota', project: 'p', bytes: usage(harness).bytes + 200 })
    const insert = { type: 'insert', ...T, rows: [{ id: 2, v: 'y'.repeat(150) }] } as const
    assert.equal(await refusal(harness, insert), 'quota_exceeded', 'the row fits, its index entry does not')
    const event = { type: 'emitEvent', project: 'p', topic: 't', key: 'k', payload: `"${'z'.repeat(90)}"` } as const
    assert.equal(await refusal(harness, event), 'quota_exceeded')
    await committed(harness, { ...set('free', 'x'.repeat(1_000)), project: 'q' } as Mutation)
    await committed(harness, { ...event, payload: '1' })
    assert.equal(usage(harness).events, 1)
    assert.equal(usage(harness, 'q').events, 0)
  })

  it('frees what a drop takes away at once, and moves with a rename', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, TABLE, { type: 'setQuota', project: 'p', records: 10 })
    const rows = Array.from({ length: 10 }, (_, id) => ({ id }))
    await committed(harness, { type: 'insert', ...T, rows })
    assert.equal(await refusal(harness, set('a', '1')), 'quota_exceeded')
    await ddl(harness, { type: 'dropTable', ...T }, { type: 'renameProject', project: 'p', to: 'r' })
    assert.deepEqual([usage(harness, 'r').rows, usage(harness, 'r').quota], [0, { records: 10 }])
    await committed(harness, { ...set('a', '1'), project: 'r' } as Mutation)
    await ddl(harness, { type: 'dropProject', project: 'r' }, { type: 'createProject', project: 'r' })
    assert.deepEqual(usage(harness, 'r').quota, {})
  })

  it('counts what has expired until a tick has removed it, and no longer', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setQuota', project: 'p', records: 2 })
    await committed(harness, set('short', '1', 1_000), set('long', '1'))
    harness.timeMicros += 2_000_000
    assert.equal(await refusal(harness, set('more', '1')), 'quota_exceeded')
    const count = (): unknown => harness.read({ type: 'count', project: 'p', scope: 'app' })
    assert.deepEqual(count(), { type: 'count', keys: 1 }, 'readers see it no more')
    assert.equal(usage(harness).keys, 2)
    await harness.tick()
    assert.deepEqual(count(), { type: 'count', keys: 1 })
    await committed(harness, set('more', '1'))
    assert.equal(await refusal(harness, set('again', '1')), 'quota_exceeded')
  })

  it('is set by who administers the database only, and what a project holds is told to who administers it', async () => {
    const harness = await Harness.withProject()
    await ddl(
      harness,
      { type: 'grant', caller: 'pa', permission: { type: 'projectAdmin', project: 'p' } },
      { type: 'grant', caller: 'reader', permission: { type: 'kvRead', project: 'p' } },
      { type: 'createProject', project: 'q', owner: 'olga' },
    )
    const quota: TransactionEnvelope = { mutations: [{ type: 'ddl', operation: { type: 'setQuota', project: 'p' } }] }
    for (const caller of ['pa', 'reader']) assert.equal(await harness.refusal(quota, { caller }), 'permission_denied')
    assert.equal(usage(harness, 'p', 'pa').name, 'p')
    assert.equal(usage(harness, 'q', 'olga').owner, 'olga')
    assert.throws(() => usage(harness, 'p', 'reader'), { code: 'permission_denied' })
    assert.throws(() => usage(harness, 'none'), { code: 'project_not_found' })
    const all = harness.read({ type: 'usage' }, 'pa')
    assert.deepEqual(all.type === 'usage' && all.projects.map(({ name }) => name), ['p'])
  })

  it('refuses figures that are none', async () => {
    const harness = await Harness.withProject()
    const quota = (bounds: object): TransactionEnvelope => ({
      mutations: [{ type: 'ddl', operation: { type: 'setQuota', project: 'none', ...bounds } }],
    })
    assert.equal(await harness.refusal(quota({ bytes: 1 })), 'project_not_found')
  })
})

describe('quotas on replicas', () => {
  /** A transaction that some random project may not be large enough for. */
  function randomWrite(random: SeededRandom): TransactionEnvelope {
    const project = random.below(2) === 0 ? 'p' : 'q'
    const mutations = Array.from({ length: 1 + random.below(3) }, (): Mutation => {
      const key = bytes(`k${random.below(40)}`)
      if (random.below(3) === 0) return { type: 'kvDelete', project, key }
      const ttl = random.below(5) === 0 ? { ttlMs: 1 + random.below(2_000) } : {}
      return { type: 'kvSet', project, key, value: new Uint8Array(random.below(400)), ...ttl }
    })
    return { mutations }
  }

  async function write(harness: Harness, random: SeededRandom, count: number): Promise<number> {
    let refused = 0
    for (let i = 0; i < count; i++) {
      harness.timeMicros += random.below(200_000)
      const step = random.below(12)
      if (step === 0) await harness.tick()
      else if (step === 1) {
        const bytes = 500 + random.below(4_000)
        await ddl(harness, { type: 'setQuota', project: 'q', bytes, ...(bytes % 2 === 0 && { records: 12 }) })
      } else {
        const outcome = await harness.commit(randomWrite(random))
        if (outcome.status === 'refused') assert.equal(outcome.code, 'quota_exceeded')
        refused += outcome.status === 'refused' ? 1 : 0
      }
    }
    return refused
  }

  it(`decide alike after a restart, on an installed snapshot and in views of the past (seed ${seed})`, async () => {
    const random = new SeededRandom(seed)
    let leader = await Harness.withProject()
    await ddl(
      leader,
      { type: 'createProject', project: 'q' },
      { type: 'setQuota', project: 'p', bytes: 3_000, records: 15 },
    )
    let refused = await write(leader, random, 150)
    await leader.checkpoint()
    refused += await write(leader, random, 40)
    const digest = leader.digest()
    leader = await leader.reopen()
    await leader.applyAll()
    assert.equal(leader.digest(), digest, 'replay after a restart')

    const follower = await Harness.create({ pageBytes: 4096, budgetBytes: 64 << 10 })
    const source = await leader.core.snapshotSource(undefined)
    const sink = await follower.core.beginInstall(source.manifest)
    for (let chunk = await source.next(4_096); chunk !== undefined; chunk = await source.next(4_096)) {
      await sink.write(chunk)
    }
    await sink.commit()
    source.close()
    assert.deepEqual(usage(follower), usage(leader))
    refused += await write(leader, random, 150)
    follower.entries.push(...leader.entries)
    await follower.applyAll(7)
    assert.equal(follower.digest(), leader.digest(), 'entries after an install')
    assert.deepEqual(usage(follower, 'q'), usage(leader, 'q'))
    assert.ok(refused > 20, `${refused} were refused`)

    // Every state of the past is made by replaying entries on a retained root: what was refused then is refused again.
    const lone = await Harness.create()
    const read = { type: 'scan', project: 'p', scope: 'app', limit: 1_000 } as const
    for (const entry of leader.entries) lone.entries.push(entry)
    while (lone.core.appliedSeq < lone.entries.length) {
      const first = lone.core.appliedSeq + 1
      const result = lone.core.apply(lone.batch(first, first), () => false)
      await result.cold
      if (first < leader.core.oldestViewSeq || first % 5 !== 0) continue
      const view = await leader.core.viewAt(first, async (from, through) => leader.batch(from, through))
      assert.deepEqual(view.readSync(read, 'root'), lone.read(read), `keys at ${first}`)
      assert.deepEqual(view.readSync({ type: 'usage' }, 'root'), lone.read({ type: 'usage' }), `usage at ${first}`)
      view.release()
    }
  })
})
