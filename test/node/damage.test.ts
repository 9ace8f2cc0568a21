import assert from 'node:assert/strict'
import { cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { checkConfiguration, checkDataDirectory, nodePlatform, startNode } from '../../src/node/index.ts'
import type { DataRegion, RunningNode } from '../../src/node/index.ts'
import { connect, QuorateError } from '../../src/entry/client.ts'

const { files, random } = nodePlatform()

function start(directory: string): Promise<RunningNode> {
  const any = { port: 0 }
  const storage = { segmentBytes: 1 << 18, checkpointAgeMs: 86_400_000, checkpointLogBytes: 1 << 30, pageBytes: 4096 }
  const settings = { dataDirectory: directory, client: any, peer: any, admin: any, storage, log: { level: 'silent' } }
  return startNode(checkConfiguration(settings, 'test'), nodePlatform)
}

/** Writes to a node of its own and takes checkpoints in between, as a real run does. */
async function shortRun(directory: string, rounds: number): Promise<void> {
  const node = await start(directory)
  const { host, port } = node.adminAddress
  const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
  await client.ddl({ type: 'createProject', project: 'p', ifNotExists: true })
  const keys = client.kv('p')
  for (let round = 0; round < rounds; round++) {
    await Promise.all(Array.from({ length: 150 }, (_, i) => keys.set(`key-${i}`, random.bytes(120))))
    await keys.set('large', random.bytes(20_000))
    await fetch(`http://${host}:${port}/admin/v1/checkpoint`, { method: 'POST' })
  }
  await keys.set('after the checkpoint', random.bytes(100))
  await client.close()
  await node.stop('end of the run')
}

describe('damage', { timeout: 240_000 }, () => {
  let directory: string
  let older: string
  let data: string
  let regions: readonly DataRegion[]

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-damage-'))
    data = join(directory, 'data')
    older = join(directory, 'older')
    await shortRun(data, 3)
    await cp(data, older, { recursive: true })
    await shortRun(data, 2)
    const check = await checkDataDirectory(files, data)
    assert.deepEqual([check.verdict, check.damage], ['clean', []])
    regions = check.regions
  })
  after(() => rm(directory, { recursive: true }))

  /** The check must report damage, and a node must refuse to start naming file and offset; afterwards the bytes are put back. */
  async function requireReported(
    file: string,
    change: () => Promise<void>,
    what: string,
    place?: { file: string; offset: number },
  ): Promise<void> {
    const before = await readFile(file)
    await change()
    try {
      const { verdict, damage } = await checkDataDirectory(files, data)
      assert.equal(verdict, 'damaged', `${what}: the check says ${verdict}`)
      assert.ok(damage.length > 0)
      if (place === undefined) return
      const [first] = damage
      assert.deepEqual({ file: first!.file, offset: first!.offset }, place, what)
      await assert.rejects(start(data), { code: 'damaged', detail: place })
    } finally {
      await writeFile(file, before)
    }
  }

  async function write(file: string, offset: number, bytes: Uint8Array): Promise<void> {
    const handle = await open(file, 'r+')
    await handle.write(bytes, 0, bytes.length, offset)
    await handle.close()
  }

  async function read(file: string, offset: number, length: number): Promise<Buffer> {
    return (await readFile(file)).subarray(offset, offset + length)
  }

  it('lists superblocks, maps, pages, values, frames, headers, votes and the identity', () => {
    const kinds = new Set(regions.map(({ kind }) => kind))
    const expected = ['superblock', 'map', 'digests', 'leaf', 'branch', 'extent', 'segment_header', 'vote', 'frame']
    for (const kind of [...expected, 'identity']) assert.ok(kinds.has(kind), `${kind} among ${[...kinds].join(', ')}`)
  })

  it('is reported for a changed byte in every region', async () => {
    for (const region of regions) {
      if (region.state !== 'ok' && region.state !== 'valid') continue
      const { file, offset, length, kind } = region
      const at = offset + (random.u32() % length)
      const [byte = 0] = await read(file, at, 1)
      await requireReported(file, () => write(file, at, Uint8Array.of(byte ^ 0x10)), `${kind} ${file} byte ${at}`)
    }
  })

  it('in the log says nothing of the pages, whose superblocks the log announces behind it', async () => {
    const frames = regions.filter(({ kind, state }) => kind === 'frame' && state === 'valid')
    for (const { file, offset } of [frames[0]!, frames[frames.length >> 1]!, frames.at(-1)!]) {
      const before = await readFile(file)
      await write(file, offset + 40, Uint8Array.of(before[offset + 40]! ^ 0x10))
      try {
        const { damage } = await checkDataDirectory(files, data)
        assert.deepEqual(
          damage.filter(region => region.file.includes('/pages/')),
          [],
        )
        assert.ok(damage.length > 0)
      } finally {
        await writeFile(file, before)
      }
    }
  })

  it('is reported for an older copy of every region', async () => {
    for (const region of regions) {
      const { file, offset, length, kind } = region
      const past = await read(file.replace(data, older), offset, length).catch(() => Buffer.alloc(0))
      if (past.length < length || past.equals(await read(file, offset, length))) continue
      await requireReported(file, () => write(file, offset, past), `older ${kind} ${file} at ${offset}`)
    }
  })

  it('is reported for the last frames of the log turned to zeros, at the first of them', async () => {
    const frames = regions.filter(({ kind, state }) => kind === 'frame' && state === 'valid').slice(-4)
    for (const { file, offset } of frames) {
      const last = frames.at(-1)!
      if (last.file !== file) continue
      const zeros = new Uint8Array(last.offset + last.length - offset)
      const what = `zeros from ${offset} on`
      await requireReported(file, () => write(file, offset, zeros), what, { file, offset })
    }
  })

  it('is reported for two pages that have changed places', async () => {
    const pages = regions.filter(({ file, length }) => file.endsWith('/pages/data') && length === 4096)
    for (let i = 1; i < pages.length; i++) {
      const [a, b] = [pages[i - 1]!, pages[i]!]
      const [bytesA, bytesB] = [await read(a.file, a.offset, 4096), await read(b.file, b.offset, 4096)]
      const swap = async (): Promise<void> => {
        await write(a.file, a.offset, bytesB)
        await write(b.file, b.offset, bytesA)
      }
      await requireReported(a.file, swap, `pages at ${a.offset} and ${b.offset} swapped`)
    }
  })

  it('is nothing that a node leaves which was started again and did not stop in order', async () => {
    const killed = join(directory, 'killed')
    const node = await start(data)
    try {
      const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
      await client.kv('p').set('written in this life', random.bytes(10))
      await client.close()
      await cp(data, killed, { recursive: true, filter: path => !/LOCK|\.sock$/.test(path) })
    } finally {
      await node.stop('end of this life')
    }
    const { verdict, damage } = await checkDataDirectory(files, killed)
    assert.notEqual(verdict, 'damaged', JSON.stringify(damage))
    regions = (await checkDataDirectory(files, data)).regions
  })

  it('is reported for an identity that is missing: nothing is begun anew over the data', async () => {
    const file = join(data, 'identity.json')
    await requireReported(file, () => rm(file), 'no identity', { file, offset: 0 })
  })

  it('is reported for the identity of an unfinished creation, put back', async () => {
    const file = join(data, 'identity.json')
    const { checksum: _, ...identity } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
    const unfinished = { ...identity, isComplete: false, lastBootId: '', closedAt: null }
    const checksum = crc32(Buffer.from(JSON.stringify(unfinished)))
      .toString(16)
      .padStart(8, '0')
    const text = `${JSON.stringify({ ...unfinished, checksum }, null, 2)}\n`
    await requireReported(file, () => writeFile(file, text), 'an unfinished identity', { file, offset: 0 })
    assert.equal((await checkDataDirectory(files, data)).verdict, 'clean')
  })

  it('keeps a node from starting, which names file and offset', async () => {
    for (const kind of ['superblock', 'leaf', 'extent', 'vote', 'segment_header', 'frame', 'identity']) {
      const { file, offset } = regions.find(region => region.kind === kind)!
      const before = await readFile(file)
      await write(file, offset + 9, Uint8Array.of((before[offset + 9] ?? 0) ^ 0x10))
      try {
        await assert.rejects(start(data), (error: unknown) => {
          assert.ok(error instanceof QuorateError, `${kind}: ${String(error)}`)
          assert.equal(error.code, 'damaged')
          assert.deepEqual([error.detail?.file, error.detail?.offset], [file, offset], error.message)
          return true
        })
      } finally {
        await writeFile(file, before)
      }
    }
    const node = await start(data)
    await node.stop('unharmed again')
  })
})
