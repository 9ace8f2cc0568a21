import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { main } from '../../examples/embedded/bank.ts'

it('the embedded example does what it says, twice in one directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-example-'))
  try {
    for (const visits of ['1', '2']) {
      const lines: string[] = []
      await main(directory, line => lines.push(line))
      assert.deepEqual(lines.slice(0, 2), ['alice: 50', 'bob: 100'])
      assert.match(lines[2]!, /alice has 50, not 1000/)
      assert.equal(lines[3], `visits: ${visits}`)
      assert.match(lines[4]!, /^assertion_failed: /)
      assert.equal(lines[5], 'alice, synchronously: 60')
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
