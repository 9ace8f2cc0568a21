import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { Codec, extractArchive, writeArchive } from '../../../src/engine/backup/index.ts'
import { ByteWriter, crc32, writeU32 } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { Files, Random } from '../../../src/platform/index.ts'
import { drainMicrotasks, nodeFiles, nodeRandom } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import { seed } from '../seed.ts'

const KEY = new Uint8Array(32).fill(13)
const CHUNK = 4 << 20

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-archive-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Bytes that pack well, or not at all. */
function content(length: number, isNoise: boolean): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = length + 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = isNoise ? state >>> 24 : (i * 17) ^ (i >>> 11)
  }
  return bytes
}

const TREE: Readonly<Record<string, Uint8Array>> = {
  'backup_manifest.json': new TextEncoder().encode('{"x":1}'),
  empty: new Uint8Array(0),
  'pages/chunk': content(CHUNK, false),
  'pages/deep/er/ünï': content(1, false),
  'pages/more': content(2 * CHUNK + 5, false),
  'pages/noise': content(CHUNK + 1, true),
}

async function plant(folder: string, tree: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [path, bytes] of Object.entries(tree)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), bytes)
  }
}

async function pathsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(one => one.isFile()).map(one => join(one.parentPath, one.name).slice(folder.length + 1))
}

describe('an archive', () => {
  for (const key of [undefined, KEY]) {
    for (const codec of [undefined, Codec.stored]) {
      it(`gives every file back, byte for byte: ${key === undefined ? 'plain' : 'encrypted'}, ${codec ?? 'packed'}`, () =>
        withFolder(async folder => {
          const [source, target] = [join(folder, 'source'), join(folder, 'new/target')]
          await plant(source, TREE)
          const archive = join(source, 'archive')
          const ports = { files: nodeFiles(), random: nodeRandom() }
          const options = { ...(key && { key }), ...(codec !== undefined && { codec }) }
          const written = await writeArchive(ports, source, archive, options)
          const fileBytes = Object.values(TREE).reduce((sum, bytes) => sum + bytes.length, 0)
          assert.deepEqual([written.files, written.fileBytes], [6, fileBytes])
          const stored = await readFile(archive)
          assert.equal(stored.length, written.archiveBytes)
          assert.equal(stored.length < fileBytes / 2, codec === undefined)
          assert.equal(stored.includes('{"x":1}'), key === undefined)
          const extracted = await extractArchive(ports.files, archive, target, key && { key })
          assert.deepEqual(extracted, written)
          assert.deepEqual((await pathsIn(target)).sort(), Object.keys(TREE).sort())
          for (const [path, bytes] of Object.entries(TREE)) {
            assert.equal(Buffer.compare(await readFile(join(target, path)), bytes), 0, path)
          }
          await assert.rejects(writeArchive(ports, source, archive, options), { code: 'already_exists' })
          await assert.rejects(extractArchive(ports.files, archive, target, key && { key }), {
            code: 'invalid_argument',
          })
        }))
    }
  }

  it('needs its key, and no other', () =>
    withFolder(async folder => {
      await plant(join(folder, 's'), { a: Uint8Array.of(1) })
      const ports = { files: nodeFiles(), random: nodeRandom() }
      await writeArchive(ports, join(folder, 's'), join(folder, 'sealed'), { key: KEY })
      await writeArchive(ports, join(folder, 's'), join(folder, 'plain'))
      const target = join(folder, 't')
      const extract = (name: string, key?: Uint8Array): Promise<unknown> =>
        extractArchive(ports.files, join(folder, name), target, key && { key })
      await assert.rejects(extract('sealed'), { code: 'invalid_argument' })
      await assert.rejects(extract('sealed', new Uint8Array(32)), { code: 'damaged' })
      await assert.rejects(extract('sealed', new Uint8Array(31)), { code: 'invalid_argument' })
      await assert.rejects(extract('plain', KEY), { code: 'invalid_argument' })
      assert.deepEqual(await readdir(target), [])
      await assert.rejects(writeArchive(ports, join(folder, 's'), join(folder, 'x'), { key: new Uint8Array(16) }), {
        code: 'invalid_argument',
      })
      await extract('sealed', KEY)
    }))
})

/** On a simulated disk, nothing packed, with a salt of sevens. */
class Bed {
  readonly world = new SimulatedWorld({ seed, drainMicrotasks })
  readonly machine = new SimulatedMachine(this.world, { name: 'one' })
  files: Files = this.machine.start().files
  readonly random = { bytes: (length: number) => new Uint8Array(length).fill(7) } as Random

  run<T>(task: Promise<T>): Promise<T> {
    return this.world.runToCompletion(task, 60_000)
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    await this.run(this.files.makeDirectory(path.slice(0, path.lastIndexOf('/'))))
    await this.run(this.files.remove(path))
    const file = await this.run(this.files.open(path, 'create'))
    await this.run(file.write(bytes, 0))
    await this.run(file.close())
  }

  async get(path: string): Promise<Uint8Array> {
    const file = await this.run(this.files.open(path, 'read'))
    const bytes = new Uint8Array(file.sizeSync())
    await this.run(file.read(bytes, 0))
    await this.run(file.close())
    return bytes
  }

  async write(key?: Uint8Array): Promise<Uint8Array> {
    await this.put('/s/a', Uint8Array.of(1, 2, 3))
    await this.put('/s/d/b', new Uint8Array(0))
    await this.put('/s/d/c', Uint8Array.of(4))
    await this.run(writeArchive(this, '/s', '/archive', { codec: Codec.stored, ...(key && { key }) }))
    return this.get('/archive')
  }

  /** The code with which `bytes` are refused as an archive; `none` if they are taken. */
  async verdict(bytes: Uint8Array, key?: Uint8Array): Promise<string> {
    await this.put('/changed', bytes)
    await this.run(this.files.removeTree('/t'))
    try {
      await this.run(extractArchive(this.files, '/changed', '/t', key && { key }))
      return 'none'
    } catch (error) {
      assert.deepEqual(await this.run(this.files.list('/t')), [])
      assert.ok(error instanceof QuorateError, String(error))
      return error.code
    }
  }
}

/** Where the items of `Bed.write` lie: header, file and chunk of `a`, of `d/b`, of `d/c`, end. */
function itemsOf(checkBytes: number): number[] {
  const at = [0, 64]
  for (const [path, length] of [
    ['a', 3],
    ['d/b', 0],
    ['d/c', 1],
  ] as const) {
    at.push(at.at(-1)! + 11 + path.length)
    at.push(at.at(-1)! + 10 + length + checkBytes)
  }
  return at
}

/** The archive with another path of three bytes in place of `d/b`, with a check that is right: the path alone can be wrong. */
function renamed(bytes: Uint8Array, path: string): Uint8Array {
  const changed = bytes.slice()
  const at = itemsOf(4)[3]! + 11
  changed.set(new TextEncoder().encode(path), at)
  const bound = new ByteWriter(64)
  bound.u32(1)
  bound.u32(0)
  bound.u64(0)
  bound.u8(0)
  bound.u32(0)
  bound.bytes16(changed.subarray(at, at + 3))
  writeU32(changed, itemsOf(4)[4]! + 10, crc32(bound.finish()))
  return changed
}

describe('the bytes of an archive', () => {
  it('are exactly these', async () => {
    const bytes = await new Bed().write()
    const items = itemsOf(4)
    assert.equal(bytes.length, items.at(-1)! + 5 + 4)
    const hex = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex')
    assert.equal(hex(0, 60), `51415243484956010100000000000000${'07'.repeat(16)}00004000${'00'.repeat(24)}`)
    assert.equal(hex(64, items[2]!), '010300000000000000010061')
    assert.equal(hex(items[2]!, items[3]!), `02000300000003000000010203${GOLDEN.a}`)
    assert.equal(hex(items[4]!, items[5]!), `02000000000000000000${GOLDEN.b}`)
    assert.equal(hex(items.at(-1)!, bytes.length), `ff03000000${GOLDEN.end}`)
  })

  for (const key of [undefined, KEY]) {
    const name = key === undefined ? 'plain' : 'encrypted'
    it(`are refused with any byte changed, cut anywhere, or longer: ${name}`, async () => {
      const bed = new Bed()
      const bytes = await bed.write(key)
      assert.equal(await bed.verdict(bytes, key), 'none')
      for (let i = 0; i < bytes.length; i++) {
        const changed = bytes.slice()
        changed[i]! ^= 1 << (i % 8)
        assert.notEqual(await bed.verdict(changed, key), 'none', `byte ${i} changed`)
        assert.equal(await bed.verdict(bytes.subarray(0, i), key), 'damaged', `cut at ${i}`)
      }
      assert.equal(await bed.verdict(Uint8Array.of(...bytes, 0), key), 'damaged')
    })

    it(`are refused with files or chunks exchanged, left out or repeated: ${name}`, async () => {
      const bed = new Bed()
      const bytes = await bed.write(key)
      const items = itemsOf(key === undefined ? 4 : 16)
      const part = (from: number, to: number): Uint8Array => bytes.subarray(items[from], items[to] ?? bytes.length)
      const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))
      assert.equal(items.length, 8)
      assert.equal(await bed.verdict(join(part(0, 1), part(3, 5), part(1, 3), part(5, 8)), key), 'damaged')
      assert.equal(await bed.verdict(join(part(0, 3), part(5, 8)), key), 'damaged')
      assert.equal(await bed.verdict(join(part(0, 5), part(7, 8)), key), 'damaged')
      assert.equal(await bed.verdict(join(part(0, 3), part(1, 3), part(3, 8)), key), 'damaged')
      assert.equal(await bed.verdict(join(part(0, 2), part(3, 8)), key), 'damaged')
    })
  }

  it('lead nowhere outside the target', async () => {
    const bed = new Bed()
    const bytes = await bed.write()
    assert.equal(await bed.verdict(renamed(bytes, 'd/z')), 'none')
    for (const path of ['/x/', '../', './x', 'd\\x', 'x\0b', 'x//', '/..']) {
      assert.equal(await bed.verdict(renamed(bytes, path)), 'damaged', JSON.stringify(path))
    }
    assert.equal(await bed.run(bed.files.size('/x')), undefined)
  })
})

describe('an archive and a failing disk', () => {
  it('appears whole or not at all, and what is extracted survives a loss of power', async () => {
    const bed = new Bed()
    await bed.write(KEY)
    bed.machine.disk.crash('power')
    bed.files = bed.machine.start().files
    await bed.run(extractArchive(bed.files, '/archive', '/t', { key: KEY }))
    bed.machine.disk.crash('power')
    bed.files = bed.machine.start().files
    assert.deepEqual(await bed.get('/t/a'), Uint8Array.of(1, 2, 3))
    assert.deepEqual(await bed.get('/t/d/c'), Uint8Array.of(4))
    assert.deepEqual(await bed.run(bed.files.list('/t/d')), ['b', 'c'])
  })

  for (const operation of ['write', 'sync', 'read', 'rename'] as const) {
    it(`leaves nothing half done when a ${operation} fails`, async () => {
      for (let skip = 0; skip < 12; skip++) {
        const bed = new Bed()
        await bed.put('/s/a', Uint8Array.of(1, 2, 3))
        await bed.put('/s/d/b', Uint8Array.of(4))
        bed.machine.disk.inject({ operation, skip, effect: { type: 'fail', systemCode: 'EIO' } })
        const failed = await bed.run(
          writeArchive(bed, '/s', '/archive', { codec: Codec.stored }).then(
            () => false,
            () => true,
          ),
        )
        bed.machine.disk.clearFaults()
        const names = await bed.run(bed.files.list('/'))
        assert.equal(names.includes('archive.partial'), false)
        if (!failed) {
          await bed.run(extractArchive(bed.files, '/archive', '/t'))
          assert.deepEqual(await bed.get('/t/d/b'), Uint8Array.of(4))
        }
      }
    })
  }
})

const GOLDEN = { a: 'd57520b0', b: '90392ff1', end: '5679a95c' }
