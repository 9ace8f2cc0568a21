import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Files } from '../../src/platform/index.ts'
import { crashEverywhere } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

/** Replaces a file the safe way (write aside, sync, rename, sync the directory), with the steps that a careless one leaves out. */
function replacer(careless: 'nothing' | 'file sync' | 'directory sync') {
  return async (files: Files, notes: { promised: number }): Promise<void> => {
    for (let version = 1; version <= 4; version++) {
      await files.remove('/new')
      const file = await files.open('/new', 'create')
      await file.write(new Uint8Array(1500).fill(version), 0)
      if (careless !== 'file sync') await file.sync()
      await file.close()
      await files.rename('/new', '/current')
      if (careless !== 'directory sync') await files.syncDirectory('/')
      notes.promised = version
    }
  }
}

async function check(files: Files, notes: { promised: number }): Promise<void> {
  if (notes.promised === 0) return
  const file = await files.open('/current', 'read')
  const bytes = new Uint8Array(1500)
  assert.equal(await file.read(bytes, 0), 1500)
  const version = bytes[0] as number
  assert.ok(version >= notes.promised)
  assert.ok(bytes.every(byte => byte === version))
}

function run(careless: 'nothing' | 'file sync' | 'directory sync'): Promise<number> {
  const newNotes = (): { promised: number } => ({ promised: 0 })
  return crashEverywhere({ disk: { seed, tear: 'byte' }, newNotes, workload: replacer(careless), check })
}

describe('crashing at every disk call', () => {
  it('passes code that syncs what it must', async () => {
    assert.equal(await run('nothing'), 2 * 4 * 6)
  })

  it('finds a file that is not synced, and a directory that is not', async () => {
    await assert.rejects(run('file sync'), /power loss (before|after) disk call \d+ of \d+, seed/)
    await assert.rejects(run('directory sync'), /power loss (before|after) disk call \d+ of \d+, seed/)
  })

  it('ends with the error of a workload that fails by itself', async () => {
    const failing = crashEverywhere({
      disk: { seed },
      newNotes: () => ({ runs: 0 }),
      workload: files => files.rename('/none', '/other'),
      check: () => Promise.resolve(),
    })
    await assert.rejects(failing, /ENOENT/)
  })
})
