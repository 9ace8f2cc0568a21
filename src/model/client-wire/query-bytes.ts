import {
  COMPARISONS,
  MalformedBytes,
  readExpr,
  readScalar,
  readText,
  utf8Bytes,
  writeExpr,
  writeScalar,
  type ByteReader,
  type ByteWriter,
} from '../../encoding/index.ts'
import { AGGREGATE_FUNCTIONS, isPairs, JOIN_TYPES, QUERY_LIMITS } from '../query.ts'
import type { AggregateData, JoinData, JoinPair, OrderItem, QueryData, SelectItem } from '../query.ts'

/** Queries in binary (docs/formats/client-wire.md). Absent fields stay absent, and so do flags that are false. */

/** Bits of the first field, by what follows. */
const Part = {
  scope: 1 << 0,
  as: 1 << 1,
  joins: 1 << 2,
  where: 1 << 3,
  select: 1 << 4,
  distinct: 1 << 5,
  groupBy: 1 << 6,
  aggregates: 1 << 7,
  having: 1 << 8,
  orderBy: 1 << 9,
  limit: 1 << 10,
  offset: 1 << 11,
  cursor: 1 << 12,
  allowFullScan: 1 << 13,
  useIndex: 1 << 14,
} as const
type PartName = keyof typeof Part
const PARTS = Object.keys(Part) as readonly PartName[]
const PARTS_END = 1 << PARTS.length

/** RangeError for what exceeds the limits of queries. */
export function writeQuery(out: ByteWriter, query: QueryData): void {
  let parts = 0
  for (const part of PARTS) if (query[part] !== undefined && query[part] !== false) parts |= Part[part]
  out.u16(parts)
  out.text16(query.project)
  if (query.scope !== undefined) out.text16(query.scope)
  out.text16(query.from)
  if (query.as !== undefined) out.text16(query.as)
  writeItems(out, query.joins, QUERY_LIMITS.joins, writeJoin)
  if (query.where !== undefined) writeExpr(out, query.where)
  writeItems(out, query.select, QUERY_LIMITS.selectItems, writeSelect)
  writeItems(out, query.groupBy, QUERY_LIMITS.groupColumns, (o, column) => o.text16(column))
  writeItems(out, query.aggregates, QUERY_LIMITS.aggregates, writeAggregate)
  if (query.having !== undefined) writeExpr(out, query.having)
  writeItems(out, query.orderBy, QUERY_LIMITS.orderColumns, writeOrder)
  if (query.limit !== undefined) writeCount(out, query.limit)
  if (query.offset !== undefined) writeCount(out, query.offset)
  if (query.cursor !== undefined) writeText32(out, query.cursor)
  if (query.useIndex !== undefined) out.text16(query.useIndex)
}

function writeCount(out: ByteWriter, count: number): void {
  if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) throw new RangeError(`limit or offset ${count}`)
  out.u32(count)
}

function writeItems<T>(
  out: ByteWriter,
  items: readonly T[] | undefined,
  max: number,
  write: (out: ByteWriter, item: T) => void,
): void {
  if (items === undefined) return
  if (items.length > max) throw new RangeError(`at most ${max} of each part of a query`)
  out.u16(items.length)
  for (const item of items) write(out, item)
}

function readItems<T>(reader: ByteReader, max: number, read: (reader: ByteReader) => T): T[] {
  const count = reader.u16()
  if (count > max || count > reader.remaining) throw new MalformedBytes(`${count} parts of a query`)
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(read(reader))
  return items
}

/** u32 length and UTF-8: cursors hold cells. */
export function writeText32(out: ByteWriter, text: string): void {
  out.bytes32(utf8Bytes(text))
}

export function readText32(reader: ByteReader): string {
  const bytes = reader.bytes32()
  return readText(bytes, 0, bytes.length)
}

/** Codes of choices that may be absent: 0, or the place in `choices` from 1. */
function writeChoice<T>(out: ByteWriter, choices: readonly T[], choice: T | undefined): void {
  const code = choice === undefined ? 0 : choices.indexOf(choice) + 1
  if (choice !== undefined && code === 0) throw new RangeError(`no choice: ${String(choice)}`)
  out.u8(code)
}

function readChoice<T>(reader: ByteReader, choices: readonly T[]): T | undefined {
  const code = reader.u8()
  if (code > choices.length) throw new MalformedBytes(`choice ${code}`)
  return code === 0 ? undefined : choices[code - 1]
}

function readNeeded<T>(reader: ByteReader, choices: readonly T[]): T {
  const choice = readChoice(reader, choices)
  if (choice === undefined) throw new MalformedBytes('no choice')
  return choice
}

/** Which optional texts of an item follow: bit 0 the first, bit 1 the second. */
function writeFlags(out: ByteWriter, first: unknown, second: unknown): void {
  out.u8((first === undefined ? 0 : 1) | (second === undefined ? 0 : 2))
}

function readFlags(reader: ByteReader): number {
  const flags = reader.u8()
  if (flags > 3) throw new MalformedBytes('flags in a query')
  return flags
}

const JoinFlag = { as: 1, pairs: 2, condition: 4 } as const

function writeJoin(out: ByteWriter, { type, table, as, on }: JoinData): void {
  writeChoice(out, JOIN_TYPES, type)
  const onFlag = on === undefined ? 0 : isPairs(on) ? JoinFlag.pairs : JoinFlag.condition
  out.u8((as === undefined ? 0 : JoinFlag.as) | onFlag)
  out.text16(table)
  if (as !== undefined) out.text16(as)
  if (on === undefined) return
  if (isPairs(on)) writeItems(out, on, QUERY_LIMITS.joinConditions, writePair)
  else writeExpr(out, on)
}

function writePair(out: ByteWriter, { left, op, right }: JoinPair): void {
  out.text16(left)
  writeChoice(out, COMPARISONS, op)
  out.text16(right)
}

function readJoin(reader: ByteReader): JoinData {
  const type = readNeeded(reader, JOIN_TYPES)
  const flags = reader.u8()
  if (flags > (JoinFlag.as | JoinFlag.condition)) throw new MalformedBytes('flags of a join')
  return {
    type,
    table: reader.text16(),
    ...((flags & JoinFlag.as) !== 0 && { as: reader.text16() }),
    ...((flags & JoinFlag.pairs) !== 0 && { on: readItems(reader, QUERY_LIMITS.joinConditions, readPair) }),
    ...((flags & JoinFlag.condition) !== 0 && { on: readExpr(reader) }),
  }
}

function readPair(reader: ByteReader): JoinPair {
  const left = reader.text16()
  const op = readChoice(reader, COMPARISONS)
  return { left, ...(op !== undefined && { op }), right: reader.text16() }
}

const SelectCode = { column: 0, renamed: 1, computed: 2 } as const

function writeSelect(out: ByteWriter, item: SelectItem): void {
  if (typeof item === 'string') {
    out.u8(SelectCode.column)
    return out.text16(item)
  }
  if ('compute' in item) {
    out.u8(SelectCode.computed)
    writeScalar(out, item.compute)
  } else {
    out.u8(SelectCode.renamed)
    out.text16(item.column)
  }
  out.text16(item.as)
}

function readSelect(reader: ByteReader): SelectItem {
  const kind = reader.u8()
  if (kind === SelectCode.column) return reader.text16()
  if (kind === SelectCode.renamed) return { column: reader.text16(), as: reader.text16() }
  if (kind === SelectCode.computed) return { compute: readScalar(reader), as: reader.text16() }
  throw new MalformedBytes(`select ${kind}`)
}

function writeAggregate(out: ByteWriter, aggregate: AggregateData): void {
  writeChoice(out, AGGREGATE_FUNCTIONS, aggregate.function)
  writeFlags(out, aggregate.column, aggregate.as)
  if (aggregate.column !== undefined) out.text16(aggregate.column)
  if (aggregate.as !== undefined) out.text16(aggregate.as)
}

function readAggregate(reader: ByteReader): AggregateData {
  const name = readNeeded(reader, AGGREGATE_FUNCTIONS)
  const flags = readFlags(reader)
  return {
    function: name,
    ...((flags & 1) !== 0 && { column: reader.text16() }),
    ...((flags & 2) !== 0 && { as: reader.text16() }),
  }
}

const DIRECTIONS = ['asc', 'desc'] as const

function writeOrder(out: ByteWriter, item: OrderItem): void {
  out.text16(item.column)
  writeChoice(out, DIRECTIONS, item.direction)
}

function readOrder(reader: ByteReader): OrderItem {
  const column = reader.text16()
  const direction = readChoice(reader, DIRECTIONS)
  return { column, ...(direction !== undefined && { direction }) }
}

/** @throws MalformedBytes */
export function readQuery(reader: ByteReader): QueryData {
  const parts = reader.u16()
  if (parts >= PARTS_END) throw new MalformedBytes('parts of a query')
  const has = (part: PartName): boolean => (parts & Part[part]) !== 0
  return {
    project: reader.text16(),
    ...(has('scope') && { scope: reader.text16() }),
    from: reader.text16(),
    ...(has('as') && { as: reader.text16() }),
    ...(has('joins') && { joins: readItems(reader, QUERY_LIMITS.joins, readJoin) }),
    ...(has('where') && { where: readExpr(reader) }),
    ...(has('select') && { select: readItems(reader, QUERY_LIMITS.selectItems, readSelect) }),
    ...(has('distinct') && { distinct: true }),
    ...(has('groupBy') && { groupBy: readItems(reader, QUERY_LIMITS.groupColumns, r => r.text16()) }),
    ...(has('aggregates') && { aggregates: readItems(reader, QUERY_LIMITS.aggregates, readAggregate) }),
    ...(has('having') && { having: readExpr(reader) }),
    ...(has('orderBy') && { orderBy: readItems(reader, QUERY_LIMITS.orderColumns, readOrder) }),
    ...(has('limit') && { limit: reader.u32() }),
    ...(has('offset') && { offset: reader.u32() }),
    ...(has('cursor') && { cursor: readText32(reader) }),
    ...(has('allowFullScan') && { allowFullScan: true }),
    ...(has('useIndex') && { useIndex: reader.text16() }),
  }
}
