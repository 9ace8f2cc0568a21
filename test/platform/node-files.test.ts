import { after } from 'node:test'
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
