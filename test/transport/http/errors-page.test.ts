import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { ERROR_CODES, STATUS_OF } from '../../../src/model/index.ts'

it('docs/reference/errors.md has every code with its status, in order', async () => {
  const page = await readFile('docs/reference/errors.md', 'utf8')
  const rows = [...page.matchAll(/^\| `([a-z_]+)` \| (\d+) \| \S.* \|$/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ])
  assert.deepEqual(
    rows,
    ERROR_CODES.map(code => [code, STATUS_OF[code]]),
  )
})
