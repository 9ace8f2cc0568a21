import {
  COLUMN_TYPES,
  decodeEnvelope,
  encodeEnvelope,
  MalformedBytes,
  readExpr,
  readTableDefinition,
  readValue,
  writeExpr,
  writeTableDefinition,
  writeValue,
  type ByteReader,
  type ByteWriter,
  type ColumnType,
  type ReadSet,
  type Value,
} from '../../encoding/index.ts'
import type { QueryResult } from '../query.ts'
import type { ReadResult, RowEntryData, TableDescription } from '../reads.ts'
import { readDiagnostics, writeDiagnostics } from './plan-bytes.ts'
import { readText32, writeText32 } from './query-bytes.ts'
import { readBoolean, readCount, readList } from './lists.ts'

/** Results of queries and reads of tables in binary (docs/formats/client-wire.md). */

/** Of the description of a table without anything in it. */
const TABLE_BYTES_MIN = 26
const HAS_POLICY = 1
const HIDES_ROWS = 2
const HAS_TYPES = 1
const HAS_CURSOR = 2
const HAS_READ_SET = 4
const HAS_DIAGNOSTICS = 8

type QueryAnswer = Extract<ReadResult, { type: 'query' }>
type RowsAnswer = Extract<ReadResult, { type: 'rows' }>

export function writeQueryAnswer(out: ByteWriter, { result, readSet, diagnostics }: QueryAnswer): void {
  const { columns, types, rows, cursor } = result
  out.u8(
    (types === undefined ? 0 : HAS_TYPES) |
      (cursor === undefined ? 0 : HAS_CURSOR) |
      (readSet === undefined ? 0 : HAS_READ_SET) |
      (diagnostics === undefined ? 0 : HAS_DIAGNOSTICS),
  )
  writeColumns(out, columns, types)
  out.u32(rows.length)
  for (const row of rows) writeCells(out, row, columns.length)
  if (cursor !== undefined) writeText32(out, cursor)
  out.u64(result.examined)
  out.u64(result.seq)
  if (readSet !== undefined) writeReadSet(out, readSet)
  if (diagnostics !== undefined) writeDiagnostics(out, diagnostics)
}

export function readQueryAnswer(reader: ByteReader): QueryAnswer {
  const flags = readAnswerFlags(reader, HAS_TYPES | HAS_CURSOR | HAS_READ_SET | HAS_DIAGNOSTICS)
  const columns = readColumnNames(reader)
  const types = (flags & HAS_TYPES) !== 0 && { types: readTypes(reader, columns.length) }
  // A row without columns would take no bytes: their number would be unbounded.
  const count = readCount(reader, Math.max(1, columns.length))
  const rows: Value[][] = []
  for (let i = 0; i < count; i++) rows.push(readCells(reader, columns.length))
  const cursor = (flags & HAS_CURSOR) !== 0 && { cursor: readText32(reader) }
  const result: QueryResult = { columns, ...types, rows, ...cursor, examined: reader.u64(), seq: reader.u64() }
  return {
    type: 'query',
    result,
    ...((flags & HAS_READ_SET) !== 0 && { readSet: readReadSet(reader) }),
    ...((flags & HAS_DIAGNOSTICS) !== 0 && { diagnostics: readDiagnostics(reader) }),
  }
}

function readAnswerFlags(reader: ByteReader, allowed: number): number {
  const flags = reader.u8()
  if ((flags & ~allowed) !== 0) throw new MalformedBytes('flags of a result')
  return flags
}

/** u16 names, each text16, and with types one byte for each. */
export function writeColumns(
  out: ByteWriter,
  columns: readonly string[],
  types: readonly ColumnType[] | undefined,
): void {
  if (types !== undefined && types.length !== columns.length) throw new RangeError('as many types as columns')
  if (columns.length > 0xffff) throw new RangeError('too many columns')
  out.u16(columns.length)
  for (const column of columns) out.text16(column)
  for (const type of types ?? []) out.u8(COLUMN_TYPES.indexOf(type))
}

export function readColumnNames(reader: ByteReader): string[] {
  const count = reader.u16()
  if (count * 2 > reader.remaining) throw new MalformedBytes(`${count} columns`)
  const names: string[] = []
  for (let i = 0; i < count; i++) names.push(reader.text16())
  return names
}

export function readTypes(reader: ByteReader, count: number): ColumnType[] {
  const types: ColumnType[] = []
  for (let i = 0; i < count; i++) {
    const type = COLUMN_TYPES[reader.u8()]
    if (type === undefined) throw new MalformedBytes('type of a column')
    types.push(type)
  }
  return types
}

/** hot path (bench/query) */
export function writeCells(out: ByteWriter, cells: readonly Value[], count: number): void {
  if (cells.length !== count) throw new RangeError('as many cells as columns')
  for (const cell of cells) writeValue(out, cell)
}

/** hot path (bench/query) */
export function readCells(reader: ByteReader, count: number): Value[] {
  const cells: Value[] = []
  for (let i = 0; i < count; i++) cells.push(readValue(reader))
  return cells
}

/** A read set has the form that it has in an envelope. */
export function writeReadSet(out: ByteWriter, readSet: ReadSet): void {
  out.bytes32(encodeEnvelope({ readSet, mutations: [] }))
}

export function readReadSet(reader: ByteReader): ReadSet {
  const bytes = reader.bytes32()
  const { assertions = [], mutations, readSet = { points: [], ranges: [] } } = decodeEnvelope(bytes)
  if (assertions.length > 0 || mutations.length > 0) throw new MalformedBytes('more than a read set')
  return readSet
}

export function writeRowsAnswer(out: ByteWriter, { columns, types, rows, readSet }: RowsAnswer): void {
  out.u8(readSet === undefined ? 0 : HAS_READ_SET)
  writeColumns(out, columns, types)
  out.u32(rows.length)
  for (const row of rows) {
    out.u8(row === undefined ? 0 : 1)
    if (row === undefined) continue
    out.u64(row.seq)
    out.u64(row.createdSeq)
    out.u64(row.expiresAtMicros ?? 0)
    writeCells(out, row.cells, columns.length)
  }
  if (readSet !== undefined) writeReadSet(out, readSet)
}

export function readRowsAnswer(reader: ByteReader): RowsAnswer {
  const flags = readAnswerFlags(reader, HAS_READ_SET)
  const columns = readColumnNames(reader)
  const types = readTypes(reader, columns.length)
  const count = readCount(reader, 1)
  const rows: (RowEntryData | undefined)[] = []
  for (let i = 0; i < count; i++) rows.push(readBoolean(reader) ? readRow(reader, columns.length) : undefined)
  return { type: 'rows', columns, types, rows, ...((flags & HAS_READ_SET) !== 0 && { readSet: readReadSet(reader) }) }
}

function readRow(reader: ByteReader, columns: number): RowEntryData {
  const seq = reader.u64()
  const createdSeq = reader.u64()
  const expiresAtMicros = reader.u64()
  const cells = readCells(reader, columns)
  return { cells, seq, createdSeq, expiresAtMicros: expiresAtMicros === 0 ? undefined : expiresAtMicros }
}

export function writeTables(out: ByteWriter, tables: readonly TableDescription[]): void {
  out.u32(tables.length)
  for (const table of tables) {
    out.text16(table.name)
    out.u64(table.id)
    out.text16(table.owner)
    writeTableDefinition(out, table.definition)
    out.u8((table.readPolicy === undefined ? 0 : HAS_POLICY) | (table.rows === undefined ? HIDES_ROWS : 0))
    if (table.readPolicy !== undefined) writeExpr(out, table.readPolicy)
    if (table.rows !== undefined) out.u64(table.rows)
    out.u32(table.indexes.length)
    for (const { name, isReady } of table.indexes) {
      out.text16(name)
      out.u8(isReady ? 1 : 0)
    }
    out.u32(table.failures.length)
    for (const { name, message, seq } of table.failures) {
      out.text16(name)
      out.text16(message)
      out.u64(seq)
    }
  }
}

export function readTables(reader: ByteReader): TableDescription[] {
  return readList(reader, TABLE_BYTES_MIN, readTable)
}

function readTable(reader: ByteReader): TableDescription {
  const name = reader.text16()
  const id = reader.u64()
  const owner = reader.text16()
  const definition = readTableDefinition(reader)
  const flags = readAnswerFlags(reader, HAS_POLICY | HIDES_ROWS)
  const policy = (flags & HAS_POLICY) !== 0 && { readPolicy: readExpr(reader) }
  const rows = (flags & HIDES_ROWS) === 0 && { rows: reader.u64() }
  const indexes = readList(reader, 3, r => ({ name: r.text16(), isReady: readBoolean(r) }))
  const failures = readList(reader, 12, r => ({ name: r.text16(), message: r.text16(), seq: r.u64() }))
  return { name, id, owner, definition, ...policy, ...rows, indexes, failures }
}
