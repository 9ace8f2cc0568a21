import { QuorateError } from '../model/index.ts'
import { PageDamage } from './keyspace/index.ts'
import type { PageReport } from './keyspace/index.ts'

/** What a caller hears of a damaged place of the page file; any other error as it is. */
export function asDamaged(error: unknown): unknown {
  if (!(error instanceof PageDamage)) return error
  const { file, offset } = error
  return new QuorateError('damaged', error.message, { detail: { file, offset }, cause: error })
}

/** The same of a place that a scrub has found. */
export function damagedAt({ file, offset, reason = 'damaged' }: PageReport): QuorateError {
  return new QuorateError('damaged', reason, { detail: { file, offset } })
}
