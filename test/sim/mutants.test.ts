import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CAUGHT_BY_TESTS, MUTANTS } from './mutants/catalogue.ts'
import { findMutant } from './mutants/mutant.ts'

/** Each shows in most seeds; `npm run sim -- --mutants` looks for all of them, in up to 200 seeds. */
const QUICKLY_CAUGHT = [
  'nodes engine: apply_reads_configuration',
  'nodes engine: expiry_by_own_clock',
  'nodes engine: idempotency_keeps_refusals',
  'nodes engine: not_after_before_session',
  'nodes engine: permissions_only_at_the_door',
  'nodes engine: refusal_keeps_changes',
  'nodes keyspace: viewSeesLater',
  'nodes log: acknowledge_before_sync',
  'nodes raft: busy_overtaken',
  'nodes core: unsorted quorum array',
  'core core: skip vote sync',
  'core core: ack before sync',
  'core core: read joins the running round',
]
const SEEDS = 20
const ROOT = join(import.meta.dirname, '../../..')

describe('a planted bug', () => {
  for (const title of QUICKLY_CAUGHT) {
    it(`is caught: ${title}`, async () => {
      const mutant = MUTANTS.find(({ simulator, name }) => title === `${simulator} ${name}`)
      assert.ok(mutant !== undefined)
      const { seed } = await findMutant(mutant, { budget: SEEDS, isControlled: false })
      assert.notEqual(seed, undefined, `survived ${SEEDS} seeds`)
    })
  }

  it('that no simulator looks for is planted by the test that is said to catch it', async () => {
    for (const [mutant, file] of Object.entries(CAUGHT_BY_TESTS)) {
      assert.match(await readFile(join(ROOT, file), 'utf8'), new RegExp(`\\b${mutant}\\b`), file)
    }
  })
})
