import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { crc32 } from '../../../src/encoding/index.ts'
import { encodeRecord } from '../../../src/engine/backup/parity.ts'
import {
  exportDump,
  openForReading,
  openOffline,
  parityOfDirectory,
  parityOfDump,
  restoreBackup,
  restoreDump,
} from '../../../src/engine/index.ts'
import type { EngineOptions } from '../../../src/engine/index.ts'
import { code } from '../../error-code.ts'
import { inBed, OPTIONS, things } from './bed.ts'
import type { Bed } from './bed.ts'

/** A database with keys of all sizes, rows, and a key that expires, closed. */
async function createClosed(bed: Bed, directory = '/data', options: EngineOptions = OPTIONS): Promise<void> {
  const engine = await bed.create(options, directory)
  const kv = engine.kv('p')
  for (let i = 0; i < 120; i++) await kv.set(`k${i}`, new Uint8Array((i * 97) % 9_000).fill(i))
  for (let i = 0; i < 120; i += 7) await kv.delete(`k${i}`)
  await kv.set('large', new Uint8Array(300_000).fill(9))
  await kv.set('soon', Uint8Array.of(1), { ttlMs: 3_600_000 })
  await engine.table(things).insertMany(Array.from({ length: 150 }, (_, id) => ({ id, name: `n${id % 7}` })))
  await engine.close()
}

describe('a dump', () => {
  it(
    'restores every record with its versions, in pages of any size, and says the same parity',
    inBed(async bed => {
      await createClosed(bed)
      const dumped = await exportDump(bed.process, '/data', '/dump')
      assert.deepEqual(await parityOfDump(bed.process.files, '/dump'), dumped)
      assert.deepEqual((await parityOfDirectory(bed.process, '/data')).parity, dumped.parity)
      for (const pageBytes of [4096, 32768] as const) {
        const target = `/from${pageBytes}`
        const restored = await restoreDump(bed.process, '/dump', target, { pageBytes })
        assert.deepEqual([restored.seq, restored.newSeq], [dumped.state.seq, dumped.state.seq + 1_000_000])
        assert.deepEqual((await parityOfDirectory(bed.process, target)).parity, dumped.parity)
      }
      const [before, after] = [await bed.open('/data'), await bed.open('/from32768', {})]
      for (const key of ['k1', 'k7', 'k119', 'large', 'soon']) {
        assert.deepEqual(await after.kv('p').entry(key), await before.kv('p').entry(key), key)
      }
      const named = await after
        .table(things)
        .query(q => q.where(c => c.name.eq('n3')))
        .all()
      assert.equal(named.length, 21)
      await after.kv('p').set('k1', Uint8Array.of(5))
      await before.close()
      await after.close()
      const changed = await parityOfDirectory(bed.process, '/from32768')
      assert.notEqual(changed.parity.data, dumped.parity.data)
    }),
  )

  it(
    'says parity of data alone that opening and closing does not change, and of all that a backup restores',
    inBed(async bed => {
      await createClosed(bed)
      const first = await parityOfDirectory(bed.process, '/data')
      const engine = await bed.open('/data')
      await engine.backup('/backup')
      await engine.close()
      const second = await parityOfDirectory(bed.process, '/data')
      assert.equal(second.parity.data, first.parity.data)
      assert.notEqual(second.parity.all, first.parity.all, 'the process that was opened has a session')
      await restoreBackup(bed.process, ['/backup'], '/restored', { pageBytes: 16384 })
      const restored = await parityOfDirectory(bed.process, '/restored')
      assert.deepEqual(restored.parity, second.parity)
    }),
  )

  it(
    'is refused with any of its bytes changed or missing, and restores nothing then',
    inBed(async bed => {
      await createClosed(bed)
      await exportDump(bed.process, '/data', '/dump')
      assert.equal(await code(exportDump(bed.process, '/data', '/dump')), 'already_exists')
      const file = await bed.process.files.open('/dump', 'readWrite')
      const size = file.sizeSync()
      const whole = new Uint8Array(size)
      await file.read(whole, 0)
      for (let offset = 0; offset < size; offset += 1 + Math.floor(size / 60)) {
        await file.write(Uint8Array.of(whole[offset]! ^ 0x10), offset)
        assert.equal(await code(parityOfDump(bed.process.files, '/dump')), 'damaged', `byte ${offset}`)
        await file.write(whole.subarray(offset, offset + 1), offset)
      }
      for (const length of [0, 5, 100, size - 1, size - 300]) {
        await file.truncate(length)
        assert.equal(await code(restoreDump(bed.process, '/dump', '/restored')), 'damaged', `cut at ${length}`)
        await file.write(whole, 0)
      }
      await file.close()
      await assert.rejects(bed.process.files.list('/restored'), { code: 'not_found' })
      await restoreDump(bed.process, '/dump', '/restored')
      assert.equal(await code(restoreDump(bed.process, '/dump', '/restored')), 'invalid_argument')
      assert.equal(await code(parityOfDump(bed.process.files, '/none')), 'not_found')
    }),
  )
})

describe('the bytes of a dump', () => {
  it(
    'are framed records, whose parity is that of what stands in them',
    inBed(async bed => {
      const record = {
        key: Uint8Array.of(16, 1, 2),
        versionSeq: 7,
        createdSeq: 5,
        expiresAtMicros: 0,
        value: Uint8Array.of(9, 8),
      }
      assert.equal(
        Buffer.from(encodeRecord(record)).toString('hex'),
        ['0300', '100102', '0700000000000000', '0500000000000000', '0000000000000000', '02000000', '0908'].join(''),
      )
      await createClosed(bed)
      const { parity, state } = await exportDump(bed.process, '/data', '/dump')
      const file = await bed.process.files.open('/dump', 'read')
      const bytes = Buffer.alloc(file.sizeSync())
      await file.read(bytes, 0)
      await file.close()
      const parts: Buffer[] = []
      for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32LE(at)) {
        const part = bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at))
        assert.equal(bytes.readUInt32LE(at + 4), crc32(part))
        parts.push(part)
      }
      assert.deepEqual([parts[0]![0], parts[1]![0], parts.at(-1)![0]], [1, 2, 3])
      assert.equal((JSON.parse(parts[0]!.subarray(1).toString()) as { state: { seq: number } }).state.seq, state.seq)
      const body = Buffer.concat(parts.slice(1, -1).map(part => part.subarray(1)))
      assert.equal(createHash('sha256').update(body).digest('hex'), parity.all)
      const data: Buffer[] = []
      let records = 0
      for (let at = 0; at < body.length; records++) {
        const keyBytes = body.readUInt16LE(at)
        const length = 2 + keyBytes + 24 + 4 + body.readUInt32LE(at + 2 + keyBytes + 24)
        if ([2, 4, 16, 17, 18, 19].includes(body[at + 2]!)) data.push(body.subarray(at, at + length))
        at += length
      }
      assert.deepEqual([records, data.length], [parity.records, parity.dataRecords])
      assert.equal(createHash('sha256').update(Buffer.concat(data)).digest('hex'), parity.data)
    }),
  )
})

describe('a directory that is only looked at', () => {
  it(
    'has what a crash left, to the last entry, and is what it was afterwards',
    inBed(async bed => {
      await createClosed(bed)
      const engine = await bed.open('/data')
      await engine.checkpoint()
      for (let i = 0; i < 40; i++) await engine.kv('p').set(`late${i}`, new Uint8Array(900).fill(i))
      bed.machine.crash('power')
      bed.process = bed.machine.start()
      const database = await openForReading('/data', bed.process, { budgetBytes: 64 << 10 })
      assert.equal((await database.kv('p').get('late39'))?.length, 900)
      assert.equal(await database.table(things).count(), 150)
      assert.equal((await database.projects())[0]?.name, 'p')
      assert.equal(await code(database.kv('p').set('x', Uint8Array.of(1))), 'invalid_argument')
      assert.equal(await code(database.ddl({ type: 'createProject', project: 'q' })), 'invalid_argument')
      const view = await database.view()
      assert.equal((await view.kv('p').get('late0'))?.length, 900)
      await view.close()
      const { historyId, appliedSeq } = await database.status()
      const [later, foreign] = [`${historyId}:${appliedSeq + 1}`, `${'0'.repeat(32)}:${appliedSeq}`]
      for (const [consistency, expected] of [
        [{ minSeq: later }, 'seq_unavailable'],
        [{ atSeq: later }, 'seq_unavailable'],
        [{ minSeq: foreign }, 'history_changed'],
        [{ atSeq: foreign }, 'history_changed'],
        [{ minSeq: `${historyId}:${appliedSeq}` }, 'none'],
      ] as const) {
        assert.equal(await code(database.view({ consistency })), expected, JSON.stringify(consistency))
        assert.equal(await code(database.kv('p').get('late0', { consistency })), expected, JSON.stringify(consistency))
      }
      const before = await database.view({ consistency: { atSeq: `${historyId}:${appliedSeq - 1}` } })
      assert.equal(await before.kv('p').get('late39'), undefined)
      await before.close()
      await database.close()
      const again = await openOffline('/data', bed.process)
      const { seq } = again.machine.digest
      assert.ok(seq === again.committedSeq && seq > again.checkpointSeq)
      await again.close()
      const between = await openOffline('/data', bed.process, { throughSeq: seq - 3 })
      assert.equal(between.machine.appliedSeq, seq - 3)
      await between.close()
      assert.equal(await code(openOffline('/data', bed.process, { throughSeq: seq + 1 })), 'seq_unavailable')
      assert.equal(await code(openOffline('/data', bed.process, { throughSeq: 1 })), 'seq_unavailable')
      assert.equal(await code(openOffline('/nothing', bed.process)), 'not_found')
      await assert.rejects(bed.process.files.list('/nothing'), { code: 'not_found' })
      const reopened = await bed.open('/data')
      assert.equal((await reopened.kv('p').get('late39'))?.length, 900)
      assert.ok((await reopened.status()).appliedSeq > seq)
      await reopened.close()
    }),
  )

  it(
    "is nobody else's meanwhile",
    inBed(async bed => {
      await createClosed(bed)
      const offline = await openOffline('/data', bed.process)
      await assert.rejects(bed.open('/data'), { code: 'directory_locked' })
      await offline.close()
      const reopened = await bed.open('/data')
      await assert.rejects(openOffline('/data', bed.process), { code: 'directory_locked' })
      await reopened.close()
    }),
  )
})
