import type { Value } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import { isExpired } from '../kv/index.ts'
import { isMutant } from '../mutants.ts'
import type { RecordReader } from '../record-store.ts'
import type { ReadCapture } from './read-capture.ts'

/** What pulling a row gives: there is none left, there is one, or the step is over and pulling goes on in the next. */
export const END = 0
export const ROW = 1
export const PAUSE = 2
export type Pull = typeof END | typeof ROW | typeof PAUSE

/** Records and comparisons of one step: some milliseconds, and no more than 64 pages of records that fill them well. */
export const STEP_RECORDS = 4_096

export interface WorkLimits {
  /** Records that may be looked at, and rows that may be held. */
  readonly scanRowsMax: number
  /** Bytes that may be held. */
  readonly bytesMax: number
}

/** What one run of a query reads from and what it may use. Its parts spend from it together. */
export class Work {
  readonly reader: RecordReader
  readonly timeMicros: number
  readonly capture: ReadCapture | undefined
  readonly limits: WorkLimits
  readonly isUnbounded: boolean
  examined = 0
  #left = STEP_RECORDS
  #bytes = 0

  /** `isUnbounded`: any number of records may be looked at. */
  constructor(
    reader: RecordReader,
    timeMicros: number,
    limits: WorkLimits,
    isUnbounded: boolean,
    capture: ReadCapture | undefined,
  ) {
    this.reader = reader
    this.timeMicros = timeMicros
    this.limits = limits
    this.isUnbounded = isUnbounded
    this.capture = capture
  }

  get heldBytes(): number {
    return this.#bytes
  }

  beginStep(): void {
    this.#left = STEP_RECORDS
  }

  /** Whether the step is used up: give `PAUSE` before touching the next record. */
  get isStepOver(): boolean {
    return this.#left <= 0
  }

  /** hot path (bench/query): a record is about to be looked at. @throws QuorateError `scan_bound_exceeded` */
  look(): void {
    this.#left--
    if (++this.examined > this.limits.scanRowsMax && !this.isUnbounded) throw this.#tooMany('looks at')
  }

  /** Two rows were compared, or one was moved. */
  spend(): void {
    this.#left--
  }

  /** A row is kept in memory. @throws QuorateError `scan_bound_exceeded`, `materialization_budget_exceeded` */
  hold(rows: number, bytes: number): void {
    if (rows > this.limits.scanRowsMax && !this.isUnbounded) throw this.#tooMany('holds')
    this.#bytes += bytes
    if (this.#bytes <= this.limits.bytesMax) return
    throw new QuorateError(
      'materialization_budget_exceeded',
      `the query holds more than ${this.limits.bytesMax} bytes; bound it by an index or a limit`,
    )
  }

  release(bytes: number): void {
    this.#bytes -= bytes
  }

  isGone(record: { readonly expiresAtMicros: number }): boolean {
    if (record.expiresAtMicros === 0 || isMutant('expired_rows_in_queries')) return false
    return isExpired(record, this.timeMicros)
  }

  #tooMany(what: string): QuorateError {
    return new QuorateError(
      'scan_bound_exceeded',
      `the query ${what} more than ${this.limits.scanRowsMax} rows; bound it by an index or a limit`,
    )
  }
}

/** Bytes that a value takes in memory, near enough. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return 24 + 2 * value.length
  if (value instanceof Uint8Array) return 96 + value.length
  return typeof value === 'bigint' ? 48 : 8
}

export function sizeOfRow(values: readonly Value[]): number {
  let bytes = 64
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value !== undefined) bytes += sizeOf(value)
  }
  return bytes
}
