import { ByteReader, MalformedBytes, readU16, readU32, readU64 } from './bytes.ts'
import type { ByteWriter } from './bytes.ts'
import { COMPARISONS } from './comparison.ts'
import type { ComparisonOperator } from './comparison.ts'
import { COLUMNS_MAX, Op } from './envelope-ops.ts'
import type { EnvelopeItem } from './envelope-ops.ts'
import { readExpr, skipExpr, writeExpr } from './expression-binary.ts'
import type { OnConflict, Row, TableAssertion, TableMutation, UpdateExpr, Updates } from './table-mutation.ts'
import { readNames, writeNames } from './table-ddl-binary.ts'
import { readTagged, readValue, skipValue, ValueTag, writeValue } from './value-bytes.ts'
import type { Value } from './values.ts'

/** Mutations and assertions of rows as items of an envelope (docs/formats/envelope.md); the table's name has been written and read. */

/** Flags of insert and upsert. */
const HAS_TTL = 1
const HAS_CONFLICT = 2
/** Flags of updateWhere and deleteWhere. */
const HAS_WHERE = 1
const HAS_LIMIT = 2
/** Flags of assertCount and assertSum, above the comparison. */
const AGGREGATE_HAS_WHERE = 8
const COMPARISON_BITS = 7

/** In the place of a cell: the row does not give the column. */
const ABSENT = 0xff

const UpdateCode = { set: 0, copy: 1, add: 2, subtract: 3, coalesce: 4, proposed: 5, addProposed: 6 } as const
const UPDATE_KINDS = ['set', 'copy', 'add', 'subtract', 'coalesce', 'proposed', 'addProposed'] as const

const TargetCode = { primaryKey: 0, index: 1, columns: 2 } as const
const ActionCode = { nothing: 0, merge: 1, update: 2 } as const

/** Where a table lies, with its name. */
interface Target {
  project: string
  scope: string
  table: string
}

export const TABLE_MUTATION_OPS: { readonly [K in TableMutation['type']]: Op } = {
  insert: Op.insert,
  upsert: Op.upsert,
  update: Op.update,
  delete: Op.delete,
  updateWhere: Op.updateWhere,
  deleteWhere: Op.deleteWhere,
}

export const TABLE_ASSERTION_OPS: { readonly [K in TableAssertion['type']]: Op } = {
  rowVersion: Op.assertRowVersion,
  rowExists: Op.assertRowExists,
  rowCompare: Op.assertRowCompare,
  count: Op.assertCount,
  sum: Op.assertSum,
}

export function tableMutationFlags(mutation: TableMutation): number {
  switch (mutation.type) {
    case 'insert':
      return (mutation.ttlMs === undefined ? 0 : HAS_TTL) | (mutation.onConflict === undefined ? 0 : HAS_CONFLICT)
    case 'upsert':
      return mutation.ttlMs === undefined ? 0 : HAS_TTL
    case 'updateWhere':
    case 'deleteWhere':
      return (mutation.where === undefined ? 0 : HAS_WHERE) | (mutation.limit === undefined ? 0 : HAS_LIMIT)
    default:
      return 0
  }
}

/** What follows the table's name. RangeError for what the format cannot hold. */
export function writeTableMutation(body: ByteWriter, mutation: TableMutation): void {
  switch (mutation.type) {
    case 'insert':
    case 'upsert':
      if (mutation.ttlMs !== undefined) body.u64(mutation.ttlMs)
      if (mutation.type === 'insert' && mutation.onConflict !== undefined) writeConflict(body, mutation.onConflict)
      return writeRows(body, mutation.rows)
    case 'update':
      writeCells(body, mutation.key)
      return writeUpdates(body, mutation.set)
    case 'delete':
      return writeCells(body, mutation.key)
    case 'updateWhere':
    case 'deleteWhere':
      if (mutation.limit !== undefined) body.u32(bounded(mutation.limit))
      if (mutation.where !== undefined) writeExpr(body, mutation.where)
      if (mutation.type === 'updateWhere') writeUpdates(body, mutation.set)
      return
    default:
      throw new RangeError(`unknown kind: ${(mutation satisfies never as TableMutation).type}`)
  }
}

function bounded(limit: number): number {
  if (!Number.isInteger(limit) || limit < 0 || limit > 0xffffffff) throw new RangeError(`limit ${limit}`)
  return limit
}

export function tableAssertionFlags(assertion: TableAssertion): number {
  switch (assertion.type) {
    case 'rowVersion':
      return 0
    case 'rowExists':
      return assertion.expected ? 1 : 0
    case 'rowCompare':
      return comparison(assertion.op)
    default:
      return comparison(assertion.op) | (assertion.where === undefined ? 0 : AGGREGATE_HAS_WHERE)
  }
}

function comparison(op: ComparisonOperator): number {
  const code = COMPARISONS.indexOf(op)
  if (code < 0) throw new RangeError(`no comparison: ${op}`)
  return code
}

/** What follows the table's name. */
export function writeTableAssertion(body: ByteWriter, assertion: TableAssertion): void {
  switch (assertion.type) {
    case 'rowVersion':
      writeCells(body, assertion.key)
      return body.u64(assertion.seq)
    case 'rowExists':
      return writeCells(body, assertion.key)
    case 'rowCompare':
      writeCells(body, assertion.key)
      body.text8(assertion.column)
      return writeValue(body, assertion.value)
    case 'count':
      if (assertion.where !== undefined) writeExpr(body, assertion.where)
      return body.u64(assertion.value)
    case 'sum':
      body.text8(assertion.column)
      if (assertion.where !== undefined) writeExpr(body, assertion.where)
      return writeValue(body, assertion.value)
    default:
      throw new RangeError(`unknown kind: ${(assertion satisfies never as TableAssertion).type}`)
  }
}

/** One row: u16 cells, each text8 column and its value. */
export function writeCells(out: ByteWriter, row: Row): void {
  const columns = Object.keys(row)
  checkColumns(columns.length)
  out.u16(columns.length)
  for (const column of columns) {
    writeColumn(out, column)
    writeValue(out, row[column]!)
  }
}

/** Many rows: u16 columns, their names once, u32 rows, and for each row a value per column or ABSENT. */
function writeRows(out: ByteWriter, rows: readonly Row[]): void {
  const columns = columnsOf(rows)
  checkColumns(columns.length)
  if (columns.length === 0 && rows.length > 1) throw new RangeError('rows without a column')
  out.u16(columns.length)
  for (const column of columns) writeColumn(out, column)
  out.u32(rows.length)
  for (const row of rows) {
    for (const column of columns) {
      const cell = Object.hasOwn(row, column) ? row[column] : undefined
      if (cell === undefined) out.u8(ABSENT)
      else writeValue(out, cell)
    }
  }
}

/** All columns that a row gives, in the order of their first use. Most lists have the same in every row. */
function columnsOf(rows: readonly Row[]): string[] {
  const columns = new Set<string>()
  for (const row of rows) for (const column in row) if (Object.hasOwn(row, column)) columns.add(column)
  return [...columns]
}

function checkColumns(count: number): void {
  if (count > COLUMNS_MAX) throw new RangeError(`a row has at most ${COLUMNS_MAX} columns`)
}

/** `__proto__` is no name: it would be lost in the objects that rows are. */
function writeColumn(out: ByteWriter, column: string): void {
  if (column === '__proto__') throw new RangeError('no column can be called __proto__')
  out.text8(column)
}

function readColumn(reader: ByteReader): string {
  const column = reader.text8()
  if (column === '__proto__') throw new MalformedBytes('a column called __proto__')
  return column
}

function writeUpdates(out: ByteWriter, updates: Updates): void {
  const entries = Object.entries(updates)
  checkColumns(entries.length)
  out.u16(entries.length)
  for (const [column, update] of entries) {
    writeColumn(out, column)
    writeUpdate(out, update)
  }
}

function writeUpdate(out: ByteWriter, update: UpdateExpr): void {
  const kind = UPDATE_KINDS.find(kind => kind in update)
  if (kind === undefined) throw new RangeError('no kind of update')
  out.u8(UpdateCode[kind])
  const operand = (update as Record<string, Value>)[kind]!
  switch (kind) {
    case 'copy':
    case 'proposed':
    case 'addProposed':
      return writeColumn(out, operand as string)
    case 'add':
    case 'subtract':
      if (typeof operand !== 'bigint' && !Number.isSafeInteger(operand)) throw new RangeError('an amount is an integer')
      return writeValue(out, operand)
    default:
      return writeValue(out, operand)
  }
}

function writeConflict(out: ByteWriter, { target, action }: OnConflict): void {
  if (target === undefined) out.u8(TargetCode.primaryKey)
  else if ('index' in target) {
    out.u8(TargetCode.index)
    out.text8(target.index)
  } else {
    out.u8(TargetCode.columns)
    writeNames(out, target.columns)
  }
  if (typeof action === 'string') return out.u8(ActionCode[action])
  out.u8(ActionCode.update)
  writeUpdates(out, action.update)
}

/**
 * Proves the form of what follows the table's name, but for what only reading shows: that texts are UTF-8, and no column comes twice.
 * Allocates nothing. @throws MalformedBytes
 */
export function checkTableItem(op: number, flags: number, bytes: Uint8Array, at: number, end: number): void {
  if (flags > FLAGS_MAX[op]!) throw new MalformedBytes('flags of an item')
  if (skipItem(op, flags, bytes, at, end) !== end) throw new MalformedBytes('bytes after an item')
}

/** By operation; the comparisons are looked at where they stand. */
const FLAGS_MAX = new Uint8Array(256)
FLAGS_MAX[Op.assertRowExists] = 1
FLAGS_MAX[Op.assertRowCompare] = COMPARISONS.length - 1
FLAGS_MAX[Op.assertCount] = FLAGS_MAX[Op.assertSum] = AGGREGATE_HAS_WHERE | (COMPARISONS.length - 1)
FLAGS_MAX[Op.insert] = HAS_TTL | HAS_CONFLICT
FLAGS_MAX[Op.upsert] = HAS_TTL
FLAGS_MAX[Op.updateWhere] = FLAGS_MAX[Op.deleteWhere] = HAS_WHERE | HAS_LIMIT
FLAGS_MAX[Op.readRowRange] = 15

function skipItem(op: number, flags: number, bytes: Uint8Array, at: number, end: number): number {
  switch (op) {
    case Op.insert:
    case Op.upsert: {
      let next = (flags & HAS_TTL) === 0 ? at : skipU64(bytes, at, end)
      if ((flags & HAS_CONFLICT) !== 0) next = skipConflict(bytes, next, end)
      return skipRows(bytes, next, end)
    }
    case Op.update:
      return skipUpdates(bytes, skipCells(bytes, at, end), end)
    case Op.delete:
    case Op.assertRowExists:
      return skipCells(bytes, at, end)
    case Op.updateWhere:
    case Op.deleteWhere: {
      let next = (flags & HAS_LIMIT) === 0 ? at : at + 4
      if ((flags & HAS_WHERE) !== 0) next = skipExpr(bytes, next, end)
      return op === Op.updateWhere ? skipUpdates(bytes, next, end) : next
    }
    case Op.assertRowVersion:
      return skipU64(bytes, skipCells(bytes, at, end), end)
    case Op.assertRowCompare:
      return skipValue(bytes, skipText8(bytes, skipCells(bytes, at, end), end), end)
    case Op.assertCount:
    case Op.assertSum: {
      if ((flags & COMPARISON_BITS) >= COMPARISONS.length) throw new MalformedBytes('comparison')
      let next = op === Op.assertSum ? skipText8(bytes, at, end) : at
      if ((flags & AGGREGATE_HAS_WHERE) !== 0) next = skipExpr(bytes, next, end)
      return op === Op.assertSum ? skipValue(bytes, next, end) : skipU64(bytes, next, end)
    }
    case Op.readRowPoint:
      return skipU64(bytes, skipBytes16(bytes, at, end), end)
    case Op.readRowRange: {
      const next = (flags & 8) === 0 ? at : skipText8(bytes, at, end)
      return skipBytes16(bytes, skipBytes16(bytes, next, end), end) + 12
    }
    default:
      throw new MalformedBytes(`item of operation ${op}`)
  }
}

function skipU64(bytes: Uint8Array, at: number, end: number): number {
  if (at + 8 > end) throw new MalformedBytes('item cut')
  readU64(bytes, at)
  return at + 8
}

function skipText8(bytes: Uint8Array, at: number, end: number): number {
  const next = at < end ? at + 1 + bytes[at]! : end + 1
  if (next > end) throw new MalformedBytes('name cut')
  return next
}

function skipBytes16(bytes: Uint8Array, at: number, end: number): number {
  const next = at + 2 <= end ? at + 2 + readU16(bytes, at) : end + 1
  if (next > end) throw new MalformedBytes('key cut')
  return next
}

/** A u16 count of at most COLUMNS_MAX. */
function countAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) throw new MalformedBytes('count cut')
  const count = readU16(bytes, at)
  if (count > COLUMNS_MAX) throw new MalformedBytes(`${count} columns`)
  return count
}

function skipCells(bytes: Uint8Array, at: number, end: number): number {
  let next = at + 2
  for (let left = countAt(bytes, at, end); left > 0; left--) {
    next = skipValue(bytes, skipText8(bytes, next, end), end)
  }
  return next
}

function skipRows(bytes: Uint8Array, at: number, end: number): number {
  const columns = countAt(bytes, at, end)
  let next = at + 2
  for (let left = columns; left > 0; left--) next = skipText8(bytes, next, end)
  if (next + 4 > end) throw new MalformedBytes('rows cut')
  const rows = readU32(bytes, next)
  next += 4
  if (columns === 0 && rows > 1) throw new MalformedBytes('rows without a column')
  if (rows * columns > end - next) throw new MalformedBytes('rows cut')
  for (let left = rows * columns; left > 0; left--) {
    next = next < end && bytes[next] === ABSENT ? next + 1 : skipValue(bytes, next, end)
  }
  return next
}

function skipUpdates(bytes: Uint8Array, at: number, end: number): number {
  let next = at + 2
  for (let left = countAt(bytes, at, end); left > 0; left--) {
    const kindAt = skipText8(bytes, next, end)
    if (kindAt >= end) throw new MalformedBytes('update cut')
    const kind = bytes[kindAt]!
    if (kind > UpdateCode.addProposed) throw new MalformedBytes(`update ${kind}`)
    if (kind === UpdateCode.add || kind === UpdateCode.subtract) checkIntegerTag(bytes, kindAt + 1, end)
    next = namesColumn(kind) ? skipText8(bytes, kindAt + 1, end) : skipValue(bytes, kindAt + 1, end)
  }
  return next
}

function namesColumn(kind: number): boolean {
  return kind === UpdateCode.copy || kind === UpdateCode.proposed || kind === UpdateCode.addProposed
}

function checkIntegerTag(bytes: Uint8Array, at: number, end: number): void {
  if (at >= end || bytes[at]! < ValueTag.small || bytes[at]! > ValueTag.unsigned256)
    throw new MalformedBytes('an amount is an integer')
}

function skipConflict(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) throw new MalformedBytes('conflict cut')
  const target = bytes[at]!
  let next = at + 1
  if (target === TargetCode.index) next = skipText8(bytes, next, end)
  else if (target === TargetCode.columns) {
    next += 2
    for (let left = countAt(bytes, at + 1, end); left > 0; left--) next = skipText8(bytes, next, end)
  } else if (target !== TargetCode.primaryKey) throw new MalformedBytes('conflict target')
  if (next >= end || bytes[next]! > ActionCode.update) throw new MalformedBytes('conflict action')
  return bytes[next] === ActionCode.update ? skipUpdates(bytes, next + 1, end) : next + 1
}

function itemReader(cursor: EnvelopeItem): ByteReader {
  return new ByteReader(cursor.bytes, cursor.restStart, cursor.bodyEnd)
}

/** The mutation of a table that the cursor stands on; `target` has the item's namespace and table. @throws MalformedBytes */
export function readTableMutation(cursor: EnvelopeItem, target: Target): TableMutation {
  const reader = itemReader(cursor)
  const { flags } = cursor
  switch (cursor.op) {
    case Op.insert:
    case Op.upsert: {
      const ttl = (flags & HAS_TTL) !== 0 && { ttlMs: reader.u64() }
      if (cursor.op === Op.upsert) return { type: 'upsert', ...target, ...ttl, rows: readRows(reader) }
      const conflict = (flags & HAS_CONFLICT) !== 0 && { onConflict: readConflict(reader) }
      return { type: 'insert', ...target, ...ttl, ...conflict, rows: readRows(reader) }
    }
    case Op.update:
      return { type: 'update', ...target, key: readCells(reader), set: readUpdates(reader) }
    case Op.delete:
      return { type: 'delete', ...target, key: readCells(reader) }
    case Op.updateWhere:
    case Op.deleteWhere: {
      const limit = (flags & HAS_LIMIT) !== 0 && { limit: reader.u32() }
      const where = (flags & HAS_WHERE) !== 0 && { where: readExpr(reader) }
      if (cursor.op === Op.deleteWhere) return { type: 'deleteWhere', ...target, ...limit, ...where }
      return { type: 'updateWhere', ...target, ...limit, ...where, set: readUpdates(reader) }
    }
    default:
      throw new MalformedBytes(`no mutation of a table: ${cursor.op}`)
  }
}

/** The assertion on a table that the cursor stands on. @throws MalformedBytes */
export function readTableAssertion(cursor: EnvelopeItem, target: Target): TableAssertion {
  const reader = itemReader(cursor)
  const { flags } = cursor
  switch (cursor.op) {
    case Op.assertRowVersion:
      return { type: 'rowVersion', ...target, key: readCells(reader), seq: reader.u64() }
    case Op.assertRowExists:
      return { type: 'rowExists', ...target, key: readCells(reader), expected: flags === 1 }
    case Op.assertRowCompare: {
      const compared = { key: readCells(reader), column: readColumn(reader), op: COMPARISONS[flags]! }
      return { type: 'rowCompare', ...target, ...compared, value: readValue(reader) }
    }
    case Op.assertCount: {
      const where = (flags & AGGREGATE_HAS_WHERE) !== 0 && { where: readExpr(reader) }
      return { type: 'count', ...target, ...where, op: COMPARISONS[flags & COMPARISON_BITS]!, value: reader.u64() }
    }
    case Op.assertSum: {
      const column = readColumn(reader)
      const where = (flags & AGGREGATE_HAS_WHERE) !== 0 && { where: readExpr(reader) }
      const op = COMPARISONS[flags & COMPARISON_BITS]!
      return { type: 'sum', ...target, column, ...where, op, value: readValue(reader) }
    }
    default:
      throw new MalformedBytes(`no assertion on a table: ${cursor.op}`)
  }
}

/** @throws MalformedBytes */
export function readCells(reader: ByteReader): Row {
  const row: Record<string, Value> = {}
  for (let left = readCount(reader); left > 0; left--) {
    const column = readColumn(reader)
    if (Object.hasOwn(row, column)) throw new MalformedBytes(`column ${column} twice`)
    row[column] = readValue(reader)
  }
  return row
}

function readCount(reader: ByteReader): number {
  const count = reader.u16()
  if (count > COLUMNS_MAX) throw new MalformedBytes(`${count} columns`)
  return count
}

/** hot path (bench/apply) */
function readRows(reader: ByteReader): Row[] {
  const columns: string[] = []
  for (let left = readCount(reader); left > 0; left--) columns.push(readColumn(reader))
  if (new Set(columns).size !== columns.length) throw new MalformedBytes('a column twice')
  const count = reader.u32()
  if (columns.length === 0 ? count > 1 : count * columns.length > reader.remaining) throw new MalformedBytes('rows cut')
  const rows: Row[] = []
  for (let i = 0; i < count; i++) {
    const row: Record<string, Value> = {}
    for (const column of columns) {
      const tag = reader.u8()
      if (tag !== ABSENT) row[column] = readTagged(reader, tag)
    }
    rows.push(row)
  }
  return rows
}

function readUpdates(reader: ByteReader): Updates {
  const updates: Record<string, UpdateExpr> = {}
  for (let left = readCount(reader); left > 0; left--) {
    const column = readColumn(reader)
    if (Object.hasOwn(updates, column)) throw new MalformedBytes(`column ${column} twice`)
    updates[column] = readUpdate(reader)
  }
  return updates
}

function readUpdate(reader: ByteReader): UpdateExpr {
  const kind = reader.u8()
  switch (kind) {
    case UpdateCode.set:
      return { set: readValue(reader) }
    case UpdateCode.copy:
      return { copy: readColumn(reader) }
    case UpdateCode.add:
      return { add: readAmount(reader) }
    case UpdateCode.subtract:
      return { subtract: readAmount(reader) }
    case UpdateCode.coalesce:
      return { coalesce: readValue(reader) }
    case UpdateCode.proposed:
      return { proposed: readColumn(reader) }
    case UpdateCode.addProposed:
      return { addProposed: readColumn(reader) }
    default:
      throw new MalformedBytes(`update ${kind}`)
  }
}

function readAmount(reader: ByteReader): number | bigint {
  const amount = readValue(reader)
  if (typeof amount === 'bigint' || (typeof amount === 'number' && Number.isSafeInteger(amount))) return amount
  throw new MalformedBytes('an amount is an integer')
}

function readConflict(reader: ByteReader): OnConflict {
  const target = readConflictTarget(reader)
  const code = reader.u8()
  if (code > ActionCode.update) throw new MalformedBytes('conflict action')
  const action =
    code === ActionCode.update ? { update: readUpdates(reader) } : code === ActionCode.merge ? 'merge' : 'nothing'
  return { ...(target !== undefined && { target }), action }
}

function readConflictTarget(reader: ByteReader): OnConflict['target'] {
  const kind = reader.u8()
  if (kind === TargetCode.primaryKey) return undefined
  if (kind === TargetCode.index) return { index: reader.text8() }
  if (kind === TargetCode.columns) return { columns: readNames(reader) }
  throw new MalformedBytes('conflict target')
}
