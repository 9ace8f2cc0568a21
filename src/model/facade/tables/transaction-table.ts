import type { Row, TableDefinitionData, TableMutation, Value } from '../../../encoding/index.ts'
import type { RequestOptions } from '../../consistency.ts'
import type { CoreRead } from '../../database.ts'
import type { ReadRequest, ReadResult, RowEntryData } from '../../reads.ts'
import type { InsertOptions, TransactionTable, UpdateSet } from '../../database-table-writes.ts'
import { invalid } from '../arguments.ts'
import type { ReadSource } from '../read-source.ts'
import { updatedRow } from '../../tables/index.ts'
import type { Condition, TableShape } from '../../tables/index.ts'
import {
  deleteMutation,
  deleteWhereMutation,
  insertMutation,
  updateMutation,
  updateWhereMutation,
  upsertMutation,
} from './mutations.ts'
import type { OwnRow, TableWrites } from './own-rows.ts'
import type { TableAccess } from './table-access.ts'
import { rowsResult, TableReads } from './table-reads.ts'

type RowsResult = Extract<ReadResult, { type: 'rows' }>

/** What a run of a transaction's body offers to its tables. */
export interface TableTransaction {
  /** Notes what is read. */
  read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead>
  tableWrites(access: TableAccess): TableWrites
  writeTable(access: TableAccess, mutation: TableMutation): void
  readonly source: ReadSource
}

type Insert<S extends TableShape> = Omit<InsertOptions<S>, keyof RequestOptions>

/** A table as a transaction sees it. Writes are checked and kept; rows that they make are laid over those of the view. */
export class CoreTransactionTable<S extends TableShape> extends TableReads<S> implements TransactionTable<S> {
  readonly #transaction: TableTransaction
  readonly #access: TableAccess

  constructor(transaction: TableTransaction, access: TableAccess) {
    const own = new OwnRowReader(transaction, access)
    super(access, transaction.source, async (keys, options) => own.read(keys, options))
    this.#transaction = transaction
    this.#access = access
  }

  insert(row: S['newRow'], options?: Insert<S>): void {
    this.insertMany([row], options)
  }

  insertMany(rows: readonly S['newRow'][], options?: Insert<S>): void {
    this.#write(insertMutation(this.#access, rows, options))
  }

  upsert(row: S['newRow'], options?: { ttlMs?: number }): void {
    this.upsertMany([row], options)
  }

  upsertMany(rows: readonly S['newRow'][], options?: { ttlMs?: number }): void {
    this.#write(upsertMutation(this.#access, rows, options))
  }

  update(key: S['key'], set: UpdateSet<S>): void {
    this.#write(updateMutation(this.#access, key, set))
  }

  delete(key: S['key']): void {
    this.#write(deleteMutation(this.#access, key))
  }

  updateWhere(where: Condition<S['row']> | undefined, set: UpdateSet<S>, options?: { limit?: number }): void {
    this.#write(updateWhereMutation(this.#access, where, set, options))
  }

  deleteWhere(where: Condition<S['row']> | undefined, options?: { limit?: number }): void {
    this.#write(deleteWhereMutation(this.#access, where, options))
  }

  #write(mutation: TableMutation): void {
    this.#transaction.writeTable(this.#access, mutation)
  }
}

/** Rows by key: those of the view, with the transaction's own writes laid over them. */
class OwnRowReader {
  readonly #transaction: TableTransaction
  readonly #access: TableAccess
  #definition: TableDefinitionData | undefined

  constructor(transaction: TableTransaction, access: TableAccess) {
    this.#transaction = transaction
    this.#access = access
    this.#definition = access.definition?.data
  }

  async read(keys: readonly Row[], options: RequestOptions | undefined): Promise<RowsResult> {
    const writes = this.#transaction.tableWrites(this.#access)
    if (writes.isEmpty) return this.#readView(keys, options)
    const definition = (this.#definition ??= (
      await new TableReads(this.#access, this.#transaction.source).describe(options)
    ).definition)
    const own = keys.map(key => writes.find(definition, key))
    for (const row of own)
      if (row.state === 'unknown') throw invalid(`a row is known once it is committed: ${row.reason}`)
    const asked = keys.filter((_, i) => own[i]!.state === 'view')
    const found: RowsResult = asked.length > 0 ? await this.#readView(asked, options) : noRows(definition)
    let next = 0
    const rows = own.map(row => laidOver(row, row.state === 'view' ? found.rows[next++] : undefined, found.columns))
    return { type: 'rows', columns: found.columns, types: found.types, rows }
  }

  async #readView(keys: readonly Row[], options: RequestOptions | undefined): Promise<RowsResult> {
    return rowsResult(await this.#transaction.read({ type: 'rows', ...this.#access.target, keys }, options))
  }
}

function noRows({ columns }: TableDefinitionData): RowsResult {
  return { type: 'rows', columns: columns.map(({ name }) => name), types: columns.map(({ type }) => type), rows: [] }
}

function laidOver(own: OwnRow, found: RowEntryData | undefined, columns: readonly string[]): RowEntryData | undefined {
  if (own.state === 'written') {
    return { cells: cellsOf(own.row, columns), seq: 0, createdSeq: 0, expiresAtMicros: undefined }
  }
  if (own.state !== 'view' || found === undefined || own.updates.length === 0) {
    return own.state === 'view' ? found : undefined
  }
  let row: Row = Object.fromEntries(columns.map((name, i) => [name, found.cells[i]!]))
  for (const updates of own.updates) {
    const updated = updatedRow(row, updates)
    if (updated === undefined) throw invalid('proposed and addProposed belong to onConflict')
    row = updated
  }
  return { ...found, cells: cellsOf(row, columns), seq: 0 }
}

function cellsOf(row: Row, columns: readonly string[]): Value[] {
  return columns.map(name => (Object.hasOwn(row, name) ? row[name]! : null))
}
