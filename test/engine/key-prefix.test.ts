import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Mutation } from '../../src/encoding/index.ts'
import { at, bytes, Harness } from './harness.ts'

const PREFIX = bytes('a/')

/** What computes with what is there, on one key. */
function computing(key: string): Mutation[] {
  return [
    { type: 'kvAddSigned', ...at(key), by: 5n },
    { type: 'kvAddSigned', ...at(key), by: -2n, min: 0n, max: 10n },
    { type: 'kvIncrement', ...at(`${key}u`), by: 5n, width: 64 },
    { type: 'kvDecrement', ...at(`${key}u`), by: 2n, width: 64, onUnderflow: 'saturate' },
    { type: 'kvDecrement', ...at(`${key}u`), by: 9n, width: 64, onUnderflow: 'ignore' },
    { type: 'counterAdd', ...at(`${key}c`), by: 3n, shards: 4, shard: 1 },
  ]
}

async function harnessOf(...types: ('kvRead' | 'kvWrite')[]): Promise<Harness> {
  const harness = await Harness.withProject()
  const outcome = await harness.commit({
    mutations: types.map(type => ({
      type: 'ddl',
      operation: { type: 'grant', caller: 'ann', permission: { type, project: 'p', scope: 'app', prefix: PREFIX } },
    })),
  })
  assert.equal(outcome.status, 'committed')
  return harness
}

describe('a caller with kvRead and kvWrite of a prefix', () => {
  it('computes with the numbers of keys in it', async () => {
    const harness = await harnessOf('kvRead', 'kvWrite')
    const outcome = await harness.commit({ mutations: computing('a/n') }, { caller: 'ann' })
    assert.equal(outcome.status, 'committed')
    assert.deepEqual(outcome.status === 'committed' ? outcome.results.slice(0, 4) : [], [5n, 3n, 5n, 3n])
  })

  it('computes with none outside of it, and a transaction that tries changes nothing', async () => {
    const harness = await harnessOf('kvRead', 'kvWrite')
    // 'a' and 'a0' lie just before and just behind the prefix.
    for (const key of ['b/n', 'a', 'a0']) {
      for (const mutation of computing(key)) {
        const mutations = [...computing('a/n'), mutation]
        assert.equal(await harness.refusal({ mutations }, { caller: 'ann' }), 'permission_denied', key)
      }
    }
    assert.equal(harness.get('a/n'), undefined, 'what was allowed of a refused transaction is not done either')
  })

  it('needs both of them', async () => {
    for (const type of ['kvRead', 'kvWrite'] as const) {
      const harness = await harnessOf(type)
      for (const mutation of computing('a/n')) {
        assert.equal(await harness.refusal({ mutations: [mutation] }, { caller: 'ann' }), 'permission_denied', type)
      }
    }
  })
})
