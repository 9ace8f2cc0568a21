import assert from 'node:assert/strict'
import { it } from 'node:test'
import { disputeLog } from '../../src/node/dispute-log.ts'

it('a dispute is said with the seq, the name of the voter and both digests', () => {
  const said: unknown[] = []
  const log = disputeLog({ warn: (...line: unknown[]) => void said.push(line) })
  log({ seq: 4_096, peer: 'n2', own: '7:a', other: '8:b' })
  assert.deepEqual(said, [
    [
      { seq: 4_096, peer: 'n2', own: '7:a', other: '8:b' },
      'n2 has another state than this leader at 4096, and no majority tells which of them is right',
    ],
  ])
})
