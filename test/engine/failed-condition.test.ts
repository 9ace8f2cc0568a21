import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeOutcome } from '../../src/encoding/index.ts'
import type { Assertion } from '../../src/encoding/index.ts'
import { ASSERTION_DEPTH_MAX } from '../../src/encoding/envelope-ops.ts'
import { at, bytes, Harness, set } from './harness.ts'

describe('the condition of a refusal', () => {
  it('is the same for a repetition in the session, whatever is there or allowed by then', async () => {
    const harness = await Harness.withProject()
    for (const type of ['kvRead', 'kvWrite'] as const) {
      const operation = { type: 'grant', caller: 'ann', permission: { type, project: 'p' } } as const
      await harness.commit({ mutations: [{ type: 'ddl', operation }] })
    }
    await harness.commit({ mutations: [set('a', 'one')] })
    const { session } = await harness.openSession({ caller: 'ann' })
    const wrong: Assertion = { type: 'keyEquals', ...at('a'), value: bytes('two') }
    const ask = (serial: number): Promise<unknown> =>
      harness.commit({ assertions: [wrong], mutations: [set('b', '1')] }, { session, serial, caller: 'ann' })
    const first = await ask(1)
    assert.deepEqual((first as { detail?: object }).detail, {
      index: 0,
      actualSeq: harness.core.appliedSeq - 2,
      condition: { path: 'assertions[0]', type: 'keyEquals', op: 'eq', expected: bytes('two'), actual: bytes('one') },
    })
    const operation = { type: 'revoke', caller: 'ann', permission: { type: 'kvRead', project: 'p' } } as const
    await harness.commit({ mutations: [set('a', 'two'), { type: 'ddl', operation }] })
    assert.deepEqual(await ask(1), first)
    const denied = (await ask(2)) as { code?: string; detail?: object }
    assert.deepEqual([denied.code, denied.detail], ['permission_denied', undefined])
  })

  it('has a bounded size, whatever is compared and however deep', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', 'x'.repeat(100_000))] })
    const threshold = new Uint8Array(100_000).fill(0xff)
    let assertion: Assertion = { type: 'keyCompare', ...at('a'), op: 'gt', threshold }
    const holds: Assertion = { type: 'keyExists', ...at('a'), expected: true }
    for (let depth = 1; depth <= ASSERTION_DEPTH_MAX; depth++) {
      assertion = { type: 'all', assertions: [...Array.from({ length: 100 }, () => holds), assertion] }
    }
    const outcome = await harness.commit({ assertions: [assertion], mutations: [set('b', '1')] })
    assert.equal(outcome.status === 'refused' && outcome.detail?.condition?.actualBytes, 100_000)
    assert.ok(encodeOutcome(outcome).length < 1024, `${encodeOutcome(outcome).length} bytes`)
  })
})
