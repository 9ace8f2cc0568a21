import { compareBytes, isKvMutation, rangeDigest } from '../../src/encoding/index.ts'
import type { KeyTarget, Mutation, RangeRead, TransactionEnvelope } from '../../src/encoding/index.ts'
import type { KvEntry } from '../../src/model/index.ts'
import { compute, writtenKey } from './number-oracle.ts'

interface Row {
  value: Uint8Array
  seq: number
  createdSeq: number
  expiresAtMicros: number | undefined
}

type Result = bigint | undefined
const MAX = (1n << 64n) - 1n
const text = (key: Uint8Array): string => Buffer.from(key).toString('hex')

/** What the key-value layer must do, said in the plainest way: a map per scope, copied for each transaction. */
export class Model {
  #scopes = new Map<string, Map<string, Row>>()
  #timeMicros = 0
  readonly #idempotent = new Map<string, { envelope: string; outcome: unknown; atMicros: number }>()
  readonly firstSeq: number

  constructor(firstSeq: number) {
    this.firstSeq = firstSeq
  }

  pass(timeMicros: number): void {
    this.#timeMicros = timeMicros
  }

  version(scope: string, key: string): number {
    return this.#live(this.#scopes, scope, text(Buffer.from(key)))?.seq ?? 0
  }

  scan(
    scope: string,
    start: Uint8Array,
    end: Uint8Array,
    reverse: boolean,
    limit: number,
  ): { key: Uint8Array; seq: number }[] {
    const inRange = this.entries(scope).filter(({ key }) => compareBytes(key, start) >= 0 && compareBytes(key, end) < 0)
    if (reverse) inRange.reverse()
    return limit === 0 ? inRange : inRange.slice(0, limit)
  }

  entries(scope: string): KvEntry[] {
    const rows = [...(this.#scopes.get(scope) ?? [])]
    return rows
      .filter(([key]) => this.#live(this.#scopes, scope, key) !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, row]) => ({ key: Uint8Array.from(Buffer.from(key, 'hex')), ...row }))
  }

  /** The outcome, a refusal without its message. */
  apply(seq: number, timeMicros: number, envelope: TransactionEnvelope): unknown {
    this.#timeMicros = timeMicros
    const form = JSON.stringify(envelope, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    const known = envelope.idempotencyKey === undefined ? undefined : this.#idempotent.get(envelope.idempotencyKey)
    if (known !== undefined && known.atMicros + 300_000_000 > timeMicros) {
      return known.envelope === form ? known.outcome : { status: 'refused', seq, code: 'idempotency_mismatch' }
    }
    const scopes = new Map([...this.#scopes].map(([name, rows]) => [name, new Map(rows)]))
    const refusal = this.#preconditions(envelope)
    const results: Result[] = []
    if (refusal !== undefined) return { status: 'refused', seq, code: refusal }
    for (const mutation of envelope.mutations) {
      const result = this.#mutate(scopes, seq, mutation)
      if (typeof result === 'string') return { status: 'refused', seq, code: result }
      results.push(result)
    }
    this.#scopes = scopes
    const outcome = { status: 'committed', seq, results: results.some(result => result !== undefined) ? results : [] }
    if (envelope.idempotencyKey !== undefined) {
      this.#idempotent.set(envelope.idempotencyKey, { envelope: form, outcome, atMicros: timeMicros })
    }
    return outcome
  }

  #preconditions({ assertions = [], readSet = {} }: TransactionEnvelope): string | undefined {
    const versionOf = ({ scope, key }: KeyTarget): number => this.#live(this.#scopes, scope!, text(key))?.seq ?? 0
    for (const point of readSet.points ?? []) if (versionOf(point) !== point.seq) return 'conflict'
    for (const range of readSet.ranges ?? []) if (this.#digest(range) !== range.digest) return 'conflict'
    for (const assertion of assertions) {
      if (assertion.type === 'keyVersion' && versionOf(assertion) !== assertion.seq) return 'assertion_failed'
    }
    return undefined
  }

  #digest(range: RangeRead): string {
    return rangeDigest(this.scan(range.scope!, range.start!, range.end!, range.reverse === true, range.limit))
  }

  #live(scopes: Map<string, Map<string, Row>>, scope: string, key: string): Row | undefined {
    const row = scopes.get(scope)?.get(key)
    return row?.expiresAtMicros !== undefined && row.expiresAtMicros <= this.#timeMicros ? undefined : row
  }

  #mutate(scopes: Map<string, Map<string, Row>>, seq: number, mutation: Mutation): Result | string {
    if (mutation.type === 'ddl') return undefined
    if (!isKvMutation(mutation)) throw new RangeError(`the model does not know ${mutation.type}`)
    const scope = mutation.scope!
    const key = text(writtenKey(mutation))
    const rows = scopes.get(scope) ?? new Map<string, Row>()
    scopes.set(scope, rows)
    const old = this.#live(scopes, scope, key)
    const put = (value: Uint8Array, expiresAtMicros: number | undefined): void => {
      rows.set(key, { value, seq, createdSeq: old?.createdSeq ?? seq, expiresAtMicros })
    }
    if (mutation.type === 'kvSet') {
      put(mutation.value, mutation.ttlMs === undefined ? undefined : this.#timeMicros + mutation.ttlMs * 1000)
      return undefined
    }
    if (mutation.type === 'kvDelete') {
      rows.delete(key)
      return undefined
    }
    if (mutation.type !== 'kvIncrement' && mutation.type !== 'kvDecrement') {
      const computed = compute(mutation, old)
      if (typeof computed === 'string') return computed
      if (computed.value !== undefined) put(computed.value, old?.expiresAtMicros)
      return computed.result
    }
    if (old === undefined && mutation.onMissing === 'reject') return 'key_missing'
    if (old !== undefined && old.value.length !== 8) return 'not_a_number'
    const present = old === undefined ? 0n : Buffer.from(old.value).readBigUInt64BE()
    let next = mutation.type === 'kvIncrement' ? present + mutation.by : present - mutation.by
    if (next > MAX) next = MAX
    if (next < 0n && mutation.type === 'kvDecrement') {
      if (mutation.onUnderflow === 'reject') return 'underflow'
      if (mutation.onUnderflow === 'ignore') return present
      next = 0n
    }
    const value = Buffer.alloc(8)
    value.writeBigUInt64BE(next)
    put(Uint8Array.from(value), old?.expiresAtMicros)
    return next
  }
}
