import { checkedTransaction } from '../../encoding/index.ts'
import type { ReadSet, TransactionEnvelope } from '../../encoding/index.ts'
import type { CommitResult } from '../commit-result.ts'
import { formatToken, type RequestOptions } from '../consistency.ts'
import type { PreflightResult } from '../database-preflight.ts'
import { QuorateError } from '../errors.ts'
import { Budget, checked, coreOptions, encodeChecked, submit, type Connection } from './connection.ts'
import { readOutcome, refusalError } from './outcome-result.ts'

/** What a transaction would do if it were applied now; nothing is changed. */
export async function preflightTransaction(
  connection: Connection,
  envelope: TransactionEnvelope,
  options?: RequestOptions,
): Promise<PreflightResult> {
  const bytes = encodeChecked(checked(checkedTransaction, envelope))
  const { result, seq, historyId } = await connection.core.read(
    { type: 'preflight', envelope: bytes },
    coreOptions(connection, options),
  )
  if (result.type !== 'preflight') throw new QuorateError('internal', `a preflight was answered by ${result.type}`)
  const { rows, keys, events, readSet } = result
  const outcome = readOutcome(result.outcome)
  const found = { rows, keys, events, seq, token: formatToken(historyId, seq) }
  if (outcome.status === 'refused') return { isValid: false, error: refusalError(outcome), results: [], ...found }
  return { isValid: true, results: outcome.results, ...found, ...(readSet !== undefined && { readSet }) }
}

/** Commits what was found valid, if what it changes has not changed meanwhile. */
export async function commitChecked(
  connection: Connection,
  envelope: TransactionEnvelope,
  options?: RequestOptions,
): Promise<CommitResult> {
  const budget = new Budget(connection, options)
  const found = await preflightTransaction(connection, envelope, budget.rest())
  if (!found.isValid) throw found.error!
  if (found.readSet === undefined) {
    throw new QuorateError('transaction_too_large', 'it changes more than a read set may have')
  }
  return submit(connection, { ...envelope, readSet: joined(envelope.readSet, found.readSet) }, budget.rest())
}

function joined(given: ReadSet | undefined, found: ReadSet): ReadSet {
  return { ...given, points: [...(given?.points ?? []), ...(found.points ?? [])] }
}
