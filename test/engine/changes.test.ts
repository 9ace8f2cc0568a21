import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from '../../src/encoding/index.ts'
import type { Ddl, Mutation } from '../../src/encoding/index.ts'
import { ChangeFiles, EFFECT_INLINE_BYTES } from '../../src/engine/events/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import type { Change, StateView, WatchedRows, WatchSink } from '../../src/model/index.ts'
import { SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { bytes, Harness, remove, set } from './harness.ts'

type ReadEntries = NonNullable<Parameters<Harness['core']['watch']>[3]>

/** Notes what a watch delivers. */
class Sink implements WatchSink {
  readonly events: string[] = []
  queuedBytes = 0

  commit(seq: number, changes: readonly Change[]): void {
    const text = (value: Uint8Array | undefined): string => (value === undefined ? '' : Buffer.from(value).toString())
    this.events.push(
      `${seq}: ${changes.map(({ kind, key, value }) => `${kind} ${text(key)} ${text(value)}`.trim()).join(', ')}`,
    )
  }

  rows(seq: number, { keyColumns, changes }: WatchedRows): void {
    const texts = changes.map(({ kind, cells }) => `${kind} ${cells.slice(0, keyColumns.length + 1).join(' ')}`)
    this.events.push(`${seq}: ${texts.join(', ')}`)
  }

  progress(seq: number): void {
    this.events.push(`progress ${seq}`)
  }

  reset(view: StateView): void {
    this.events.push(`reset ${view.seq}`)
    view.release()
  }

  failed(error: QuorateError): void {
    this.events.push(`failed ${error.code}`)
  }
}

const all = { caller: 'root', project: 'p', scope: 'app', prefix: new Uint8Array(0) }
const settled = (): Promise<void> => delay(1)

describe('a watch', () => {
  it('gets every change of its keys after its point, a commit at a time, past and present', async () => {
    const harness = await Harness.withProject()
    const { seq } = await harness.commit({ mutations: [set('a', '1'), set('b', '1')] })
    await harness.commit({ mutations: [set('x', '1')] })
    const sink = new Sink()
    harness.core.watch({ ...all, prefix: bytes('a') }, seq - 1, sink)
    await settled()
    await harness.commit({ mutations: [set('b', '2')] })
    const { seq: last } = await harness.commit({ mutations: [set('a', '2'), remove('a'), set('ab', '3')] })
    harness.core.watchProgress()
    assert.deepEqual(sink.events, [`${seq}: put a 1`, `${last}: put a 2, delete a, put ab 3`, `progress ${last}`])
  })

  it('is not told of what was refused', async () => {
    const harness = await Harness.withProject()
    const sink = new Sink()
    harness.core.watch(all, undefined, sink)
    await harness.refusal({ mutations: [set('a', '1'), set('', '1')] })
    assert.deepEqual(sink.events, [])
  })

  it('that takes too slowly goes on later from where it was', async () => {
    const harness = await Harness.withProject()
    const sink = new Sink()
    const watch = harness.core.watch(all, undefined, sink)
    sink.queuedBytes = 2_000_000
    const first = await harness.commit({ mutations: [set('a', '1')] })
    const second = await harness.commit({ mutations: [set('a', '2')] })
    await settled()
    assert.deepEqual(sink.events, [`${first.seq}: put a 1`])
    sink.queuedBytes = 0
    watch.resume()
    await settled()
    assert.deepEqual(sink.events, [`${first.seq}: put a 1`, `${second.seq}: put a 2`])
  })

  it('ends when its caller loses the permission or its scope is dropped', async () => {
    const harness = await Harness.withProject()
    const permission = { type: 'kvRead', project: 'p' } as const
    await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'grant', caller: 'alice', permission } }] })
    const [alice, root] = [new Sink(), new Sink()]
    harness.core.watch({ ...all, caller: 'alice' }, undefined, alice)
    harness.core.watch(all, undefined, root)
    await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'revoke', caller: 'alice', permission } }] })
    await harness.commit({ mutations: [set('secret', '1')] })
    assert.deepEqual(alice.events, ['failed permission_denied'])
    await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'dropScope', project: 'p', scope: 'app' } }] })
    assert.equal(root.events.at(-1), 'failed scope_not_found')
    assert.throws(() => harness.core.watch({ ...all, caller: 'alice' }, undefined, alice), { code: 'scope_not_found' })
  })

  it('resumes after a restart from what the changes directory kept, and is reset where it kept nothing', async () => {
    const harness = await Harness.withProject()
    const { seq } = await harness.commit({ mutations: [set('a', '1')] })
    await harness.commit({ mutations: [set('a', '2')] })
    await harness.checkpoint()
    await harness.commit({ mutations: [set('a', '3')] })
    const again = await harness.reopen()
    assert.equal(again.core.appliedSeq, seq + 1)
    const sink = new Sink()
    again.core.watch(all, seq - 1, sink)
    await again.applyAll()
    await settled()
    assert.deepEqual(sink.events, [`${seq}: put a 1`, `${seq + 1}: put a 2`, `${seq + 2}: put a 3`])

    const lost = await harness.reopen({ withoutChanges: true })
    const late = new Sink()
    lost.core.watch(all, seq - 1, late)
    assert.deepEqual(late.events, [`reset ${seq + 1}`])
  })
})

describe('a watch of rows', () => {
  const place = { project: 'p', table: 't' } as const
  const rows = { ...all, table: 't' }
  const ddl = (operation: Ddl) => ({ type: 'ddl', operation }) as const
  const policy = { op: 'eq', column: 'owner', value: { caller: true } } as const
  const put = (id: number, owner: string, body = ''): Mutation => ({
    type: 'upsert',
    ...place,
    rows: [{ id, owner, body }],
  })

  async function withTable(...more: Ddl[]): Promise<Harness> {
    const harness = await Harness.withProject()
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'owner', type: 'text' },
      { name: 'body', type: 'text' },
    ] as const
    const grant: Ddl = { type: 'grant', caller: 'ann', permission: { type: 'tableRead', project: 'p' } }
    const create: Ddl = { type: 'createTable', ...place, columns, primaryKey: ['id'] }
    const outcome = await harness.commit({ mutations: [create, grant, ...more].map(ddl) })
    assert.equal(outcome.status, 'committed')
    return harness
  }

  it('tells of rows that are too large for effects, and begins anew where such a one is not known any more', async () => {
    const large = 'x'.repeat(EFFECT_INLINE_BYTES)
    const harness = await withTable(
      { type: 'setSetting', name: 'valueBytesMax', value: 2 * EFFECT_INLINE_BYTES },
      { type: 'setSetting', name: 'transactionBytesMax', value: 4 * EFFECT_INLINE_BYTES },
    )
    const live = new Sink()
    harness.core.watch(rows, undefined, live)
    const { seq } = await harness.commit({ mutations: [put(1, 'ann', large)] })
    await settled()
    assert.deepEqual(live.events, [`${seq}: put 1 ann`])
    await harness.commit({ mutations: [put(1, 'bob', large)] })
    const late = new Sink()
    harness.core.watch(rows, seq - 1, late)
    await settled()
    assert.deepEqual(late.events, [`reset ${seq + 1}`])
  })

  it('of a caller under a policy hears when a row goes out of sight, and begins anew where that is not known', async () => {
    const harness = await withTable(
      { type: 'setSetting', name: 'valueBytesMax', value: 2 * EFFECT_INLINE_BYTES },
      { type: 'setSetting', name: 'transactionBytesMax', value: 4 * EFFECT_INLINE_BYTES },
      { type: 'setReadPolicy', ...place, policy },
    )
    const ann = new Sink()
    harness.core.watch({ ...rows, caller: 'ann' }, undefined, ann)
    const seqs: number[] = []
    const commit = async (...mutations: Mutation[]): Promise<void> => {
      seqs.push((await harness.commit({ mutations })).seq)
      await settled()
    }
    await commit(put(1, 'ann'), put(2, 'bob'), put(2, 'eve'))
    await commit(put(1, 'bob'), put(1, 'ann'), put(1, 'bob'))
    await commit({ type: 'delete', ...place, key: { id: 1 } })
    await commit(put(3, 'ann'), { type: 'delete', ...place, key: { id: 3 } })
    const [first, second, , fourth] = seqs as [number, number, number, number]
    const events = [`${first}: put 1 ann`, `${second}: delete 1, put 1 ann, delete 1`, `${fourth}: put 3 ann, delete 3`]
    assert.deepEqual(ann.events, events)
    const again = new Sink()
    harness.core.watch({ ...rows, caller: 'ann' }, first - 1, again)
    await settled()
    assert.deepEqual(again.events, events)
    await commit(put(4, 'bob', 'x'.repeat(EFFECT_INLINE_BYTES)))
    assert.deepEqual(ann.events, events)
    await commit({ type: 'delete', ...place, key: { id: 4 } })
    assert.deepEqual(ann.events, [...events, `reset ${seqs.at(-1)}`])
  })

  it('goes on under another name and with other columns, and gives old rows the columns of now', async () => {
    const harness = await withTable()
    const { seq } = await harness.commit({ mutations: [put(1, 'ann', 'b')] })
    const alter = (alteration: Extract<Ddl, { type: 'alterTable' }>['alteration']): Ddl => ({
      type: 'alterTable',
      ...place,
      alteration,
    })
    const live = new Sink()
    harness.core.watch(rows, undefined, live)
    await harness.commit({ mutations: [ddl({ type: 'renameTable', ...place, to: 'u' })] })
    const moved = { type: 'update', project: 'p', table: 'u', key: { id: 1 }, set: { owner: { set: 'bob' } } } as const
    const { seq: second } = await harness.commit({ mutations: [moved] })
    assert.deepEqual(live.events, [`${second}: put 1 bob`])
    await harness.commit({ mutations: [ddl({ type: 'renameTable', ...place, table: 'u', to: 't' })] })
    await harness.commit({
      mutations: [
        ddl(alter({ type: 'dropColumn', column: 'owner' })),
        ddl(alter({ type: 'addColumn', column: { name: 'grade', type: 'text', default: 'a' } })),
      ],
    })
    const told: WatchedRows[] = []
    const sink = Object.assign(new Sink(), { rows: (_: number, rows: WatchedRows) => told.push(rows) })
    harness.core.watch(rows, seq - 1, sink)
    await settled()
    assert.deepEqual(told[0], {
      columns: ['id', 'body', 'grade'],
      types: ['integer', 'text', 'text'],
      keyColumns: ['id'],
      changes: [{ kind: 'put', cells: [1, 'b', 'a'] }],
    })
    assert.equal(told.length, 2)
  })

  it('that begins beyond what is applied waits for names and permissions that may come', async () => {
    const harness = await Harness.withProject()
    const { appliedSeq } = harness.core
    const begin = (seq: number | undefined) => () => harness.core.watch(rows, seq, new Sink())
    assert.throws(begin(undefined), { code: 'table_not_found' })
    assert.throws(begin(appliedSeq), { code: 'table_not_found' })
    assert.throws(begin(appliedSeq + 1), { code: 'unavailable', retryable: true })
    assert.throws(() => harness.core.watch({ ...all, caller: 'x' }, appliedSeq + 1, new Sink()), {
      code: 'unavailable',
    })
    // What is taken away before its point may be given again up to there.
    const permission = { type: 'kvRead', project: 'p' } as const
    const { seq } = await harness.commit({ mutations: [ddl({ type: 'grant', caller: 'x', permission })] })
    const [ahead, live] = [new Sink(), new Sink()]
    harness.core.watch({ ...all, caller: 'x' }, seq + 2, ahead)
    harness.core.watch({ ...all, caller: 'x' }, seq, live)
    await harness.commit({ mutations: [ddl({ type: 'revoke', caller: 'x', permission })] })
    assert.deepEqual([ahead.events, live.events], [['failed unavailable'], ['failed permission_denied']])
  })
})

describe('changes that were lost', () => {
  /** Two checkpoints with commits before, between and after them, reopened without the changes directory. */
  async function lose(): Promise<{ lost: Harness; points: number[]; reads: [number, number][]; entries: ReadEntries }> {
    const harness = await Harness.withProject()
    const points: number[] = []
    const write = async (value: string): Promise<void> => {
      for (const key of ['a', 'b']) points.push((await harness.commit({ mutations: [set(key, value)] })).seq)
      await harness.refusal({ mutations: [set('a', 'refused'), set('', '')] })
    }
    await write('1')
    await harness.checkpoint()
    await write('2')
    await harness.commit({ mutations: [remove('a')] })
    await harness.checkpoint()
    await write('3')
    const lost = await harness.reopen({ withoutChanges: true })
    const reads: [number, number][] = []
    const entries: ReadEntries = (from, through) => {
      reads.push([from, through])
      return Promise.resolve(harness.batch(from, through))
    }
    return { lost, points, reads, entries }
  }

  it('are made again from the log after the older checkpoint, once, when a watch asks for them', async () => {
    const { lost, points, reads, entries } = await lose()
    const [first, second] = [new Sink(), new Sink()]
    const older = lost.core.checkpointedSeq
    assert.deepEqual(reads, [])
    lost.core.watch(all, older, first, entries)
    lost.core.watch({ ...all, prefix: bytes('b') }, older, second, entries)
    await settled()
    await lost.applyAll()
    await settled()
    const [, , a2, b2, a3, b3] = points as [number, number, number, number, number, number]
    const removed = `${b2 + 2}: delete a`
    assert.deepEqual(first.events, [`${a2}: put a 2`, `${b2}: put b 2`, removed, `${a3}: put a 3`, `${b3}: put b 3`])
    assert.deepEqual(second.events, [`${b2}: put b 2`, `${b3}: put b 3`])
    assert.deepEqual(reads, [[older + 1, b2 + 2]])
    const third = new Sink()
    lost.core.watch(all, a2, third, entries)
    await settled()
    assert.deepEqual(third.events, first.events.slice(1))
    assert.equal(reads.length, 1)
  })

  it('stay lost before the older checkpoint, and where the log is gone: such a watch starts from the present state', async () => {
    const { lost, points, reads, entries } = await lose()
    const early = new Sink()
    lost.core.watch(all, points[0], early, entries)
    await settled()
    assert.deepEqual(early.events, [`reset ${lost.core.appliedSeq}`])
    assert.deepEqual(reads, [])
    const { lost: other } = await lose()
    const gone = new Sink()
    other.core.watch(all, other.core.checkpointedSeq, gone, () =>
      Promise.reject(new QuorateError('seq_unavailable', 'the log was cut')),
    )
    await settled()
    assert.deepEqual(gone.events, [`reset ${other.core.appliedSeq}`])
  })

  it('are not taken from a log that tells another story than the state', async () => {
    const { lost, entries } = await lose()
    const sink = new Sink()
    lost.core.watch(all, lost.core.checkpointedSeq, sink, async (from, through) => {
      const batch = await entries(from, through)
      const text = Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.length)
      text[text.length - 1]! ^= 1
      return batch
    })
    await settled()
    assert.deepEqual(sink.events, [`reset ${lost.core.appliedSeq}`])
  })
})

describe('the changes directory', () => {
  it('has exactly these bytes', async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const changes = await ChangeFiles.open(disk.files(), '/changes', 6, 1)
    const groups = Uint8Array.of(0xaa, 0xbb)
    changes.append(7, 9, 0x01020304, groups)
    // The same again where the effect chain is known.
    changes.append(7, 9, 0x01020304, groups, { before: 77, after: crc32(groups, 77) })
    await changes.close()
    const golden = '22000000e8734353070000000000000009000000000000000403020100000000aabb'
    assert.equal(Buffer.from(disk.contents('/changes/00000000.chg')).toString('hex'), golden + golden)
  })

  it('keeps what leads up to the root it is opened for, in one piece', async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const changes = await ChangeFiles.open(disk.files(), '/changes', 0, 0)
    for (let seq = 1; seq <= 9; seq++) changes.append(seq, seq, seq * 10, Uint8Array.of(seq))
    await changes.close()
    const kept = await ChangeFiles.open(disk.files(), '/changes', 5, 50)
    assert.equal(kept.knownAfterSeq, 0)
    const found: number[] = []
    for (let seq = 2; ;) {
      const part = await kept.read(seq)
      if (part === undefined) break
      found.push(...part.bytes)
      seq = part.lastSeq
    }
    assert.deepEqual(found, [3, 4, 5])
    kept.append(6, 8, 81, Uint8Array.of(66))
    await kept.close()
    const next = await ChangeFiles.open(disk.files(), '/changes', 8, 81)
    assert.equal(next.knownAfterSeq, 0)
    const other = await ChangeFiles.open(disk.files(), '/changes', 8, 82)
    assert.equal(other.knownAfterSeq, 8, 'another history')
    assert.equal(await other.read(7), undefined)
  })

  it('forgets when the disk fails, and disturbs nobody', async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const changes = await ChangeFiles.open(disk.files(), '/changes', 0, 0)
    disk.inject({ operation: 'write', times: 100, effect: { type: 'fail', systemCode: 'ENOSPC' } })
    changes.append(1, 1, 1, Uint8Array.of(1))
    changes.flush()
    await settled()
    changes.append(2, 2, 2, Uint8Array.of(2))
    assert.deepEqual(await changes.read(1), { bytes: Uint8Array.of(2), lastSeq: 2 })
    await changes.close()
  })
})
