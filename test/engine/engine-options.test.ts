import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Engine, QuorateError } from '../../src/entry/engine.ts'
import type { EngineOptions } from '../../src/entry/engine.ts'

describe('options of an embedded database', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-options-'))
  })
  after(() => rm(folder, { recursive: true }))

  for (const wrong of [
    { durability: 'Full' },
    { durability: null },
    { durable: true },
    { pageBytes: 5_000 },
    { budgetBytes: Number.NaN },
    { budgetBytes: 0 },
    { batchBytes: '1024' },
    { batchIntervalMs: -1 },
    { checkpointAgeMs: 0 },
    { hotCacheBytes: -1 },
    { segmentBytes: 10 },
    { segmentBytes: 2 ** 31 },
    null,
  ]) {
    it(`are refused before anything is made: ${JSON.stringify(wrong)}`, async () => {
      const opening = Engine.open(join(folder, 'refused'), wrong as EngineOptions)
      await assert.rejects(opening, { code: 'invalid_argument' })
      assert.deepEqual(await readdir(folder), [])
    })
  }

  for (const wrong of ['', undefined, 5]) {
    it(`need a directory: ${String(wrong)}`, async () => {
      await assert.rejects(Engine.open(wrong as string), { code: 'invalid_argument' })
    })
  }

  it('may be right and the directory not: that is said as every other error is', async () => {
    const directory = join(folder, 'once')
    const engine = await Engine.open(directory)
    const refused = async (at: string, code: string): Promise<void> => {
      await assert.rejects(Engine.open(at), (error: unknown) => error instanceof QuorateError && error.code === code)
    }
    await refused(directory, 'directory_locked')
    await engine.close()
    await rm(directory, { recursive: true })
    const file = join(folder, 'file')
    await writeFile(file, '')
    await refused(file, 'already_exists')
    await refused(join(file, 'below'), 'not_found')
    await rm(file)
  })

  it('that are undefined are not given, and times may be parts of a ms or have no end', async () => {
    const options = { durability: undefined, budgetBytes: undefined, checkpointAgeMs: Infinity, batchIntervalMs: 0.5 }
    const engine = await Engine.open(join(folder, 'open'), options as unknown as EngineOptions)
    await engine.ddl({ type: 'createProject', project: 'p' })
    assert.equal((await engine.kv('p').set('a', Uint8Array.of(1))).isDurable, true)
    await engine.close()
  })
})
