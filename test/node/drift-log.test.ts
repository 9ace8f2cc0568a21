import assert from 'node:assert/strict'
import { it } from 'node:test'
import { disputeLog, fenceLog } from '../../src/node/drift-log.ts'

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

it('a fence is said with the seq and both digests, and that it is gone', () => {
  const said: unknown[] = []
  const keep =
    (level: string) =>
    (...line: unknown[]): void =>
      void said.push([level, ...line])
  const log = fenceLog({ error: keep('error'), info: keep('info') })
  const drift = { seq: 4_096, own: '7:a', others: '8:b' }
  log(drift)
  log(undefined)
  assert.deepEqual(said, [
    ['error', drift, "the state differs from its peers' at 4096: this node answers nothing until it is rebuilt"],
    ['info', {}, 'the state was rebuilt from the leader; this node answers again'],
  ])
})
