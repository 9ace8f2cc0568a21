import { formatToken, parseToken } from '../consistency.ts'
import type { RequestOptions, Token } from '../consistency.ts'
import type { DatabaseHead } from '../database-head.ts'
import { QuorateError } from '../errors.ts'
import { requireSeq } from './arguments.ts'
import { Budget, timeoutError } from './connection.ts'
import type { Connection } from './connection.ts'

export async function readHead(connection: Connection, options: RequestOptions = {}): Promise<DatabaseHead> {
  return headAt(connection, new Budget(connection, options))
}

/** The settings are what everybody may read, and little: it is the state that is asked for. */
async function headAt(connection: Connection, budget: Budget, minSeq?: Token): Promise<DatabaseHead> {
  const { core } = connection
  const options = { ...budget.next(), ...(minSeq !== undefined && { consistency: { minSeq } }) }
  const { seq, historyId } = await core.read({ type: 'settings' }, options)
  return { visibleSeq: seq, durableSeq: core.durability?.durableSeq ?? seq, token: formatToken(historyId, seq) }
}

/** Waits until an entry is there and synced; what is acknowledged by a cluster is that. */
export async function waitForDurable(
  connection: Connection,
  point: Token | number,
  options: RequestOptions = {},
): Promise<DatabaseHead> {
  if (typeof point === 'number') requireSeq('seq', point)
  else parseToken(point)
  const budget = new Budget(connection, options)
  const seq = typeof point === 'number' ? point : parseToken(point).seq
  let head = await headAt(connection, budget, typeof point === 'number' ? undefined : point)
  if (head.visibleSeq < seq) {
    head = await headAt(connection, budget, formatToken(parseToken(head.token).historyId, seq))
  }
  const { durability } = connection.core
  if (durability === undefined || durability.durableSeq >= seq) return head
  await inTime(durability.untilDurable(seq), connection, budget, options.signal)
  return { ...head, durableSeq: durability.durableSeq }
}

/** The work goes on where its caller stops waiting. @throws QuorateError `timeout`, `aborted` */
async function inTime(
  work: Promise<void>,
  { core }: Connection,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ended = new AbortController()
  const stop = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal])
  const { remainingMs } = budget
  const isBounded = remainingMs !== Infinity || signal !== undefined
  if (!isBounded) return work
  const late = core.time.delay(Math.min(Math.max(0, remainingMs), DELAY_MS_MAX), stop).then(
    () => {
      throw timeoutError()
    },
    (cause: unknown) => {
      if (signal?.aborted === true) throw new QuorateError('aborted', 'the caller stopped waiting', { cause })
    },
  )
  try {
    await Promise.race([work, late])
  } finally {
    ended.abort()
  }
}

const DELAY_MS_MAX = 2 ** 31 - 1
