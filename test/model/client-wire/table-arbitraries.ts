import * as fc from 'fast-check'
import { COLUMN_TYPES, integerRange, narrow } from '../../../src/encoding/index.ts'
import type { ColumnType, ReadSet, Row, Value } from '../../../src/encoding/index.ts'
import { AGGREGATE_FUNCTIONS, JOIN_TYPES, QUERY_PATHS, QUERY_STAGES } from '../../../src/model/index.ts'
import type {
  RowChangeData,
  WatchedRows,
  QueryData,
  QueryPlan,
  QueryStage,
  StageRun,
  QueryResult,
  ReadRequest,
  ReadResult,
  RowEntryData,
  TableDescription,
} from '../../../src/model/index.ts'
import { throughJson } from '../../encoding/arbitraries.ts'
import {
  definition,
  expr,
  name,
  row,
  rowPoint,
  rowRange,
  scalar,
  some,
  value,
} from '../../encoding/table-arbitraries.ts'

/** Reads of tables and their results, in the form that decoders give; integers beyond 2^53 only where a type tells them. */

const just = fc.constant
const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const column = fc.oneof(name, just('alias.column'))
const comparison = fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte')
const u32 = fc.nat({ max: 0xffffffff })
const count = fc.maxSafeNat()

const join = some<NonNullable<QueryData['joins']>[number]>(
  { type: fc.constantFrom(...JOIN_TYPES), table: name },
  {
    as: name,
    on: fc.oneof(fc.array(some({ left: column, right: column }, { op: comparison }), { maxLength: 3 }), expr),
  },
)

export const query: fc.Arbitrary<QueryData> = some<QueryData>(
  { project: name, from: fc.oneof(name, just('_global.table')) },
  {
    scope: name,
    as: name,
    joins: fc.array(join, { maxLength: 2 }),
    where: expr,
    select: fc.array(fc.oneof(column, some({ column, as: name }), some({ compute: scalar, as: name })), {
      maxLength: 4,
    }),
    distinct: just(true),
    groupBy: fc.array(column, { maxLength: 3 }),
    aggregates: fc.array(some({ function: fc.constantFrom(...AGGREGATE_FUNCTIONS) }, { column, as: name }), {
      maxLength: 3,
    }),
    having: expr,
    orderBy: fc.array(some({ column }, { direction: fc.constantFrom('asc', 'desc') }), {
      maxLength: 3,
    }),
    limit: u32,
    offset: u32,
    cursor: text,
    allowFullScan: just(true),
    useIndex: name,
  },
).map(throughJson)

const isTrue = just(true)
export const tableRequest: fc.Arbitrary<ReadRequest> = fc.oneof(
  some<ReadRequest>({ type: just('query'), query }, { readSet: isTrue, diagnostics: isTrue }),
  some<ReadRequest>({ type: just('explain'), query }),
  some<ReadRequest>(
    {
      type: just('rows'),
      project: name,
      scope: name,
      table: name,
      keys: fc.array(row.map(throughJson), { maxLength: 4 }),
    },
    { readSet: isTrue },
  ),
  some<ReadRequest>({ type: just('tables'), project: name, scope: name }, { table: name }),
)

function cellOf(type: ColumnType): fc.Arbitrary<Value> {
  const range = integerRange(type)
  if (range !== undefined) {
    const integers = fc.oneof(fc.constantFrom(0n, 1n, range.min, range.max), fc.bigInt(range))
    return type === 'u256' || type === 'i256' ? integers : integers.map(narrow)
  }
  if (type === 'boolean') return fc.boolean()
  if (type === 'blob') return fc.uint8Array({ maxLength: 9 }).map(bytes => Uint8Array.from(bytes))
  if (type === 'float') {
    return fc.double({ noNaN: true, noDefaultInfinity: true }).map(number => (number === 0 ? 0 : number))
  }
  return fc.oneof(text, just('12345678901234567890'))
}

const types = fc.array(fc.constantFrom(...COLUMN_TYPES), { minLength: 1, maxLength: 5 })

function cells(types: readonly ColumnType[]): fc.Arbitrary<Value[]> {
  return fc.tuple(...types.map(type => fc.option(cellOf(type), { freq: 5 })))
}

const readSet: fc.Arbitrary<ReadSet> = some<ReadSet>({
  points: fc.array(rowPoint, { maxLength: 3 }),
  ranges: fc.array(rowRange, { maxLength: 3 }),
})

const result: fc.Arbitrary<QueryResult> = fc.oneof(
  types.chain(types =>
    some<QueryResult>(
      {
        columns: fc.array(column, { minLength: types.length, maxLength: types.length }),
        types: just(types),
        rows: fc.array(cells(types), { maxLength: 4 }),
        examined: count,
        seq: count,
      },
      { cursor: text },
    ),
  ),
  some<QueryResult>({
    columns: fc.tuple(column),
    rows: fc.array(fc.tuple(value).map(throughJson), { maxLength: 4 }),
    examined: count,
    seq: count,
  }),
)

const entryOf = (types: readonly ColumnType[]): fc.Arbitrary<RowEntryData> =>
  some<RowEntryData>({
    cells: cells(types),
    seq: count,
    createdSeq: count,
    expiresAtMicros: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
  })

const description = some<TableDescription>(
  {
    name,
    id: count,
    owner: text,
    definition: definition.map(throughJson),
    indexes: fc.array(some<TableDescription['indexes'][number]>({ name, isReady: fc.boolean() }), { maxLength: 2 }),
    failures: fc.array(some<TableDescription['failures'][number]>({ name, message: text, seq: count }), {
      maxLength: 2,
    }),
  },
  { readPolicy: expr.map(throughJson), rows: count },
)

const stage = some<QueryStage>(
  { kind: fc.constantFrom(...QUERY_STAGES), text },
  { estimatedRows: count, maxRows: count },
)
const plan = some<QueryPlan>({
  path: fc.constantFrom(...QUERY_PATHS),
  indexes: fc.array(name, { maxLength: 2 }),
  stages: fc.array(stage, { maxLength: 3 }),
  isOrderedByScan: fc.boolean(),
  isBounded: fc.boolean(),
  seq: count,
  bounds: some<QueryPlan['bounds']>({ pageRows: count, pageBytes: count, heldBytes: count }, { scanRows: count }),
})
const diagnostics = fc
  .tuple(plan, fc.array(some<StageRun>({ read: count, rows: count, heldBytes: count }), { minLength: 3, maxLength: 3 }))
  .map(([made, runs]) => ({ plan: made, stages: runs.slice(0, made.stages.length), pageBytes: 7 }))

export const tableResult: fc.Arbitrary<ReadResult> = fc.oneof(
  some<ReadResult>({ type: just('query'), result }, { readSet, diagnostics }),
  some<ReadResult>({ type: just('explain'), plan }),
  types.chain(types =>
    some<ReadResult>(
      {
        type: just('rows'),
        columns: fc.array(column, { minLength: types.length, maxLength: types.length }),
        types: just(types),
        rows: fc.array(fc.option(entryOf(types), { nil: undefined }), { maxLength: 4 }),
      },
      { readSet },
    ),
  ),
  some<ReadResult>({ type: just('tables'), tables: fc.array(description, { maxLength: 2 }) }),
)

/** The cells of a key by name. */
export const keyRow: fc.Arbitrary<Row> = row.map(throughJson)

export const watchedRows: fc.Arbitrary<WatchedRows> = types.chain(types => {
  const columns = types.map((_, i) => `c${i}`)
  return fc.integer({ min: 1, max: types.length }).chain(keys => {
    const keyColumns = columns.slice(0, keys).toReversed()
    const keyTypes = types.slice(0, keys).toReversed()
    const change = fc.oneof(
      cells(types).map((cells): RowChangeData => ({ kind: 'put', cells })),
      fc
        .tuple(fc.constantFrom('delete' as const, 'expire' as const), cells(keyTypes))
        .map(([kind, cells]): RowChangeData => ({ kind, cells })),
    )
    return fc.array(change, { maxLength: 4 }).map(changes => ({ columns, types, keyColumns, changes }))
  })
})
