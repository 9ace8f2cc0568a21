import type { CommitResult } from '../commit-result.ts'
import type { CoreView, TransactionOptions } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { invalid } from './arguments.ts'
import { submit, type Connection } from './connection.ts'
import { TransactionAttempt } from './transaction-attempt.ts'
import { conflictAfter, TransactionTime } from './transaction-time.ts'
import { releaseView } from './sources.ts'

/** What the body gave, and the commit of what it wrote, if it wrote anything. */
export interface Completed<T> {
  value: T
  commit: CommitResult | undefined
}

/** What one run of the body gave: its value, or why it has to run again. */
type AttemptResult<T> = Completed<T> | { again: QuorateError }

/**
 * Optimistic and serializable: the body reads from one view; apply checks that everything it read is still so (DESIGN 7), and
 * otherwise the body runs again on a newer view. A transaction that wrote nothing needs no check: its view is one moment.
 * @throws ConflictError when the time is used up and it was not the first attempt, or after the attempts
 * @throws QuorateError `timeout`, `aborted`, and whatever the core or a refusal says; with `applied: 'unknown'` only from the commit
 */
export async function runAttempts<T>(
  connection: Connection,
  body: (tx: TransactionAttempt) => Promise<T>,
  options: TransactionOptions = {},
): Promise<Completed<T>> {
  const { attempts = Infinity } = options
  if (attempts < 1 || (attempts !== Infinity && !Number.isSafeInteger(attempts)))
    throw invalid(`attempts is a whole number from 1, not ${attempts}`)
  const time = new TransactionTime(connection, options)
  try {
    for (let attempt = 1; ; attempt++) {
      const result = await runAttempt(connection, body, options, time, attempt)
      if ('value' in result) return result
      if (attempt >= attempts) throw conflictAfter(`no success in ${attempts} attempts`, result.again)
      await time.backOff(attempt, result.again)
    }
  } finally {
    time.end()
  }
}

async function runAttempt<T>(
  connection: Connection,
  body: (tx: TransactionAttempt) => Promise<T>,
  options: TransactionOptions,
  time: TransactionTime,
  attempt: number,
): Promise<AttemptResult<T>> {
  const view = await openView(connection, options, time)
  const tx = new TransactionAttempt(connection, view, time.budget, time.signal, attempt)
  let value: T
  try {
    value = await time.unlessStopped(body(tx))
  } catch (error) {
    if (tx.viewLost !== undefined && !time.signal.aborted) return { again: tx.viewLost }
    throw time.explain(error)
  } finally {
    tx.end()
    releaseView(view)
  }
  const envelope = tx.toEnvelope()
  if (envelope === undefined) return { value, commit: undefined }
  try {
    // The caller's own signal, not the transaction's: when time runs out now, the core knows what became of the request.
    const { signal, idempotencyKey, writeClass, finality } = options
    const commit = await submit(connection, envelope, {
      ...time.timeout(),
      ...(signal !== undefined && { signal }),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
      ...(writeClass !== undefined && { writeClass }),
      ...(finality !== undefined && { finality }),
    })
    return { value, commit }
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'conflict') return { again: error }
    throw time.explain(error)
  }
}

async function openView(connection: Connection, options: TransactionOptions, time: TransactionTime): Promise<CoreView> {
  const { consistency = 'linearizable' } = options
  let opening: Promise<CoreView> | undefined
  try {
    opening = connection.core.openView({ ...time.budget.next(), signal: time.signal, consistency })
    return await time.unlessStopped(opening)
  } catch (error) {
    // Nobody else would ever close a view that comes when the transaction has stopped.
    opening?.then(releaseView, () => undefined)
    throw time.explain(error)
  }
}
