import {
  COMPARISONS,
  dataError,
  DataReader,
  JSON_DATA,
  NATIVE_DATA,
  readExprData,
  readScalarData,
  type DataForm,
} from '../encoding/index.ts'
import { AGGREGATE_FUNCTIONS, JOIN_TYPES, QUERY_LIMITS } from './query.ts'
import type { AggregateData, JoinData, JoinPair, OrderItem, QueryData, SelectItem } from './query.ts'

/** Queries as data from outside, checked field by field; unknown fields are errors. */

const U32_MAX = 0xffffffff

/** The JSON of POST /v1/query. @throws MalformedData naming the path of the first wrong field */
export function queryFromJson(value: unknown): QueryData {
  return readQueryData(value, 'query', JSON_DATA)
}

/** Checks what a caller of this language passed in. @throws MalformedData */
export function checkedQuery(value: unknown): QueryData {
  return readQueryData(value, 'query', NATIVE_DATA)
}

/** @throws MalformedData */
export function readQueryData(value: unknown, path: string, form: DataForm): QueryData {
  const reader = new DataReader(value, path, form)
  const scope = reader.optionalText('scope')
  const as = reader.optionalText('as')
  const joins = bounded(reader, 'joins', reader.optionalList('joins', readJoin), QUERY_LIMITS.joins)
  const where = reader.optionalObject('where', expr => readExprData(expr))
  const select = bounded(reader, 'select', reader.optionalItems('select', readSelect), QUERY_LIMITS.selectItems)
  const distinct = reader.optionalBoolean('distinct')
  const groupBy = bounded(reader, 'groupBy', reader.optionalTexts('groupBy'), QUERY_LIMITS.groupColumns)
  const aggregates = bounded(
    reader,
    'aggregates',
    reader.optionalList('aggregates', readAggregate),
    QUERY_LIMITS.aggregates,
  )
  const having = reader.optionalObject('having', expr => readExprData(expr))
  const orderBy = bounded(reader, 'orderBy', reader.optionalList('orderBy', readOrder), QUERY_LIMITS.orderColumns)
  const limit = reader.optionalCount('limit', U32_MAX)
  const offset = reader.optionalCount('offset', U32_MAX)
  const cursor = reader.optionalText('cursor')
  const allowFullScan = reader.optionalBoolean('allowFullScan')
  const useIndex = reader.optionalText('useIndex')
  const query: QueryData = {
    project: reader.text('project'),
    ...(scope !== undefined && { scope }),
    from: reader.text('from'),
    ...(as !== undefined && { as }),
    ...(joins !== undefined && { joins }),
    ...(where !== undefined && { where }),
    ...(select !== undefined && { select }),
    ...(distinct !== undefined && { distinct }),
    ...(groupBy !== undefined && { groupBy }),
    ...(aggregates !== undefined && { aggregates }),
    ...(having !== undefined && { having }),
    ...(orderBy !== undefined && { orderBy }),
    ...(limit !== undefined && { limit }),
    ...(offset !== undefined && { offset }),
    ...(cursor !== undefined && { cursor }),
    ...(allowFullScan !== undefined && { allowFullScan }),
    ...(useIndex !== undefined && { useIndex }),
  }
  reader.end()
  return query
}

function bounded<T>(reader: DataReader, name: string, items: T[] | undefined, max: number): T[] | undefined {
  if (items !== undefined && items.length > max) throw reader.wrong(name, `at most ${max} items`)
  return items
}

function readJoin(reader: DataReader): JoinData {
  const as = reader.optionalText('as')
  const on = reader.optional('on', readOn)
  const join: JoinData = {
    type: reader.oneOf('type', JOIN_TYPES),
    table: reader.text('table'),
    ...(as !== undefined && { as }),
    ...(on !== undefined && { on }),
  }
  reader.end()
  return join
}

/** A list of pairs, or a condition. */
function readOn(value: unknown, path: string, form: DataForm): NonNullable<JoinData['on']> {
  if (!Array.isArray(value)) return readExprData(new DataReader(value, path, form))
  if (value.length > QUERY_LIMITS.joinConditions) throw dataError(path, `at most ${QUERY_LIMITS.joinConditions} items`)
  return value.map((pair, i) => readPair(new DataReader(pair, `${path}[${i}]`, form)))
}

function readPair(reader: DataReader): JoinPair {
  const op = reader.optionalOneOf('op', COMPARISONS)
  const on = { left: reader.text('left'), ...(op !== undefined && { op }), right: reader.text('right') }
  reader.end()
  return on
}

/** A column's name, or an object. */
function readSelect(value: unknown, path: string, form: DataForm): SelectItem {
  if (typeof value === 'string') return value
  const reader = new DataReader(value, path, form)
  const item = reader.has('compute')
    ? { compute: reader.object('compute', scalar => readScalarData(scalar)), as: reader.text('as') }
    : { column: reader.text('column'), as: reader.text('as') }
  reader.end()
  return item
}

function readAggregate(reader: DataReader): AggregateData {
  const column = reader.optionalText('column')
  const as = reader.optionalText('as')
  const aggregate: AggregateData = {
    function: reader.oneOf('function', AGGREGATE_FUNCTIONS),
    ...(column !== undefined && { column }),
    ...(as !== undefined && { as }),
  }
  reader.end()
  return aggregate
}

function readOrder(reader: DataReader): OrderItem {
  const direction = reader.optionalOneOf('direction', ['asc', 'desc'] as const)
  const item = { column: reader.text('column'), ...(direction !== undefined && { direction }) }
  reader.end()
  return item
}
