import { AUDIT_PAGE_ROWS_MAX } from '../audit.ts'
import type { AuditPage, AuditRow, AuditVerification, ReadAuditOptions, VerifyAuditOptions } from '../audit.ts'
import type { CoreRead } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { invalid, requireSeq } from './arguments.ts'
import { coreOptions, type Connection } from './connection.ts'
import { newestState } from './sources.ts'

const ROWS = 100
const HASH = /^[0-9a-f]{64}$/
const NO_HASH = '0'.repeat(64)

/** The newest audit rows, or those before a seq. */
export async function readAudit(connection: Connection, options: ReadAuditOptions = {}): Promise<AuditPage> {
  const { limit = ROWS, before = 0, ...requestOptions } = options
  requireSeq('before', before)
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > AUDIT_PAGE_ROWS_MAX) {
    throw invalid(`limit is a whole number from 1 to ${AUDIT_PAGE_ROWS_MAX}, not ${String(limit)}`)
  }
  const request = { type: 'audit', beforeSeq: before, limit } as const
  return pageOf(await connection.core.read(request, coreOptions(connection, requestOptions)))
}

/** Follows the chain of hashes from the head to the oldest row, page by page, in one state. */
export async function verifyAudit(
  connection: Connection,
  options: VerifyAuditOptions = {},
): Promise<AuditVerification> {
  const { knownHash, ...requestOptions } = options
  if (knownHash !== undefined && !HASH.test(knownHash)) throw invalid('knownHash has 64 hexadecimal digits')
  const pages = await newestState(connection).openPages(requestOptions)
  try {
    const chain = new Chain(knownHash)
    let beforeSeq = 0
    for (;;) {
      const read = await pages.read({ type: 'audit', beforeSeq, limit: AUDIT_PAGE_ROWS_MAX })
      const page = pageOf(read)
      chain.take(page)
      const last = page.rows.at(-1)
      if (last === undefined) return chain.verification(page, read.seq)
      if (last.seq < 1 || (beforeSeq !== 0 && last.seq >= beforeSeq)) {
        throw new QuorateError('internal', 'a page of audit rows that does not go on')
      }
      beforeSeq = last.seq
    }
  } finally {
    pages.close()
  }
}

/** The rows as far as they have come by, newest first. */
class Chain {
  readonly #knownHash: string | undefined
  /** What the next row must have as its hash: undefined = none, for it is of a version without a chain. */
  #expected: string | undefined
  #checked = 0
  #brokenAtSeq: number | undefined
  #isKnownHashFound: boolean
  #newest: AuditRow | undefined
  #oldest: AuditRow | undefined

  constructor(knownHash: string | undefined) {
    this.#knownHash = knownHash
    this.#isKnownHashFound = false
  }

  take({ rows, headHash }: AuditPage): void {
    if (this.#checked === 0) this.#expected = linkOf(headHash)
    for (const row of rows) {
      if (row.hash !== this.#expected) this.#brokenAtSeq ??= row.seq
      this.#expected = linkOf(row.previousHash)
      if (row.hash !== undefined && row.hash === this.#knownHash) this.#isKnownHashFound = true
      this.#newest ??= row
      this.#oldest = row
      this.#checked++
    }
  }

  verification({ count, headHash }: AuditPage, seq: number): AuditVerification {
    const [brokenAtSeq, newest, oldest] = [this.#brokenAtSeq, this.#newest, this.#oldest]
    return {
      isIntact: brokenAtSeq === undefined && this.#checked === count,
      checked: this.#checked,
      headHash,
      seq,
      ...(brokenAtSeq !== undefined && { brokenAtSeq }),
      ...(oldest !== undefined && { oldestSeq: oldest.seq }),
      ...(newest !== undefined && { newestSeq: newest.seq }),
      ...(this.#knownHash !== undefined && {
        isKnownHashFound: this.#isKnownHashFound || this.#knownHash === headHash,
      }),
    }
  }
}

/** The first row of a chain has zeros in place of the hash of one before it. */
function linkOf(hash: string | undefined): string | undefined {
  return hash === NO_HASH ? undefined : hash
}

function pageOf({ result }: CoreRead): AuditPage {
  if (result.type !== 'audit') throw new QuorateError('internal', `a read of the audit was answered by ${result.type}`)
  const { rows, isIntact, count, headHash } = result
  return { rows, isIntact, count, headHash }
}
