import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind, MalformedBytes } from '../../src/encoding/index.ts'
import type { Ddl, TransactionEnvelope } from '../../src/encoding/index.ts'
import type { SnapshotBase } from '../../src/model/index.ts'
import { DIGEST_INTERVAL } from '../../src/engine/index.ts'
import { Harness, request, set } from './harness.ts'

async function ship(
  from: Harness,
  to: Harness,
  since: SnapshotBase | undefined,
): Promise<{ chunks: number; bytes: number }> {
  const source = await from.core.snapshotSource(since)
  const sink = await to.core.beginInstall(source.manifest)
  let chunks = 0
  let bytes = 0
  for (let chunk = await source.next(8_192); chunk !== undefined; chunk = await source.next(8_192)) {
    await sink.write(chunk)
    chunks++
    bytes += chunk.bytes.length
  }
  await sink.commit()
  source.close()
  return { chunks, bytes }
}

async function filled(entries: number): Promise<Harness> {
  const harness = await Harness.withProject()
  const { session } = await harness.openSession({ kind: 'node' })
  for (let i = 1; i <= entries; i++) {
    const value = i % 50 === 0 ? 'large '.repeat(2_000) : `v${i}`
    await harness.commit({ mutations: [set(`k${i % 700}`, value)] }, { session, serial: i })
  }
  return harness
}

describe('a snapshot', () => {
  it('makes an empty replica equal, which then applies the same entries with the same outcomes', async () => {
    const leader = await filled(500)
    const empty = await Harness.create({ pageBytes: 4096 })
    const { chunks } = await ship(leader, empty, undefined)
    assert.ok(chunks > 2)
    assert.equal(empty.digest(), leader.digest())
    assert.equal(empty.get('k50'), 'large '.repeat(2_000))
    empty.entries.push(...leader.entries)
    empty.timeMicros = leader.timeMicros
    const session = 2
    for (const harness of [leader, empty]) {
      const again = await harness.submit({ mutations: [set('a', '1')] }, { session, serial: 500 })
      assert.equal(again.isDuplicate, true)
      await harness.commit({ mutations: [set('a', '2')] }, { session, serial: 501 })
    }
    assert.equal(empty.digest(), leader.digest())
    const reopened = await empty.reopen()
    assert.equal(reopened.core.appliedSeq, leader.entries.length - 2, 'the install is durable when it is committed')
  })

  it('has the tables with their rows, and what is left of their jobs', async () => {
    const leader = await Harness.withProject()
    const table = { project: 'p', table: 't' } as const
    const ddl = async (operation: Ddl): Promise<void> => {
      assert.equal((await leader.commit({ mutations: [{ type: 'ddl', operation }] })).status, 'committed')
    }
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'text' },
    ] as const
    await ddl({ type: 'createTable', ...table, columns, primaryKey: ['id'] })
    const rows = Array.from({ length: 700 }, (_, id) => ({ id, name: `n${id}` }))
    await leader.commit({ mutations: [{ type: 'insert', ...table, rows }] })
    await ddl({ type: 'createIndex', ...table, index: { name: 'name', columns: ['name'], unique: true } })
    await leader.tick(100)
    const empty = await Harness.create({ pageBytes: 4096 })
    await ship(leader, empty, undefined)
    assert.equal(empty.digest(), leader.digest())
    empty.entries.push(...leader.entries)
    empty.timeMicros = leader.timeMicros
    for (const harness of [leader, empty]) {
      for (let ticks = 0; ticks < 8; ticks++) await harness.tick(100)
      const insert = (id: number, name: string): TransactionEnvelope => ({
        mutations: [{ type: 'insert', ...table, rows: [{ id, name }] }],
      })
      assert.equal(await harness.refusal(insert(900, 'n3')), 'unique_violation')
      assert.equal(await harness.refusal(insert(3, 'new')), 'duplicate_key')
      assert.equal((await harness.commit(insert(900, 'new'))).status, 'committed')
    }
    assert.equal(empty.digest(), leader.digest())
  })

  it('carries only what changed since a point that both have recorded', async () => {
    const leader = await filled(DIGEST_INTERVAL)
    const follower = await Harness.create()
    follower.entries.push(...leader.entries)
    await follower.applyAll()
    const since = follower.core.digests.at(-1)
    assert.equal(since?.seq, DIGEST_INTERVAL)
    await leader.commit({ mutations: [set('k1', 'new')] })
    const other = await Harness.create()
    const all = await ship(leader, other, undefined)
    const some = await ship(leader, follower, since)
    assert.ok(some.bytes * 3 < all.bytes, `${some.bytes} of ${all.bytes}`)
    assert.equal(follower.digest(), leader.digest())
    assert.equal((await leader.core.snapshotSource({ ...since, effectChain: 1 })).manifest.sinceSeq, 0)
  })

  it('may be incremental right after a restart: recorded digests are kept with the superblocks', async () => {
    const leader = await filled(DIGEST_INTERVAL)
    const first = await Harness.create()
    first.entries.push(...leader.entries)
    await first.applyAll()
    const recorded = first.core.digests
    assert.equal(recorded.at(-1)?.seq, DIGEST_INTERVAL)
    await first.checkpoint()
    const follower = await first.reopen()
    assert.deepEqual(follower.core.digests, recorded)
    await leader.commit({ mutations: [set('k1', 'new')] })
    await leader.checkpoint()
    const restarted = await leader.reopen()
    const source = await restarted.core.snapshotSource(follower.core.digests.at(-1))
    assert.equal(source.manifest.sinceSeq, DIGEST_INTERVAL)
    source.close()
    await ship(restarted, follower, follower.core.digests.at(-1))
    assert.equal(follower.digest(), restarted.digest())
    assert.deepEqual(follower.core.digests, recorded, 'the common past is still known')
    assert.deepEqual((await follower.reopen()).core.digests, recorded, 'and durable')
  })

  it('leaves no record of another past behind', async () => {
    const leader = await filled(DIGEST_INTERVAL)
    const other = await filled(DIGEST_INTERVAL + 100)
    assert.equal(other.core.digests.length, 1)
    await ship(leader, other, undefined)
    assert.deepEqual(other.core.digests, [])
    assert.deepEqual((await other.reopen()).core.digests, [])
  })

  it('that is given up half way leaves a state machine that goes on from where it was', async () => {
    const leader = await filled(300)
    const follower = await Harness.withProject()
    await follower.commit({ mutations: [set('own', '1')] })
    const { appliedSeq } = follower.core
    const digest = follower.digest()
    const source = await leader.core.snapshotSource(undefined)
    const sink = await follower.core.beginInstall(source.manifest)
    await sink.write((await source.next(8_192))!)
    assert.equal(follower.get('own'), '1', 'what was there is read until then')
    await assert.rejects(
      Promise.resolve().then(() => follower.core.apply(leader.batch(appliedSeq + 1), () => false)),
      /stopped/,
    )
    await sink.abort()
    assert.equal(follower.core.appliedSeq, appliedSeq)
    assert.equal(follower.digest(), digest)
    await follower.commit({ mutations: [set('own', '2')] })
    assert.equal(follower.get('own'), '2')
    await follower.checkpoint()
    assert.equal((await follower.reopen()).get('own'), '2')
  })

  it('begins although an entry waits for a cold page, whether a checkpoint was asked for before or after it', async () => {
    const leader = await filled(700)
    for (const isBefore of [true, false]) {
      const small = await Harness.create({ pageBytes: 4096, budgetBytes: 4 * 4096 })
      small.entries.push(...leader.entries)
      await small.applyAll()
      await small.checkpoint()
      let cold: Promise<void> | undefined
      let checkpoint = Promise.resolve<unknown>(undefined)
      for (let i = 1; cold === undefined; i++) {
        assert.ok(i < 700, 'no page is cold')
        await checkpoint
        small.append(EntryKind.transaction, request({ mutations: [set(`k${(i * 97) % 700}`, 'x')] }))
        if (isBefore) checkpoint = small.checkpoint()
        cold = small.core.apply(small.batch(small.nextSeq - 1), () => false).cold
      }
      if (!isBefore) checkpoint = small.checkpoint()
      await cold
      // An install on top of what is there waits for what a checkpoint has put on file.
      await checkpoint
      const source = await leader.core.snapshotSource(undefined)
      const sink = await small.core.beginInstall({ ...source.manifest, seq: source.manifest.seq + 1_000 })
      await sink.abort()
      await small.applyAll()
      assert.equal(small.core.appliedSeq, small.nextSeq - 1)
    }
  })

  it('is not taken if it is damaged or not what was announced', async () => {
    const leader = await filled(20)
    const source = await leader.core.snapshotSource(undefined)
    const chunk = (await source.next(1 << 20))!
    const empty = await Harness.create()
    const sink = await empty.core.beginInstall({ ...source.manifest, sum: { lo: 1, hi: 2 } })
    const damaged = chunk.bytes.slice()
    damaged[0]! ^= 1
    await assert.rejects(sink.write({ ...chunk, bytes: damaged }), MalformedBytes)
    await sink.write(chunk)
    await assert.rejects(sink.commit(), { name: 'SnapshotMismatch' })
    await sink.abort()
    const changed = chunk.bytes.slice()
    changed[changed.length - 1]! ^= 1
    const second = await empty.core.beginInstall(source.manifest)
    await second.write({ ...chunk, bytes: changed })
    await assert.rejects(second.commit(), { name: 'SnapshotMismatch' }, 'a changed value')
    await second.abort()
    empty.entries.push(...leader.entries)
    await empty.applyAll()
    assert.equal(empty.digest(), leader.digest(), 'nothing of it is left')
  })
})
