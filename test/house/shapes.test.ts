import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'

/** Made once in a while: what their shapes cost does not show. */
const RARE = ['src/engine/backup-source.ts']
/** Accessors of classes stand two blanks in. */
const ACCESSOR_OF_OBJECT = /^ {4,}[gs]et \w+\(/m

it('objects of the engine and of the log have no accessors of their own: each would have its own shape, which only a full collection frees', () => {
  const found: string[] = []
  for (const room of ['src/engine', 'src/log', 'src/encoding']) {
    for (const name of readdirSync(room, { recursive: true, encoding: 'utf8' })) {
      const path = join(room, name)
      if (!path.endsWith('.ts') || RARE.includes(path)) continue
      if (ACCESSOR_OF_OBJECT.test(readFileSync(path, 'utf8'))) found.push(path)
    }
  }
  assert.deepEqual(found, [], 'a class with the accessor has one shape')
})
