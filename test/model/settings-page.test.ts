import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { SETTING_RULES } from '../../src/model/index.ts'

it('docs/reference/settings.md has every setting with its default and bounds, in order', async () => {
  const page = await readFile('docs/reference/settings.md', 'utf8')
  const rows = page
    .split('\n')
    .filter(line => /^\| `\w+` \|/.test(line))
    .map(line => {
      const [name = '', unit, ...rest] = line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim().replaceAll('`', ''))
      assert.equal(unit === 'ms', name.endsWith('Ms'), `the unit of ${name}`)
      assert.equal(unit === 'bytes', name.endsWith('BytesMax'), `the unit of ${name}`)
      assert.equal(rest.length, 4, line)
      return [name, ...rest.slice(0, 3).map(text => Number(text.replaceAll(',', '')))]
    })
  assert.deepEqual(
    rows,
    Object.entries(SETTING_RULES).map(([name, rule]) => [name, rule.default, rule.min, rule.max]),
  )
})
