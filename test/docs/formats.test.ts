import assert from 'node:assert/strict'
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'

const ROOT = join(import.meta.dirname, '../../..')
const PAGES = join(ROOT, 'docs/formats')

it('docs/formats/README.md has every format, each with what holds its bytes', async () => {
  const page = await readFile(join(PAGES, 'README.md'), 'utf8')
  const rows = [...page.matchAll(/^\| \[([a-z-]+)\]\(\1\.md\) \| \S.* \| (`.*`) \|$/gm)]
  const files = (await readdir(PAGES)).filter(name => name !== 'README.md')
  assert.deepEqual(rows.map(([, name]) => `${name}.md`).sort(), files.sort())
  for (const [, , tests = ''] of rows) {
    for (const [, file = ''] of tests.matchAll(/`([^`]+)`/g)) await access(join(ROOT, 'test', file))
  }
})
