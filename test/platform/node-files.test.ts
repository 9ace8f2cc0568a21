import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { after, it, mock } from 'node:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from '../../src/platform/node/index.ts'
import { describeFiles } from './files-contract.ts'

const made: string[] = []

after(async () => {
  for (const directory of made) await rm(directory, { recursive: true, force: true })
})

describeFiles('node', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-files-'))
  made.push(directory)
  return { files: nodeFiles(), directory }
})

it('preallocates in small pieces, for the page cache keeps each as one, through which later writes of a few bytes have to look', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-files-'))
  made.push(directory)
  const file = await nodeFiles().open(join(directory, 'segment'), 'create')
  // Wherever what is there ends: a file that was left half made goes on from there.
  file.writeSync(Uint8Array.of(1, 2, 3), 0)
  const write = mock.method(fs, 'write')
  const syncs = ['fdatasync', 'fsync'].map(name => mock.method(fs, name as 'fsync'))
  syncBuiltinESMExports()
  try {
    await file.preallocate(1_000_000)
  } finally {
    write.mock.restore()
    for (const sync of syncs) sync.mock.restore()
    syncBuiltinESMExports()
  }
  const lengths = write.mock.calls.map(({ arguments: call }) => (call as unknown as number[])[3]!)
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    1_000_000 - 3,
  )
  assert.ok(Math.max(...lengths) <= 131_072, `a write of ${Math.max(...lengths)} bytes`)
  // A sync of another file waits for what lies before it: never for much of this one.
  assert.ok(syncs[0]!.mock.callCount() >= 3, `${syncs[0]!.mock.callCount()} syncs on the way`)
  assert.equal(syncs[1]!.mock.callCount(), 1)
  await file.close()
})

it('makes no directory without a name, and does not try for ever', async () => {
  await assert.rejects(nodeFiles().makeDirectory(''), { code: 'not_found' })
})
