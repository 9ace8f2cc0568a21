import type { Value } from '../../../encoding/index.ts'
import { formatToken, type RequestOptions } from '../../consistency.ts'
import type { CoreRead } from '../../database.ts'
import { QuorateError } from '../../errors.ts'
import type { QueryDiagnostics, QueryPlan } from '../../query-plan.ts'
import type { QueryData, QueryResult } from '../../query.ts'
import type { DiagnosedPage, Query, QueryPage } from '../../database-tables.ts'
import { checkedQuery } from '../../query-data.ts'
import { invalid } from '../arguments.ts'
import { checked } from '../connection.ts'
import type { ReadSource } from '../read-source.ts'
import { isBuiltQuery, rawCell } from '../../tables/index.ts'
import type { BuiltQuery, CellCodec } from '../../tables/index.ts'
import { decodeCell } from './table-access.ts'

/** A query and where it is read. */
export class CoreQuery<R> implements Query<R> {
  readonly #source: ReadSource
  readonly #data: QueryData
  readonly #codec: (column: string) => CellCodec<unknown>

  constructor(source: ReadSource, query: BuiltQuery<R> | QueryData) {
    if (typeof query !== 'object' || query === null) throw invalid('a query is a builder or data')
    this.#source = source
    this.#data = isBuiltQuery(query) ? query.data : checked(checkedQuery, query)
    this.#codec = isBuiltQuery(query) ? name => query.outputCodec(name) : () => rawCell
  }

  /** Hot path (bench/query): a query of one page costs no iteration. */
  async all(options?: RequestOptions): Promise<R[]> {
    const first = await this.#read(this.#data, options)
    const { result } = queryResult(first)
    const all = this.#decode(result)
    if (this.#isOver(result, all.length)) return all
    for await (const page of this.#pagesAfter(first, options)) for (const row of page) all.push(row)
    return all
  }

  async first(options?: RequestOptions): Promise<R | undefined> {
    const { limit = 1 } = this.#data
    const { result } = queryResult(await this.#read({ ...this.#data, limit: Math.min(limit, 1) }, options))
    return this.#decode(result)[0]
  }

  async page(cursor?: string, options?: RequestOptions): Promise<QueryPage<R>> {
    return this.#pageOf(await this.#read(this.#after(cursor), options))
  }

  async diagnose(cursor?: string, options?: RequestOptions): Promise<DiagnosedPage<R>> {
    const source = this.#source
    const startMs = source.monotonicMs()
    const read = await source.read({ type: 'query', query: this.#after(cursor), diagnostics: true }, options)
    const elapsedMs = source.monotonicMs() - startMs
    const { diagnostics } = queryResult(read)
    if (diagnostics === undefined) throw unfit('query with diagnostics', 'one without')
    return { ...this.#pageOf(read), diagnostics, elapsedMs }
  }

  #after(cursor: string | undefined): QueryData {
    return cursor === undefined ? this.#data : following(this.#data, cursor)
  }

  #pageOf(read: CoreRead): QueryPage<R> {
    const { result } = queryResult(read)
    return {
      rows: this.#decode(result),
      cursor: result.cursor,
      seq: read.seq,
      token: formatToken(read.historyId, read.seq),
      examined: result.examined,
    }
  }

  async explain(options?: RequestOptions): Promise<QueryPlan> {
    const { result } = await this.#source.read({ type: 'explain', query: this.#data }, options)
    if (result.type !== 'explain') throw unfit('explain', result.type)
    return result.plan
  }

  [Symbol.asyncIterator](): AsyncIterator<R> {
    return this.rows()[Symbol.asyncIterator]()
  }

  async *rows(options?: RequestOptions): AsyncGenerator<R, void, undefined> {
    const first = await this.#read(this.#data, options)
    const { result } = queryResult(first)
    yield* this.#decode(result)
    if (this.#isOver(result, result.rows.length)) return
    for await (const page of this.#pagesAfter(first, options)) yield* page
  }

  /** The cursor is looked at last: it is made when it is asked for. */
  #isOver(result: QueryResult, rows: number): boolean {
    return rows >= (this.#data.limit ?? Infinity) || result.cursor === undefined
  }

  /** The first page tells the state; what follows is read in a view of that state, so that slow readers lose nothing. */
  async *#pagesAfter(first: CoreRead, options: RequestOptions = {}): AsyncGenerator<R[], void, undefined> {
    let { result } = queryResult(first)
    let seen = result.rows.length
    const pages = await this.#source.openPages(options, formatToken(first.historyId, first.seq))
    try {
      while (!this.#isOver(result, seen)) {
        const { limit } = this.#data
        const query = {
          ...following(this.#data, result.cursor!),
          ...(limit !== undefined && { limit: limit - seen }),
        }
        result = queryResult(await pages.read({ type: 'query', query })).result
        seen += result.rows.length
        yield this.#decode(result)
      }
    } finally {
      pages.close()
    }
  }

  async #read(query: QueryData, options: RequestOptions | undefined): Promise<CoreRead> {
    return this.#source.read({ type: 'query', query }, options)
  }

  #decode({ columns, rows }: QueryResult): R[] {
    const codecs = columns.map(this.#codec)
    return rows.map(cells => rowOf(columns, cells, codecs) as R)
  }
}

/** The page after the one that gave `cursor`: an offset belongs to the first. */
function following(data: QueryData, cursor: string): QueryData {
  const { offset: _counted, ...rest } = data
  return { ...rest, cursor }
}

function rowOf(columns: readonly string[], cells: readonly Value[], codecs: readonly CellCodec<unknown>[]): object {
  const row: Record<string, unknown> = {}
  for (let i = 0; i < columns.length; i++) row[columns[i]!] = decodeCell(columns[i]!, cells[i]!, codecs[i]!)
  return row
}

export function queryResult(read: CoreRead): { result: QueryResult; diagnostics?: QueryDiagnostics } {
  if (read.result.type !== 'query') throw unfit('query', read.result.type)
  return read.result
}

export function unfit(request: string, answer: string): QuorateError {
  return new QuorateError('internal', `a read of ${request} was answered by ${answer}`)
}
