import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { plainSeal } from '../../../src/engine/backup/archive-seal.ts'
import { streamSource } from '../../../src/engine/backup/archive-source.ts'
import { STREAM_FORMAT } from '../../../src/engine/backup/archive-items.ts'
import { ArchiveWriter } from '../../../src/engine/backup/archive-writer.ts'
import { Codec, receiveArchive } from '../../../src/engine/backup/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { Files } from '../../../src/platform/index.ts'
import { drainMicrotasks, nodeFiles } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import { seed } from '../seed.ts'

const CHUNK = 4 << 20
const SALT = new Uint8Array(16).fill(7)

/** Writes an archive of format 2 into memory, not packed unless said. */
async function stream(
  files: Readonly<Record<string, readonly Uint8Array[]>>,
  end: 'end' | QuorateError,
  codec: Codec = Codec.stored,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const sink = {
    write: (part: Uint8Array) => {
      parts.push(part.slice())
      return Promise.resolve()
    },
  }
  const writer = new ArchiveWriter(sink, plainSeal(), codec)
  await writer.begin(SALT, false, STREAM_FORMAT)
  for (const [path, content] of Object.entries(files)) {
    const file = await writer.stream(path)
    for (const part of content) await file.write(part)
    await file.finish()
  }
  if (end === 'end') await writer.end()
  else await writer.fail(end)
  return Buffer.concat(parts)
}

class Bed {
  readonly world = new SimulatedWorld({ seed, drainMicrotasks })
  readonly process = new SimulatedMachine(this.world, { name: 'one' }).start()

  get files(): Files {
    return this.process.files
  }

  /** Extracts what arrives in parts of `partBytes`. */
  async receive(archive: Uint8Array, target: string, partBytes = 1_000): Promise<void> {
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < archive.length; at += partBytes) {
        yield await Promise.resolve(archive.subarray(at, at + partBytes))
      }
    }
    await this.world.runToCompletion(receiveArchive(this.files, streamSource('a node', parts()), target), 600_000)
  }

  async read(path: string): Promise<Uint8Array> {
    const file = await this.files.open(path, 'read')
    const bytes = new Uint8Array(file.sizeSync())
    await file.read(bytes, 0)
    await file.close()
    return bytes
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}

function noise(length: number): Uint8Array {
  let state = length
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 24)
}

describe('an archive that is sent while it is made', () => {
  it('gives every file back, whatever its length and however it comes in parts', async () => {
    const bed = new Bed()
    const large = noise(CHUNK + 7)
    const files = {
      none: [],
      one: [Uint8Array.of(1)],
      exact: [large.subarray(0, CHUNK)],
      more: [large.subarray(0, 5), large.subarray(5)],
    }
    for (const codec of [Codec.stored, Codec.deflate]) {
      const archive = await stream(files, 'end', codec)
      for (const partBytes of [999_983, archive.length]) {
        const target = `/t${codec}-${partBytes}`
        await bed.receive(archive, target, partBytes)
        for (const [name, parts] of Object.entries(files)) {
          const found = await bed.world.runToCompletion(bed.read(`${target}/${name}`))
          assert.equal(Buffer.compare(found, Buffer.concat(parts)), 0, name)
        }
      }
    }
  })

  it('packs what packs, and soon gives up on what does not, until it does again', async () => {
    const [bad, good] = [noise(CHUNK), new Uint8Array(CHUNK)]
    const chunks = [bad, ...Array.from({ length: 18 }, () => good)]
    const archive = await stream({ a: chunks }, 'end', Codec.deflate)
    const stored = Math.round(archive.length / CHUNK)
    assert.ok(stored >= 5 && stored <= 9, `${stored} of ${chunks.length} chunks are stored`)
    const packed = await stream({ a: chunks.slice(1) }, 'end', Codec.deflate)
    assert.ok(packed.length < CHUNK)
    const folder = await mkdtemp(join(tmpdir(), 'quorate-stream-'))
    try {
      await receiveArchive(nodeFiles(), streamSource('a node', once(archive)), join(folder, 't'))
      assert.equal(Buffer.compare(await readFile(join(folder, 't/a')), Buffer.concat(chunks)), 0)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('has exactly these bytes', async () => {
    const archive = await stream({ a: [Uint8Array.of(1, 2), Uint8Array.of(3)] }, 'end')
    const hex = Buffer.from(archive.subarray(64)).toString('hex')
    const file = ['01', 'ffffffffffff1f00', '0100', '61'].join('')
    const chunk = ['02', '00', '03000000', '03000000', '010203'].join('')
    assert.ok(hex.startsWith(file + chunk), hex)
    assert.equal(Buffer.from(archive.subarray(0, 12)).toString('hex'), '514152434849560102000000')
    assert.equal(hex.slice((file + chunk).length + 8, (file + chunk).length + 8 + 10), 'ff01000000')
    const failed = await stream({}, new QuorateError('busy', 'later'))
    assert.equal(Buffer.from(failed.subarray(64)).toString('hex'), 'fe04006275737905006c61746572')
  })

  it('leaves nothing where it is cut anywhere or has any byte changed', async () => {
    const bed = new Bed()
    const archive = await stream({ a: [noise(40)], b: [] }, 'end')
    const refused = async (bytes: Uint8Array, what: string): Promise<void> => {
      await assert.rejects(bed.receive(bytes, '/t', 13), QuorateError, what)
      assert.deepEqual(await bed.world.runToCompletion(bed.files.list('/t')), [])
    }
    for (let length = 0; length < archive.length; length += 3)
      await refused(archive.subarray(0, length), `cut ${length}`)
    for (let at = 0; at < archive.length; at++) {
      const changed = archive.slice()
      changed[at]! ^= 0x10
      await refused(changed, `byte ${at}`)
    }
    await refused(Buffer.concat([archive, Uint8Array.of(0)]), 'longer')
  })

  it('says why it ends before its end, between files and within one', async () => {
    const bed = new Bed()
    const between = await stream({ a: [noise(40)] }, new QuorateError('fenced', 'its state differs'))
    await assert.rejects(bed.receive(between, '/t', 7), { code: 'fenced', message: 'its state differs' })
    const within: Uint8Array[] = []
    const writer = new ArchiveWriter(
      { write: part => Promise.resolve(void within.push(part.slice())) },
      plainSeal(),
      Codec.stored,
    )
    await writer.begin(SALT, false, STREAM_FORMAT)
    const file = await writer.stream('a')
    for (let i = 0; i < 5; i++) await file.write(noise(CHUNK))
    await writer.fail(new QuorateError('aborted', 'an operator said so'))
    await assert.rejects(bed.receive(Buffer.concat(within), '/t', 1 << 20), {
      code: 'aborted',
      message: 'an operator said so',
    })
    assert.deepEqual(await bed.world.runToCompletion(bed.files.list('/t')), [])
  })
})
