import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LogError, openDataDirectory, readIdentity } from '../../src/log/index.ts'
import type { DataDirectory, DirectoryIdentity } from '../../src/log/index.ts'
import { SeededRandom, simulatedCiphers, SimulatedDisk } from '../../src/platform/simulated/index.ts'

const END = { segment: 3, offset: 4096, frame: 77 }

function openOn(disk: SimulatedDisk, durability: DirectoryIdentity['durability'] = 'full'): Promise<DataDirectory> {
  const random = new SeededRandom(7)
  const place = { files: disk.files(), random, ciphers: simulatedCiphers(), path: '/data', groupId: 1 }
  return openDataDirectory({ ...place, durability, pageBytes: 4096 })
}

describe('a data directory', () => {
  it('keeps its identity and page size over reopening', async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const first = await openOn(disk)
    assert.equal(first.isNew, true)
    await first.completed()
    await first.close(END)
    const random = new SeededRandom(8)
    const options = {
      files: disk.files(),
      random,
      ciphers: simulatedCiphers(),
      path: '/data',
      groupId: 1,
      durability: 'full',
      pageBytes: 8192,
    } as const
    const second = await openDataDirectory(options)
    assert.equal(second.isNew, false)
    assert.equal(second.identity.directoryId, first.identity.directoryId)
    assert.equal(second.identity.pageBytes, 4096)
  })

  it('is cut off only after a loss of power, without a close in order, with less than full durability', async () => {
    for (const [durability, isClean, kind, expected] of [
      ['batch', false, 'power', true],
      ['os', false, 'power', true],
      ['full', false, 'power', false],
      ['batch', true, 'power', false],
      ['batch', false, 'process', false],
    ] as const) {
      const disk = new SimulatedDisk({ seed: 2 })
      const directory = await openOn(disk, durability)
      await directory.completed()
      if (isClean) await directory.close(END)
      disk.crash(kind)
      const again = await openOn(disk, durability)
      assert.equal(again.wasCutOff, expected, `${durability}, clean ${isClean}, ${kind}`)
    }
  })

  it('is whole after a crash at every disk call of its opening', async () => {
    for (let call = 1; ; call++) {
      const disk = new SimulatedDisk({ seed: call })
      disk.crashAt(call, call % 2 === 0 ? 'before' : 'after')
      const isDone = await openOn(disk).then(
        () => true,
        () => false,
      )
      disk.cancelCrash()
      if (isDone && call > 5) break
      disk.crash('power')
      const again = await openOn(disk)
      assert.match(again.identity.directoryId, /^[0-9a-f]{32}$/)
    }
  })

  it('says where its log was closed until it is used again, or not closed in order', async () => {
    const disk = new SimulatedDisk({ seed: 4 })
    const first = await openOn(disk)
    assert.equal(first.closedAt, undefined)
    await first.completed()
    await first.close(END)
    const second = await openOn(disk)
    assert.deepEqual(second.closedAt, END)
    await second.close(undefined)
    const third = await openOn(disk)
    assert.deepEqual(third.closedAt, END, 'who opened it before has not used it')
    await third.begin()
    disk.crash('power')
    const fourth = await openOn(disk)
    assert.equal(fourth.closedAt, undefined)
    await fourth.begin()
    await fourth.close(undefined)
    assert.equal((await openOn(disk)).closedAt, undefined)
  })

  it('has the record of its close or none after a crash at every disk call of closing and of beginning', async () => {
    const seen = new Set<string>()
    for (let call = 1; call < 24; call++) {
      const disk = new SimulatedDisk({ seed: call })
      const directory = await openOn(disk)
      await directory.completed()
      let step = 'closing'
      disk.crashAt(call, call % 2 === 0 ? 'before' : 'after')
      await directory
        .close(END)
        .then(async () => {
          step = 'beginning'
          const again = await openOn(disk)
          await again.begin()
          step = 'begun'
        })
        .catch(() => undefined)
      disk.cancelCrash()
      disk.crash('power')
      const { closedAt } = await openOn(disk)
      if (closedAt !== undefined) assert.deepEqual(closedAt, END)
      if (step === 'begun') assert.equal(closedAt, undefined)
      seen.add(`${step} ${closedAt === undefined}`)
    }
    for (const each of ['closing true', 'closing false', 'beginning false', 'begun true'])
      assert.ok(seen.has(each), each)
  })

  it('has the bytes of docs/formats/data-directory.md', async () => {
    const disk = new SimulatedDisk({ seed: 5 })
    const directory = await openOn(disk)
    await directory.completed()
    await directory.close(END)
    const text = new TextDecoder().decode(disk.contents('/data/identity.json'))
    assert.equal(
      text,
      `{
  "format": 1,
  "directoryId": "2c6959ba81d14da654d1fb22056e894c",
  "groupId": 1,
  "durability": "full",
  "pageBytes": 4096,
  "isComplete": true,
  "lastBootId": "simulated-boot-1",
  "closedAt": {
    "segment": 3,
    "offset": 4096,
    "frame": 77
  },
  "checksum": "511e828a"
}
`,
    )
  })

  it('refuses an identity that cannot be read, naming the file', async () => {
    const disk = new SimulatedDisk({ seed: 3 })
    const directory = await openOn(disk)
    await directory.close(END)
    const files = disk.files()
    const size = (await files.size('/data/identity.json'))!
    for (let position = 0; position < size; position++) {
      disk.flipBit('/data/identity.json', position, position % 8)
      const found: unknown = await readIdentity(files, '/data').catch((error: unknown) => error)
      const isReported = found instanceof LogError && found.damage[0]?.file === '/data/identity.json'
      assert.ok(isReported, `byte ${position}: ${JSON.stringify(found)}`)
      disk.flipBit('/data/identity.json', position, position % 8)
    }
  })

  for (const name of ['log/segment-0000000001', 'pages/data', 'keys.json']) {
    it(`refuses to begin anew where its identity is missing beside ${name}`, async () => {
      const disk = new SimulatedDisk({ seed: 5 })
      const files = disk.files()
      await files.makeDirectory('/data/log')
      await files.makeDirectory('/data/pages')
      assert.equal(await readIdentity(files, '/data'), undefined, 'empty directories may have been made beforehand')
      const file = await files.open(`/data/${name}`, 'create')
      await file.close()
      const refused: unknown = await openOn(disk).catch((error: unknown) => error)
      assert.ok(refused instanceof LogError, String(refused))
      assert.deepEqual([refused.code, refused.damage[0]?.file], ['damaged', '/data/identity.json'])
      assert.notEqual(await files.size(`/data/${name}`), undefined, 'and what is there stays')
    })
  }
})
