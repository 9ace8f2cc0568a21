import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { listBackups, rehearseRestore, verifyBackup } from '../../../src/engine/index.ts'
import { readManifest, writeManifest } from '../../../src/engine/backup/manifest.ts'
import { DiskFileSink, readRecords, RecordFileWriter } from '../../../src/engine/backup/record-file.ts'
import type { BackupManifest, Engine } from '../../../src/engine/index.ts'
import { code } from '../../error-code.ts'
import { Bed, inBed, OPTIONS, things } from './bed.ts'

/** All keys of the project with their values and versions, in order. */
async function contents(engine: Engine): Promise<string[]> {
  const found: string[] = []
  for await (const { key, value, seq } of engine.kv('p').scan()) found.push(`${key}=${value.length}:${value[0]}@${seq}`)
  return found
}

describe('a full backup', () => {
  it(
    'is taken while writers go on, and gives a database of its own with all that was committed by its end',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 150)
      await engine.table(things).insertMany(Array.from({ length: 200 }, (_, id) => ({ id, name: `n${id % 7}` })))
      const before = await engine.status()
      const over = new AbortController()
      const writing = (async () => {
        for (let i = 0; !over.signal.aborted; i++) {
          await engine.kv('p').set(`live${i}`, new Uint8Array(300).fill(i))
          await bed.process.world.delay(1, bed.process)
        }
        return (await engine.kv('p').set('last', Uint8Array.of(1))).token
      })()
      const manifest = await engine.backup('/backup')
      over.abort()
      const token = await writing
      assert.ok(manifest.head.seq >= manifest.state.seq && manifest.state.seq >= before.appliedSeq)
      assert.ok(manifest.head.seq > manifest.state.seq, 'writers went on')
      const view = await engine.view({ consistency: { atSeq: `${before.historyId}:${manifest.head.seq}` } })
      const wanted: string[] = []
      for await (const { key, value, seq } of view.kv('p').scan())
        wanted.push(`${key}=${value.length}:${value[0]}@${seq}`)
      await view.close()
      assert.deepEqual(await verifyBackup(bed.process, '/backup'), manifest)
      const restored = await bed.restore(['/backup'], '/restored')
      assert.equal(restored.seq, manifest.head.seq)
      assert.equal(restored.newSeq, manifest.head.seq + 1_000_000)
      const copy = await bed.open('/restored')
      assert.deepEqual(await contents(copy), wanted)
      assert.equal(await copy.table(things).count(), 200)
      assert.equal(
        (
          await copy
            .table(things)
            .query(q => q.where(c => c.name.eq('n3')))
            .all()
        ).length,
        29,
      )
      const status = await copy.status()
      assert.deepEqual([status.historyId, status.historyId === before.historyId], [restored.historyId, false])
      assert.ok(status.appliedSeq > restored.newSeq)
      assert.equal(await code(copy.kv('p').get('last', { consistency: { minSeq: token } })), 'history_changed')
      const { seq } = await copy.kv('p').set('own', Uint8Array.of(9))
      await copy.close()
      const again = await bed.open('/restored')
      assert.equal((await again.kv('p').entry('own'))?.seq, seq)
      await again.close()
      await engine.close()
    }),
  )

  it(
    'holds the entries that it needs, whatever checkpoints let go of meanwhile',
    inBed(async bed => {
      const engine = await bed.create({ ...OPTIONS, checkpointLogBytes: 64 << 10 })
      await bed.write(engine, 300)
      const over = new AbortController()
      const writing = (async () => {
        while (!over.signal.aborted) {
          await bed.write(engine, 5)
          await bed.process.world.delay(1, bed.process)
        }
      })()
      const checkpoints = (async () => {
        while (!over.signal.aborted) {
          await engine.checkpoint()
          await bed.process.world.delay(1, bed.process)
        }
      })()
      const manifest = await engine.backup('/backup')
      over.abort()
      await Promise.all([writing, checkpoints])
      await bed.restore(['/backup'], '/restored')
      assert.ok(manifest.entries.lastSeq >= manifest.entries.firstSeq)
      await engine.close()
    }),
  )

  it(
    'is signed with a key, and then needs it',
    inBed(async bed => {
      const key = new Uint8Array(32).fill(5)
      const engine = await bed.create()
      const manifest = await engine.backup('/signed', { key })
      await engine.backup('/plain')
      assert.deepEqual(await verifyBackup(bed.process, '/signed', key), manifest)
      assert.equal(await code(verifyBackup(bed.process, '/signed')), 'invalid_argument')
      assert.equal(await code(verifyBackup(bed.process, '/signed', new Uint8Array(32))), 'damaged')
      assert.equal(await code(verifyBackup(bed.process, '/plain', key)), 'damaged')
      assert.equal(await code(engine.backup('/next', { key: new Uint8Array(16) })), 'invalid_argument')
      assert.equal(await code(engine.backup('/plain')), 'invalid_argument')
      assert.equal(await code(engine.backup('/next', { parent: '/nowhere' })), 'not_found')
      await engine.close()
    }),
  )

  it(
    'is refused with any of its bytes changed, naming the file, and restores nothing then',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 30)
      await engine.backup('/backup')
      await engine.close()
      for (const name of ['images', 'entries', 'manifest.json', 'manifest.check']) {
        const size = (await bed.process.files.size(`/backup/${name}`))!
        for (let offset = 0; offset < size; offset += 1 + Math.floor(size / 40)) {
          await bed.changeByte(`/backup/${name}`, offset)
          assert.equal(await code(verifyBackup(bed.process, '/backup')), 'damaged', `${name} at ${offset}`)
          assert.equal(await code(bed.restore(['/backup'], '/restored')), 'damaged')
          await bed.changeByte(`/backup/${name}`, offset)
        }
      }
      await bed.restore(['/backup'], '/restored')
      await bed.process.files.remove('/backup/entries')
      assert.equal(await code(verifyBackup(bed.process, '/backup')), 'damaged')
    }),
  )

  it(
    'does not exist before it is whole',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 40)
      bed.machine.disk.inject({
        operation: 'write',
        path: path => path.startsWith('/backup'),
        skip: 1,
        effect: { type: 'fail', systemCode: 'ENOSPC' },
      })
      await assert.rejects(engine.backup('/backup'))
      bed.machine.disk.clearFaults()
      assert.equal(await code(verifyBackup(bed.process, '/backup')), 'not_found')
      await bed.write(engine, 5)
      await engine.backup('/other')
      await engine.close()
    }),
  )
})

describe('a backup of another make', () => {
  /** Replaces a file of records, with sums that fit. */
  async function replace(
    bed: Bed,
    directory: string,
    name: 'images' | 'entries',
    records: Uint8Array[],
  ): Promise<void> {
    const { files } = bed.process
    const manifest = await readManifest(files, directory, undefined)
    await files.remove(`${directory}/${name}`)
    const writer = new RecordFileWriter(await DiskFileSink.create(files, `${directory}/${name}`))
    for (const record of records) await writer.add(record)
    const described = { ...manifest.files, [name]: await writer.finish() }
    await writeManifest(files, directory, { ...manifest, files: described }, undefined)
    await verifyBackup(bed.process, directory)
  }

  it(
    'is damaged where its bytes hold their sums and mean nothing, and nothing is made of it',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 20)
      await engine.backup('/full')
      await bed.write(engine, 30)
      const { head, files } = await engine.backup('/next', { parent: '/full' })
      await engine.close()
      const chain = ['/full', '/next']
      // Entries lead there; the images are for the end of the backup.
      const before = { seq: head.seq - 1 }
      const records = async (name: 'images' | 'entries'): Promise<Uint8Array[]> => {
        const found: Uint8Array[] = []
        for await (const one of readRecords(bed.process.files, `/next/${name}`, files[name])) found.push(one)
        return found
      }
      const [images, tail] = [await records('images'), await records('entries')]
      const bad = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 0x55 : byte))
      const wrong = [[bad(images[0]!, 0)], [new Uint8Array(3)], [images[0]!.slice(0, -4)], [...images, ...images]]
      for (const change of wrong) {
        await replace(bed, '/next', 'images', change)
        assert.equal(await code(bed.restore(chain, '/restored')), 'damaged')
      }
      await replace(bed, '/next', 'images', images)
      for (const at of [0, 4, 5, 8]) {
        await replace(bed, '/next', 'entries', [bad(tail[0]!, at), ...tail.slice(1)])
        const found = await code(bed.restore(chain, '/restored', before))
        assert.ok(found === 'damaged' || found === 'seq_unavailable', `${found} at ${at}`)
      }
      await replace(bed, '/next', 'entries', [bad(tail[0]!, 4), ...tail.slice(1)])
      const byTime = { timeMicros: head.leaderTimeMicros - 1 }
      assert.equal(await code(bed.restore(chain, '/restored', byTime)), 'damaged')
      await replace(bed, '/next', 'entries', tail)
      await bed.restore(chain, '/restored', before)
    }),
  )

  it(
    'is restored into the root of a volume, whatever the file system keeps there',
    inBed(async bed => {
      const engine = await bed.create()
      await engine.backup('/backups/one')
      await engine.close()
      for (const root of ['/volume', '/backups', '/used']) await bed.process.files.makeDirectory(`${root}/lost+found`)
      await bed.process.files.makeDirectory('/used/photos')
      assert.equal((await listBackups(bed.process, '/backups')).length, 1)
      await bed.restore(['/backups/one'], '/volume')
      assert.equal(await code(bed.restore(['/backups/one'], '/used')), 'invalid_argument')
    }),
  )
})

describe('a rehearsal', () => {
  it(
    'restores, reads back, and leaves nothing',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 120)
      const { state } = await engine.backup('/full')
      await bed.write(engine, 60)
      const { head } = await engine.backup('/next', { parent: '/full' })
      await engine.close()
      const digestOf = ([lo, hi]: readonly [number, number]): string =>
        [hi, lo].map(half => half.toString(16).padStart(8, '0')).join('')
      const sizes = { pageBytes: 4096, budgetBytes: 256 << 10 } as const
      const rehearsed = await rehearseRestore(bed.process, ['/full', '/next'], '/scratch', sizes)
      assert.deepEqual(rehearsed, { seq: head.seq, digest: digestOf(head.sum!) })
      const earlier = await rehearseRestore(bed.process, ['/full'], '/scratch', { ...sizes, seq: state.seq })
      assert.deepEqual(earlier, { seq: state.seq, digest: digestOf(state.sum) })
      await assert.rejects(bed.process.files.list('/scratch'), { code: 'not_found' })
      assert.equal(await code(rehearseRestore(bed.process, ['/full'], '/data', sizes)), 'invalid_argument')
      assert.equal(await code(rehearseRestore(bed.process, ['/full'], '/next', sizes)), 'invalid_argument')
      const again = await bed.open()
      assert.equal((await contents(again)).length > 0, true, 'what is there already stays')
      await again.close()
      await verifyBackup(bed.process, '/next')
    }),
  )

  it(
    'finds entries that do not lead to the state that was backed up, though every sum of a file fits',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 20)
      await engine.backup('/full')
      await bed.write(engine, 20)
      const manifest = await engine.backup('/next', { parent: '/full' })
      await engine.close()
      const { head } = manifest
      const others = [
        { ...head, sum: [(head.sum![0] ^ 1) >>> 0, head.sum![1]] as const },
        { ...head, effectChain: (head.effectChain! ^ 1) >>> 0 },
        { ...head, chain: (head.chain ^ 1) >>> 0 },
      ]
      for (const other of others) {
        await writeManifest(bed.process.files, '/next', { ...manifest, head: other }, undefined)
        await verifyBackup(bed.process, '/next')
        assert.equal(await code(rehearseRestore(bed.process, ['/full', '/next'], '/scratch')), 'damaged')
        assert.equal(await code(bed.restore(['/full', '/next'], '/restored')), 'damaged')
      }
      await writeManifest(bed.process.files, '/next', manifest, undefined)
      await bed.restore(['/full', '/next'], '/restored')
    }),
  )
})

describe('a chain of backups', () => {
  /** A full backup and two incremental ones, and what there was after each commit. */
  async function chain(
    bed: Bed,
  ): Promise<{ states: Map<number, string[]>; manifests: BackupManifest[]; times: Map<number, number> }> {
    const engine = await bed.create()
    const states = new Map<number, string[]>()
    const times = new Map<number, number>()
    const manifests: BackupManifest[] = []
    for (const [i, name] of ['full', 'second', 'third'].entries()) {
      for (let round = 0; round < 12; round++) {
        await bed.write(engine, 4)
        const { appliedSeq } = await engine.status()
        states.set(appliedSeq, await contents(engine))
        times.set(appliedSeq, bed.process.clock.wallMicros())
        await bed.process.world.delay(5, bed.process)
      }
      const parent = ['/full', '/second'][i - 1]
      manifests.push(await engine.backup(`/${name}`, parent === undefined ? {} : { parent }))
    }
    await engine.close()
    return { states, manifests, times }
  }

  it(
    'is restored to exactly each seq and each time that it covers',
    inBed(async bed => {
      const { states, manifests, times } = await chain(bed)
      assert.deepEqual(
        manifests.map(one => one.type),
        ['full', 'incremental', 'incremental'],
      )
      assert.deepEqual(
        (await listBackups(bed.process, '/')).map(one => one.directory),
        ['//full', '//second', '//third'],
      )
      const all = ['/full', '/second', '/third']
      let number = 0
      for (const [seq, wanted] of states) {
        const isRestorable = seq >= manifests[0]!.state.seq
        const target = `/to${number++}`
        if (!isRestorable) {
          assert.equal(await code(bed.restore(all, target, { seq })), 'seq_unavailable')
          continue
        }
        const restored = number % 2 === 0 ? { seq } : { timeMicros: times.get(seq)! }
        assert.equal((await bed.restore(all, target, restored)).seq, seq)
        const copy = await bed.open(target)
        assert.deepEqual(await contents(copy), wanted)
        await copy.close()
      }
      const { head } = manifests[2]!
      assert.equal((await bed.restore(all, '/newest')).seq, head.seq)
      assert.equal((await bed.restore(all, '/later', { timeMicros: Number.MAX_SAFE_INTEGER })).seq, head.seq)
      assert.equal(await code(bed.restore(all, '/beyond', { seq: head.seq + 1 })), 'seq_unavailable')
      assert.equal((await bed.restore(['/full'], '/first')).seq, manifests[0]!.head.seq)
    }),
  )

  it(
    'has each part once and in order, and one history',
    inBed(async bed => {
      await chain(bed)
      assert.equal(await code(bed.restore([], '/t')), 'invalid_argument')
      assert.equal(await code(bed.restore(['/second'], '/t')), 'invalid_argument')
      assert.equal(await code(bed.restore(['/full', '/third'], '/t')), 'invalid_argument')
      assert.equal(await code(bed.restore(['/full', '/second', '/second'], '/t')), 'invalid_argument')
      await bed.restore(['/full', '/second'], '/t')
      assert.equal(await code(bed.restore(['/full'], '/t')), 'invalid_argument')
      const other = await bed.open('/t')
      assert.equal(await code(other.backup('/x', { parent: '/full' })), 'invalid_argument')
      await other.close()
    }),
  )

  it(
    'goes on after the log has let go of what lies between, which then cannot be restored',
    inBed(async bed => {
      const engine = await bed.create()
      await bed.write(engine, 30)
      const full = await engine.backup('/full')
      await bed.write(engine, 400)
      for (let i = 0; i < 3; i++) {
        await engine.checkpoint()
        await bed.write(engine, 60)
      }
      const wanted = await contents(engine)
      const next = await engine.backup('/next', { parent: '/full' })
      assert.ok(next.entries.firstSeq > full.head.seq + 1, 'the log no longer begins where the full backup ended')
      assert.equal(
        await code(bed.restore(['/full', '/next'], '/between', { seq: full.head.seq + 5 })),
        'seq_unavailable',
      )
      await bed.restore(['/full', '/next'], '/restored')
      const copy = await bed.open('/restored')
      assert.deepEqual(await contents(copy), wanted)
      await copy.close()
      await engine.close()
    }),
  )

  it('is restored by repeating a restore that was cut off anywhere', async () => {
    const bed = new Bed()
    const { states } = await bed.run(chain(bed))
    const wanted = [...states.values()].at(-1)!
    const all = ['/full', '/second', '/third']
    let cuts = 0
    for (let skip = 1; ; skip = 2 * skip + 1) {
      const target = `/again${skip}`
      const path = (one: string): boolean => one.startsWith(target)
      bed.machine.disk.inject({ operation: 'write', path, skip, effect: { type: 'fail', systemCode: 'EIO' } })
      const isCut = await bed.run(
        bed.restore(all, target).then(
          () => false,
          () => true,
        ),
      )
      bed.machine.disk.clearFaults()
      bed.machine.disk.crash('power')
      bed.process = bed.machine.start()
      if (isCut) {
        cuts++
        await bed.run(bed.restore(all, target))
      }
      await bed.run(
        (async () => {
          const copy = await bed.open(target)
          assert.deepEqual(await contents(copy), wanted)
          await copy.close()
        })(),
      )
      if (!isCut) break
    }
    assert.ok(cuts >= 3, `cut off ${cuts} times`)
  })
})
