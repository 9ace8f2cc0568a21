import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FileError } from '../../src/platform/index.ts'
import { SeededRandom, SimulatedCrash, SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

describe('a power loss of the simulated disk', () => {
  it('keeps all that was synced under a name that was synced', async () => {
    for (let n = 0; n < 50; n++) {
      const disk = new SimulatedDisk({ seed: seed + n, tear: 'byte' })
      const files = disk.files()
      const file = await files.open('/a', 'create')
      await file.write(filled(3000, 7), 100)
      await file.sync()
      await files.syncDirectory('/')
      await file.write(filled(50, 9), 5000)
      disk.crash()
      assert.deepEqual(disk.contents('/a').subarray(0, 3100), Uint8Array.from([...filled(100, 0), ...filled(3000, 7)]))
    }
  })

  it('may lose a synced file whose name was not synced, and may keep it', async () => {
    const outcomes = new Set<boolean>()
    for (let n = 0; n < 60; n++) {
      const disk = new SimulatedDisk({ seed: seed + n })
      const file = await disk.files().open('/a', 'create')
      await file.write(filled(10, 1), 0)
      await file.sync()
      disk.crash()
      outcomes.add((await disk.files().size('/a')) !== undefined)
    }
    assert.equal(outcomes.size, 2)
  })

  it('tears unsynced writes at sectors: each is old, new, or anything written between', async () => {
    const patterns = new Set<string>()
    for (let n = 0; n < 300; n++) {
      const disk = new SimulatedDisk({ seed: seed + n })
      const files = disk.files()
      const file = await files.open('/a', 'create')
      await file.write(filled(2048, 1), 0)
      await file.sync()
      await files.syncDirectory('/')
      await file.write(filled(1024, 2), 256)
      await file.write(filled(512, 3), 512)
      disk.crash()
      const bytes = disk.contents('/a')
      assert.equal(bytes.length, 2048)
      const seen: number[] = []
      for (let sector = 0; sector < 4; sector++) {
        seen.push(...new Set(bytes.subarray(sector * 512, sector * 512 + 512)), 0)
      }
      patterns.add(seen.join(''))
      assert.ok([1, 2].includes(bytes[511] as number) && bytes[255] === 1)
      assert.ok(new Set(bytes.subarray(512, 1024)).size === 1, 'a sector is whole')
      assert.ok(bytes[1280] === 1 && bytes[2047] === 1)
    }
    assert.equal(patterns.size, 2 * 3 * 2)
  })

  it('tears inside sectors in the byte profile, and only there', async () => {
    const boundaries = { sector: new Set<boolean>(), byte: new Set<boolean>() }
    for (const tear of ['sector', 'byte'] as const) {
      for (let n = 0; n < 100; n++) {
        const disk = new SimulatedDisk({ seed: seed + n, tear })
        const files = disk.files()
        const file = await files.open('/a', 'create')
        await file.write(filled(2048, 1), 0)
        await file.sync()
        await files.syncDirectory('/')
        await file.write(filled(2048, 2), 0)
        disk.crash()
        const bytes = disk.contents('/a')
        const changes = [...bytes.keys()].filter(at => at > 0 && bytes[at] !== bytes[at - 1])
        for (const at of changes) boundaries[tear].add(at % 512 === 0)
      }
    }
    assert.deepEqual([...boundaries.sector], [true])
    assert.equal(boundaries.byte.size, 2)
  })

  it('may take back a truncation, with all the bytes', async () => {
    const sizes = new Set<number>()
    for (let n = 0; n < 60; n++) {
      const disk = new SimulatedDisk({ seed: seed + n })
      const files = disk.files()
      const file = await files.open('/a', 'create')
      await file.write(filled(40_000, 5), 0)
      await file.sync()
      await files.syncDirectory('/')
      await file.truncate(100)
      disk.crash()
      const bytes = disk.contents('/a')
      sizes.add(bytes.length)
      assert.ok(bytes.length === 100 || bytes.subarray(512).every(byte => byte === 5))
    }
    assert.deepEqual(
      [...sizes].sort((a, b) => a - b),
      [100, 40_000],
    )
  })

  it('undoes name changes of a directory from the last one backwards', async () => {
    const seen = new Set<string>()
    for (let n = 0; n < 100; n++) {
      const disk = new SimulatedDisk({ seed: seed + n })
      const files = disk.files()
      for (const name of ['1', '2', '3']) await files.open(`/${name}`, 'create')
      await files.rename('/1', '/4')
      disk.crash()
      seen.add((await disk.files().list('/')).join(''))
    }
    assert.deepEqual([...seen].sort(), ['', '1', '12', '123', '234'])
  })

  it('never loses a file that moves between directories', async () => {
    for (let n = 0; n < 60; n++) {
      const disk = new SimulatedDisk({ seed: seed + n })
      const files = disk.files()
      await files.makeDirectory('/from')
      await files.makeDirectory('/to')
      await files.open('/from/a', 'create')
      await files.syncDirectory('/from')
      await files.rename('/from/a', '/to/b')
      disk.crash()
      const after = disk.files()
      const names = [...(await after.list('/from')), ...(await after.list('/to'))].join('')
      assert.ok(['a', 'b', 'ab'].includes(names), names)
    }
  })

  it('ends the process: its calls fail, its locks are free, the next boot has another id', async () => {
    const disk = new SimulatedDisk({ seed })
    const files = disk.files()
    await files.makeDirectory('/d')
    const lock = await files.lock('/d')
    const file = await files.open('/d/a', 'create')
    disk.crash()
    assert.throws(() => file.writeSync(filled(1, 1), 0), SimulatedCrash)
    await assert.rejects(files.list('/d'), SimulatedCrash)
    const next = await disk.files().lock('/d')
    assert.notEqual(next.holder.bootId, lock.holder.bootId)
  })
})

describe('a crash of the process alone', () => {
  it('keeps what was written, synced or not', async () => {
    const disk = new SimulatedDisk({ seed })
    const file = await disk.files().open('/a', 'create')
    file.writeSync(filled(700, 3), 0)
    disk.crash('process')
    assert.deepEqual(disk.contents('/a'), filled(700, 3))
  })
})

describe('crashAt', () => {
  it('counts only the calls that it is told to', async () => {
    const disk = new SimulatedDisk({ seed })
    const file = await disk.files().open('/a', 'create')
    disk.crashAt(2, 'before', (operation, path) => operation === 'sync' && path === '/a')
    for (let n = 0; n < 5; n++) await file.write(filled(10, n), n * 10)
    await file.sync()
    await file.write(filled(10, 9), 0)
    await assert.rejects(file.sync(), SimulatedCrash)
  })

  it('can strike before and after each counted call, and the same seed dies the same way', async () => {
    const workload = async (disk: SimulatedDisk): Promise<void> => {
      const files = disk.files()
      await files.makeDirectory('/d')
      const file = await files.open('/d/a', 'create')
      await files.syncDirectory('/d')
      for (let n = 1; n <= 3; n++) {
        await file.write(filled(600, n), 0)
        await file.sync()
      }
    }
    const whole = new SimulatedDisk({ seed })
    await workload(whole)
    assert.equal(whole.callCount, 10)
    const results: string[][] = [[], []]
    for (const run of results) {
      for (let call = 1; call <= whole.callCount; call++) {
        for (const moment of ['before', 'after'] as const) {
          const disk = new SimulatedDisk({ seed })
          disk.crashAt(call, moment)
          await assert.rejects(workload(disk), SimulatedCrash)
          assert.equal(disk.callCount, call)
          const size = (await disk.files().list('/')).length === 0 ? undefined : await disk.files().size('/d/a')
          run.push(size === undefined ? 'none' : Buffer.from(disk.contents('/d/a')).toString('hex'))
        }
      }
    }
    assert.deepEqual(results[0], results[1])
    const afterSync = results[0]?.[2 * 6 - 1] // call 6 is the first file sync
    assert.equal(afterSync, Buffer.from(filled(600, 1)).toString('hex'))
  })
})

describe('faults of the simulated disk', () => {
  it('a failed sync leaves pages clean that are not on the medium: a second sync does not help', async () => {
    let lost = 0
    for (let n = 0; n < 20; n++) {
      const disk = new SimulatedDisk({ seed: seed + n })
      const files = disk.files()
      const file = await files.open('/a', 'create')
      await file.preallocate(4096)
      await files.syncDirectory('/')
      await file.write(filled(4096, 8), 0)
      disk.inject({ operation: 'sync', effect: { type: 'fail', systemCode: 'EIO' } })
      await assert.rejects(file.sync(), error => error instanceof FileError && error.code === 'io_failed')
      await file.sync()
      assert.deepEqual(disk.contents('/a'), filled(4096, 8))
      disk.crash()
      if (disk.contents('/a').includes(0)) lost++
    }
    assert.ok(lost > 15)
  })

  it('a lost write is seen until the cache is dropped, sync or not', async () => {
    const disk = new SimulatedDisk({ seed })
    const files = disk.files()
    const file = await files.open('/a', 'create')
    await file.write(filled(1024, 1), 0)
    await file.sync()
    disk.inject({ operation: 'write', effect: { type: 'lose' } })
    await file.write(filled(100, 2), 0)
    await file.sync()
    assert.equal(disk.contents('/a')[0], 2)
    disk.dropCache('/a')
    assert.deepEqual(disk.contents('/a'), filled(1024, 1))
  })

  it('a misdirected write changes another place of the medium', async () => {
    const disk = new SimulatedDisk({ seed })
    const file = await disk.files().open('/a', 'create')
    await file.write(filled(2048, 1), 0)
    await file.sync()
    disk.inject({ operation: 'write', effect: { type: 'misdirect', position: 1024 } })
    await file.write(filled(512, 2), 0)
    await file.sync()
    disk.dropCache('/a')
    const bytes = disk.contents('/a')
    assert.deepEqual([bytes[0], bytes[1023], bytes[1024], bytes[1535], bytes[1536]], [1, 1, 2, 2, 1])
  })

  it('a flipped bit survives a crash', async () => {
    const disk = new SimulatedDisk({ seed })
    const files = disk.files()
    const file = await files.open('/a', 'create')
    await file.write(filled(600, 0), 0)
    await file.sync()
    await files.syncDirectory('/')
    disk.flipBit('/a', 550, 3)
    disk.crash()
    assert.equal(disk.contents('/a')[550], 8)
  })

  it('a full disk refuses to grow a file and takes overwrites', async () => {
    const disk = new SimulatedDisk({ seed, capacityBytes: 1000 })
    const files = disk.files()
    const file = await files.open('/a', 'create')
    file.writeSync(filled(900, 1), 0)
    assert.throws(
      () => file.writeSync(filled(200, 2), 900),
      error => error instanceof FileError && error.code === 'no_space',
    )
    file.writeSync(filled(100, 2), 0)
    await files.remove('/a')
    assert.equal(await files.freeBytes('/'), 1000)
    file.writeSync(filled(500, 3), 900) // a file without a name takes no room of the others
    const other = await files.open('/b', 'create')
    await other.preallocate(1000)
    assert.equal(await files.freeBytes('/'), 0)
    await (await files.open('/c', 'create')).close()
    await files.rename('/c', '/b')
    assert.equal(await files.freeBytes('/'), 1000)
  })
})

describe('seeded randomness', () => {
  it('gives a labelled stream that earlier draws do not shift', () => {
    const one = new SeededRandom(seed)
    const other = new SeededRandom(seed)
    other.u32()
    assert.equal(one.split('disk').u32(), other.split('disk').u32())
    assert.notEqual(one.split('disk').u32(), one.split('disc').u32())
  })

  it('is uniform enough', () => {
    const random = new SeededRandom(seed)
    const counts = Array.from({ length: 16 }, () => 0)
    for (let n = 0; n < 16_000; n++) counts[random.below(16)]!++
    assert.ok(
      counts.every(count => count > 850 && count < 1150),
      counts.join(' '),
    )
  })
})
