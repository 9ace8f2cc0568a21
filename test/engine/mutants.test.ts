import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import type { Mutation } from '../../src/encoding/index.ts'
import { firstOutcome } from '../../src/encoding/index.ts'
import { setOwnClockSkew } from '../../src/engine/kv/index.ts'
import { setEngineMutants } from '../../src/engine/mutants.ts'
import type { EngineMutant } from '../../src/engine/mutants.ts'
import { setOwnMutationsMax } from '../../src/engine/transaction/index.ts'
import { at, Harness, request, SECOND, set } from './harness.ts'

const add: Mutation = { type: 'kvIncrement', ...at('n'), by: 1n, width: 64 }
const refused: Mutation = { type: 'kvIncrement', ...at('none'), by: 1n, width: 64, onMissing: 'reject' }

/** Runs the same entries on two replicas that differ in what apply may not look at; their digests must be equal. */
async function twoReplicas(
  differ: (replica: number) => void,
  run: (harness: Harness) => Promise<unknown>,
): Promise<void> {
  const digests: string[] = []
  for (const replica of [0, 1]) {
    differ(replica)
    const harness = await Harness.withProject()
    await run(harness)
    digests.push(harness.digest())
  }
  differ(0)
  assert.equal(digests[1], digests[0])
}

/** What shows a planted bug: a check that holds without it. Those that need a history or other nodes are the simulator's. */
const CHECKS: Partial<Record<EngineMutant, () => Promise<void>>> = {
  async read_set_by_neighbours() {
    const harness = await Harness.withProject()
    const { seq } = await harness.commit({ mutations: [set('a', '1')] })
    await harness.commit({ mutations: [set('b', '1')] })
    const outcome = await harness.commit({ readSet: { points: [{ ...at('a'), seq }] }, mutations: [set('c', '1')] })
    assert.equal(outcome.status, 'committed', 'a change of another key is no conflict')
  },
  async preflight_answers_retries() {
    const harness = await Harness.create()
    const copy = request({ mutations: [add] })
    copy[1] = 1
    assert.equal(harness.core.preflight(copy), undefined)
  },
  async apply_reads_configuration() {
    await twoReplicas(
      replica => setOwnMutationsMax(1 + replica),
      harness => harness.submit({ mutations: [add, add] }),
    )
  },
  async slot_not_in_digest() {
    const digests: string[] = []
    for (const serial of [1, 2]) {
      const harness = await Harness.withProject()
      const { session } = await harness.openSession()
      await harness.commit({ mutations: [] }, { session, serial })
      digests.push(JSON.stringify(harness.core.digest.sum))
    }
    assert.notEqual(digests[0], digests[1], 'replicas that remember different answers have the same S')
  },
  async idempotency_keeps_refusals() {
    const harness = await Harness.withProject()
    const envelope = { idempotencyKey: 'k', mutations: [refused] }
    await harness.refusal(envelope)
    await harness.commit({ mutations: [{ type: 'kvSet', ...at('none'), value: new Uint8Array(8) }] })
    assert.equal((await harness.commit(envelope)).status, 'committed')
  },
  async not_after_before_session() {
    const harness = await Harness.withProject()
    const { session } = await harness.openSession()
    const parts = { session, serial: 1, notAfterMicros: harness.timeMicros }
    const first = await harness.submit({ mutations: [add] }, parts)
    harness.timeMicros += SECOND
    const again = await harness.submit({ mutations: [add] }, parts)
    assert.deepEqual(firstOutcome(again.outcome), first.outcome)
  },
  async expiry_by_own_clock() {
    await twoReplicas(
      replica => setOwnClockSkew(replica * 2 * SECOND),
      async harness => {
        await harness.commit({ mutations: [set('a', '1', 1_000)] })
        await harness.commit({ assertions: [{ type: 'keyExists', ...at('a'), expected: true }], mutations: [add] })
      },
    )
  },
  async refusal_keeps_changes() {
    const harness = await Harness.withProject()
    await harness.refusal({ mutations: [set('a', '1'), refused] })
    assert.equal(harness.get('a'), undefined)
  },
}

describe('a planted bug in apply is caught:', () => {
  afterEach(() => setEngineMutants())
  for (const [mutant, check] of Object.entries(CHECKS)) {
    it(mutant, async () => {
      await check()
      setEngineMutants(mutant as EngineMutant)
      await assert.rejects(check(), assert.AssertionError)
    })
  }
})
