import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createDatabase } from '../../src/model/index.ts'
import type { AuditPage, AuditRow, AuditVerification } from '../../src/model/index.ts'
import { ReferenceCore } from './reference-core.ts'

const hashOf = (seq: number): string => (seq - 1).toString(16).padStart(64, '0')
const COUNT = 7
/** The newest seq; the first row of the chain has seq 2. */
const TOP = 8

/** Row `seq` holds the hash of row `seq - 1`; that with seq 2 holds zeros. */
function row(seq: number, more: Partial<AuditRow> = {}): AuditRow {
  const fields = { seq, timeMicros: 1, kind: 'denied', actor: 'a', caller: 'a', code: 'permission_denied' } as const
  return { ...fields, hash: hashOf(seq), previousHash: hashOf(seq - 1), ...more }
}

const chain = (): AuditRow[] => Array.from({ length: COUNT }, (_, i) => row(TOP - i))

async function verify(
  rows: readonly AuditRow[],
  {
    headHash = hashOf(TOP),
    count = rows.length,
    knownHash,
  }: { headHash?: string; count?: number; knownHash?: string } = {},
): Promise<AuditVerification> {
  const core = new ReferenceCore()
  core.read = request => {
    assert.equal(request.type, 'audit')
    const before = (request.type === 'audit' ? request.beforeSeq : 0) || Infinity
    const page: AuditPage = {
      rows: rows.filter(({ seq }) => seq < before).slice(0, 2),
      isIntact: true,
      count,
      headHash,
    }
    return Promise.resolve({ result: { type: 'audit', ...page }, seq: 50, historyId: 'h' })
  }
  return createDatabase(core).verifyAudit(knownHash === undefined ? {} : { knownHash })
}

describe('a verification of the audit', () => {
  it('goes over the bounds of pages, from the head to the first row', async () => {
    const found = await verify(chain())
    const rest = { headHash: hashOf(TOP), seq: 50, oldestSeq: 2, newestSeq: TOP }
    assert.deepEqual(found, { isIntact: true, checked: COUNT, ...rest })
    assert.deepEqual(await verify([], { headHash: hashOf(1) }), {
      isIntact: true,
      checked: 0,
      headHash: hashOf(1),
      seq: 50,
    })
  })

  it('sees a row that is changed, left out or put in, wherever it lies in its page', async () => {
    for (let at = 0; at < COUNT; at++) {
      const changed = chain()
      changed[at] = row(TOP - at, { hash: 'f'.repeat(64) })
      assert.equal((await verify(changed)).brokenAtSeq, TOP - at, `changed ${at}`)
      const without = chain().toSpliced(at, 1)
      assert.equal((await verify(without, { count: COUNT })).isIntact, false, `without ${at}`)
      if (at < COUNT - 1) assert.equal((await verify(without)).brokenAtSeq, TOP - at - 1)
    }
    const added = [row(TOP + 1), ...chain()]
    assert.equal((await verify(added)).brokenAtSeq, TOP + 1)
    assert.equal((await verify(chain(), { count: COUNT + 1 })).isIntact, false, 'the oldest are missing')
  })

  it('takes rows of a version without a chain behind the first one only', async () => {
    const old = { seq: 1, timeMicros: 1, kind: 'denied', actor: 'a', caller: 'a', code: '' } as const
    assert.equal((await verify([...chain(), old])).isIntact, true)
    assert.equal((await verify([...chain().slice(0, 3), old])).isIntact, false)
  })

  it('finds a hash that was noted', async () => {
    for (const seq of [2, 4, TOP])
      assert.equal((await verify(chain(), { knownHash: hashOf(seq) })).isKnownHashFound, true)
    assert.equal((await verify(chain(), { knownHash: hashOf(99) })).isKnownHashFound, false)
  })
})
