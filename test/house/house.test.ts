import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkHouse } from './check-house.ts'
import { maskNonCode } from './source-text.ts'
import { formatViolation } from './violation.ts'

/** dist/test/house/ mirrors test/house/. */
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What git does not carry, or carries without our having written it. */
const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.quorate', '.bench'])
const HAS_TEXT = /\.(ts|md)$|^package(-lock)?\.json$/

/** Every file of the repository by its path, with its text where the rules read it. */
function readTree(): Map<string, string> {
  const files = new Map<string, string>()
  const walk = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (NOT_OURS.has(entry.name)) continue
      const path = join(directory, entry.name)
      const name = relative(root, path).split(sep).join('/')
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile()) files.set(name, HAS_TEXT.test(name) ? readFileSync(path, 'utf8') : '')
    }
  }
  walk(root)
  return files
}

const files = readTree()

test('the repository keeps the rules of the house', () => {
  assert.ok(files.has('package.json') && files.has('src/platform/index.ts'), `${root} is not the repository`)
  const violations = checkHouse(files)
  assert.equal(violations.length, 0, `\n${violations.map(formatViolation).join('\n')}`)
})

test('the reader of sources tells code from text in every file: brackets are balanced in what it takes for code', () => {
  for (const [file, text] of files) {
    if (!/^src\/.*\.ts$/.test(file)) continue
    const open: string[] = []
    for (const [bracket] of maskNonCode(text).matchAll(/[()[\]{}]/g)) {
      if ('([{'.includes(bracket)) open.push(bracket)
      else assert.equal('([{'.indexOf(open.pop() ?? ''), ')]}'.indexOf(bracket), file)
    }
    assert.deepEqual(open, [], file)
  }
})
