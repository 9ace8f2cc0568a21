import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkHouse } from './check-house.ts'
import { formatViolation } from './violation.ts'

/** dist/test/house/ mirrors test/house/. */
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Everything that git would carry: whole directories, and the pages at the root. */
function readTree(): Map<string, string> {
  const files = new Map<string, string>()
  const read = (path: string): void => {
    files.set(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8'))
  }
  for (const directory of ['src', 'docs']) {
    if (!existsSync(join(root, directory))) continue
    for (const entry of readdirSync(join(root, directory), { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && /\.(ts|md)$/.test(entry.name)) read(join(entry.parentPath, entry.name))
    }
  }
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    if (entry.isFile() && /^[A-Z]+(\.md)?$|^package\.json$/.test(entry.name)) read(join(root, entry.name))
  }
  return files
}

test('the repository keeps the rules of the house', () => {
  const files = readTree()
  assert.ok(files.has('package.json'), `no package.json in ${root}`)
  assert.ok(
    [...files.keys()].some(file => file.startsWith('src/')),
    `no sources in ${root}`,
  )
  const violations = checkHouse(files)
  assert.equal(violations.length, 0, `\n${violations.map(formatViolation).join('\n')}`)
})
