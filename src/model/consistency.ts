import { QuorateError } from './errors.ts'

/** A point in a history, `history:seq`; `history` has 32 hexadecimal digits. Every reply carries one. */
export type Token = string

/**
 * How fresh a read must be. `linearizable` (default): at least every write acknowledged before the read began, on any node.
 * `lease`: the same by the leader's lease, where the cluster allows it. `{maxStaleMs}`: at most that old. `{minSeq}`: at least that
 * write (read your writes on any node). `{atSeq}`: exactly the state after it. `checkpoint`: the newest checkpoint. `local`: whatever
 * this node has applied.
 */
export type Consistency =
  | 'linearizable'
  | 'lease'
  | { maxStaleMs: number }
  | { minSeq: Token }
  | { atSeq: Token }
  | 'checkpoint'
  | 'local'

/**
 * How a commit is written. `standard` (default): as durable as the database's durability says. `economic`: synced before it is applied,
 * seen and answered, whatever the durability; in a cluster every commit is that.
 */
export type WriteClass = 'standard' | 'economic'

/**
 * What a commit's answer waits for. `visible` (default): that it is applied, as durable as its write class says. `durable`: also that it
 * is synced; others may see it before. In a cluster every answer is that.
 */
export type Finality = 'visible' | 'durable'

export interface RequestOptions {
  signal?: AbortSignal
  /** Time budget of the whole call with all its retries, in ms. */
  timeoutMs?: number
  consistency?: Consistency
  /** Makes a write apply once across sessions and processes. */
  idempotencyKey?: string
  /** Of a write; makes a difference where an embedded engine has durability `batch` or `os`. */
  writeClass?: WriteClass
  /** Of a write; makes a difference where an embedded engine has durability `batch` or `os`. */
  finality?: Finality
}

export function formatToken(historyId: string, seq: number): Token {
  return `${historyId}:${seq}`
}

/** @throws QuorateError `invalid_argument` */
export function parseToken(token: Token): { historyId: string; seq: number } {
  const match = /^([0-9a-f]{32}):(\d{1,16})$/.exec(token)
  const seq = Number(match?.[2])
  if (match === null || !Number.isSafeInteger(seq)) {
    throw new QuorateError('invalid_argument', `not a token: ${JSON.stringify(token).slice(0, 80)}`)
  }
  return { historyId: match[1]!, seq }
}

/** The seq of `token` in history `historyId`. @throws QuorateError `history_changed` if it belongs to another history. */
export function seqOfToken(token: Token, historyId: string): number {
  const parsed = parseToken(token)
  if (parsed.historyId !== historyId) {
    throw new QuorateError('history_changed', `token ${token} belongs to another history than ${historyId}`)
  }
  return parsed.seq
}
