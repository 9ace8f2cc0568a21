import type { Row } from '../../../encoding/index.ts'
import type { RequestOptions } from '../../consistency.ts'
import type { CoreRead } from '../../database.ts'
import { QuorateError } from '../../errors.ts'
import type { QueryData } from '../../query.ts'
import type { ReadResult, RowEntryData, TableDescription } from '../../reads.ts'
import type { Query, RowEntry, TableReader, TableScanOptions } from '../../database-tables.ts'
import { invalid } from '../arguments.ts'
import type { ReadSource } from '../read-source.ts'
import { and, from } from '../../tables/index.ts'
import type { BuiltQuery, Condition, QueryBuilder, TableShape } from '../../tables/index.ts'
import { CoreQuery, unfit } from './core-query.ts'
import type { TableAccess } from './table-access.ts'

type RowsResult = Extract<ReadResult, { type: 'rows' }>

export function rowsResult(read: CoreRead): RowsResult {
  if (read.result.type !== 'rows') throw unfit('rows', read.result.type)
  return read.result
}

/** The reads of a table, from any source. Errors of arguments reject, like those of the core. */
export class TableReads<S extends TableShape> implements TableReader<S> {
  readonly #access: TableAccess
  readonly #source: ReadSource
  /** Reads rows by key; a transaction lays its own writes over them. */
  readonly #readRows: (keys: readonly Row[], options: RequestOptions | undefined) => Promise<RowsResult>

  constructor(
    access: TableAccess,
    source: ReadSource,
    readRows?: (keys: readonly Row[], options: RequestOptions | undefined) => Promise<RowsResult>,
  ) {
    this.#access = access
    this.#source = source
    this.#readRows =
      readRows ??
      (async (keys, options) => rowsResult(await source.read({ type: 'rows', ...access.target, keys }, options)))
  }

  async get(key: S['key'], options?: RequestOptions): Promise<S['row'] | undefined> {
    const [row] = await this.#get([key], options)
    return row
  }

  async getMany(keys: readonly S['key'][], options?: RequestOptions): Promise<(S['row'] | undefined)[]> {
    return keys.length === 0 ? [] : this.#get(keys, options)
  }

  async #get(keys: readonly S['key'][], options: RequestOptions | undefined): Promise<(S['row'] | undefined)[]> {
    const { columns, rows } = await this.#rows(keys, options)
    return rows.map(entry => (entry === undefined ? undefined : this.#access.decodeRow(columns, entry.cells)))
  }

  async entry(key: S['key'], options?: RequestOptions): Promise<RowEntry<S['row']> | undefined> {
    const { columns, rows } = await this.#rows([key], options)
    const entry: RowEntryData | undefined = rows[0]
    if (entry === undefined) return undefined
    const { cells, seq, createdSeq, expiresAtMicros } = entry
    return { row: this.#access.decodeRow(columns, cells), seq, createdSeq, expiresAtMicros }
  }

  async #rows(keys: readonly S['key'][], options: RequestOptions | undefined): Promise<RowsResult> {
    const encoded = keys.map(key => this.#access.encodeKey(key))
    const result = await this.#readRows(encoded, options)
    if (result.rows.length !== keys.length) throw new QuorateError('internal', 'not as many rows as keys')
    return result
  }

  async *scan(options: TableScanOptions<S> = {}): AsyncGenerator<S['row'], void, undefined> {
    const { prefix, reverse = false, limit } = options
    const { project, scope, table } = this.#access.target
    const keyColumns = this.#access.keyColumns ?? (await this.describe(options)).definition.primaryKey
    const where = this.#prefixCondition(keyColumns, prefix)
    const query: QueryData = {
      project,
      scope,
      from: table,
      ...where,
      orderBy: keyColumns.map(column => (reverse ? { column, direction: 'desc' as const } : { column })),
      ...(limit !== undefined && { limit: requireLimit(limit) }),
      allowFullScan: true,
    }
    if (limit === 0) return
    yield* this.#run<S['row']>(query).rows(options)
  }

  #prefixCondition(keyColumns: readonly string[], prefix: object | undefined): Pick<QueryData, 'where'> {
    const cells = Object.entries(prefix ?? {}).filter(([, cell]) => cell !== undefined)
    if (cells.length === 0) return {}
    const given = new Map(cells)
    const leading = keyColumns.slice(0, given.size)
    if (!leading.every(column => given.has(column))) {
      throw invalid(`a prefix gives the first columns of the key: ${keyColumns.join(', ')}`)
    }
    const values = Object.entries(this.#access.encodeRow(Object.fromEntries(cells)))
    return { where: and(...values.map(([column, value]) => ({ op: 'eq' as const, column, value }))) }
  }

  /** A query whose rows are those of the table. */
  #run<R>(data: QueryData): CoreQuery<R> {
    const { lookup } = this.#access
    const query: BuiltQuery<R> = { data, outputCodec: name => lookup.codec(name) }
    return new CoreQuery(this.#source, query)
  }

  async count(where?: Condition<S['row']>, options?: RequestOptions): Promise<number> {
    const { project, scope, table } = this.#access.target
    const row = await this.#run<{ count: number | bigint }>({
      project,
      scope,
      from: table,
      ...(where !== undefined && { where: this.#access.condition(where) }),
      aggregates: [{ function: 'count', as: 'count' }],
      allowFullScan: true,
    }).first(options)
    return Number(row?.count ?? 0)
  }

  query(): Query<S['row']>
  query<Columns, R>(build: (query: QueryBuilder<S['row'], S['row']>) => QueryBuilder<Columns, R>): Query<R>
  query(
    build: (query: QueryBuilder<S['row'], S['row']>) => QueryBuilder<unknown, unknown> = query => query,
  ): Query<unknown> {
    const builder = from(this.#access.source) as unknown as QueryBuilder<S['row'], S['row']>
    return new CoreQuery<unknown>(this.#source, build(builder))
  }

  async describe(options?: RequestOptions): Promise<TableDescription> {
    const { project, scope, table } = this.#access.target
    const { signal, timeoutMs, consistency } = options ?? {}
    const { result } = await this.#source.read(
      { type: 'tables', project, scope, table },
      {
        ...(signal !== undefined && { signal }),
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(consistency !== undefined && { consistency }),
      },
    )
    if (result.type !== 'tables') throw unfit('tables', result.type)
    const description = result.tables.find(({ name }) => name === table)
    if (description === undefined) throw new QuorateError('table_not_found', `there is no table ${table}`)
    return description
  }
}

function requireLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return limit
  throw invalid(`limit is a whole number from 0, not ${String(limit)}`)
}
