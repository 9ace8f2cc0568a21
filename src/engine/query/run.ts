import { QUERY_LIMITS, QuorateError } from '../../model/index.ts'
import type { QueryDiagnostics, QueryResult } from '../../model/index.ts'
import type { Value } from '../../encoding/index.ts'
import { equalBytes } from '../../encoding/index.ts'
import { decodeCursor, encodeCursor, fingerprintOf, invalidCursor } from './cursor.ts'
import type { QueryContext } from './names.ts'
import { chosenPath, diagnose } from './explain.ts'
import { QueryMeters } from './meters.ts'
import { PAGE_BYTES_MAX } from './page-bounds.ts'
import { PageWithMore } from './page-with-more.ts'
import { openPlan } from './plan.ts'
import type { Plan } from './plan.ts'
import type { ReadCapture } from './read-capture.ts'
import type { Mark, Stage } from './stages.ts'
import { END, PAUSE, sizeOfRow, Work } from './work.ts'

/** A place that takes more is told by counting. */
const MARK_BYTES_MAX = 4_096

/** A query under way. */
export class QueryRun {
  readonly #plan: Plan
  readonly #context: QueryContext
  readonly #work: Work
  readonly #meters: QueryMeters | undefined
  readonly #stage: Stage
  readonly #rows: Value[][] = []
  readonly #limit: number
  /** Rows that lie before the page: of the offset, or of earlier pages. */
  readonly #skip: number
  #skipped = 0
  #bytes = 0
  #mark: Mark | undefined

  /** `isMetered`: what its stages do is counted, for `diagnostics`. @throws QuorateError `invalid_cursor`, `scan_bound_exceeded` */
  constructor(plan: Plan, context: QueryContext, capture: ReadCapture | undefined, isMetered: boolean = false) {
    const { query } = plan
    const { scanRowsMax } = context.limits
    this.#plan = plan
    this.#context = context
    this.#work = new Work(context.reader, context.timeMicros, context.limits, query.allowFullScan === true, capture)
    this.#limit = Math.min(query.limit ?? QUERY_LIMITS.defaultPageRows, scanRowsMax)
    const { offset = 0 } = query
    if (offset + this.#limit > scanRowsMax && query.offset !== undefined) {
      throw new QuorateError('scan_bound_exceeded', `offset and limit together are at most ${scanRowsMax}`)
    }
    const behind = query.cursor === undefined ? undefined : this.#resume(query.cursor)
    this.#skip = behind?.kind === 'count' || behind?.kind === 'joined' ? behind.rows : offset
    this.#meters = isMetered ? new QueryMeters(this.#work) : undefined
    this.#stage = openPlan(plan, this.#work, this.#skip + this.#limit + 1, behind, this.#meters)
  }

  /** Pulls for one step. The result, or undefined if another step is needed. Throws `ColdPages`: nothing is lost by it. */
  step(): QueryResult | undefined {
    this.#work.beginStep()
    for (;;) {
      const isFull = this.#rows.length > 0 && (this.#rows.length >= this.#limit || this.#bytes >= PAGE_BYTES_MAX)
      // A reader that has to find the same again must not be made to find more than it was given.
      if (isFull && this.#work.capture !== undefined) return this.#result(true)
      const pulled = this.#stage.pull()
      if (pulled === PAUSE) return undefined
      if (pulled === END) return this.#result(false)
      if (isFull) return this.#result(true)
      this.#take()
    }
  }

  #take(): void {
    if (this.#skipped < this.#skip) {
      this.#skipped++
      return
    }
    const row = this.#stage.row()
    this.#rows.push(row)
    this.#bytes += sizeOfRow(row)
    if (this.#rows.length >= this.#limit || this.#bytes >= PAGE_BYTES_MAX) this.#mark = this.#stage.mark()
  }

  #result(hasMore: boolean): QueryResult {
    const { names: columns, types } = this.#plan.outputs
    const examined = this.#examined
    const { seq } = this.#context
    const result = { columns, types, rows: this.#rows, examined, seq }
    return hasMore ? new PageWithMore(result, () => this.#cursor()) : result
  }

  /** What the stages of a metered run did; undefined of others. */
  get diagnostics(): QueryDiagnostics | undefined {
    if (this.#meters === undefined) return undefined
    return diagnose(this.#plan, this.#context, this.#meters, { pageRows: this.#rows.length, pageBytes: this.#bytes })
  }

  /** Of what a read policy hides, not even the number is told. */
  get #examined(): number {
    const isGoverned = this.#plan.tables.some(({ policy }) => policy !== undefined)
    return isGoverned ? this.#rows.length : this.#work.examined
  }

  #cursor(): string {
    const { seq, signCursor } = this.#context
    let mark = this.#mark
    if (mark?.kind === 'sort' && sizeOfRow(mark.keys) > MARK_BYTES_MAX) mark = undefined
    mark ??= { kind: 'count', rows: this.#skip + this.#rows.length }
    return encodeCursor({ seq, fingerprint: this.#fingerprint(), mark }, signCursor)
  }

  #resume(text: string): Mark {
    const { seq, signCursor } = this.#context
    const parts = decodeCursor(text, signCursor)
    if (!equalBytes(parts.fingerprint, this.#fingerprint())) throw invalidCursor('the cursor belongs to another query')
    if (parts.seq !== seq) throw invalidCursor(`the cursor belongs to seq ${parts.seq}, and this is ${seq}`)
    return parts.mark
  }

  /** Everything that decides which row follows which. */
  #fingerprint(): Uint8Array {
    const { query, tables } = this.#plan
    const { path, indexes } = chosenPath(this.#plan)
    const asked = { ...query, limit: undefined, offset: undefined, cursor: undefined }
    const ids = tables.map(({ table }) => table.id)
    return fingerprintOf({ asked, caller: this.#context.caller, ids, path, indexes })
  }
}

/** Runs to the end on this thread. The reader must not throw `ColdPages`. */
export function runToEnd(run: QueryRun): QueryResult {
  for (;;) {
    const result = run.step()
    if (result !== undefined) return result
  }
}
