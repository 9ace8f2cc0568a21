import {
  COLUMN_TYPES,
  DataReader,
  JSON_DATA,
  MalformedBytes,
  narrow,
  readExprData,
  readSetFromJson,
  readTableDefinitionData,
  readValueData,
  type ColumnType,
  type Value,
} from '../../encoding/index.ts'
import type { ReadResult, RowEntryData, TableDescription } from '../reads.ts'
import {
  asList,
  asMap,
  asText,
  booleanField,
  choiceField,
  field,
  integerField,
  listField,
  optionalField,
  textField,
  type PlainMap,
} from './fields.ts'
import { diagnosticsFromPlain } from './json-plans.ts'

/** Results of queries and reads of tables out of parsed JSON. */

type QueryAnswer = Extract<ReadResult, { type: 'query' }>
type RowsAnswer = Extract<ReadResult, { type: 'rows' }>

export function queryAnswerFromPlain(map: PlainMap): QueryAnswer {
  const result = asMap(field(map, 'result'), 'result')
  const columns = textsField(result, 'columns')
  const types = optionalField(result, 'types', typesField)
  const rows = listField(result, 'rows').map(row => cellsFromPlain(row, columns.length, types))
  const cursor = optionalField(result, 'cursor', textField)
  const diagnostics = optionalField(map, 'diagnostics', field)
  return {
    type: 'query',
    result: {
      columns,
      ...(types !== undefined && { types }),
      rows,
      ...(cursor !== undefined && { cursor }),
      examined: integerField(result, 'examined'),
      seq: integerField(result, 'seq'),
    },
    ...readSetField(map),
    ...(diagnostics !== undefined && { diagnostics: diagnosticsFromPlain(diagnostics) }),
  }
}

function readSetField(map: PlainMap): Pick<QueryAnswer, 'readSet'> {
  const readSet = optionalField(map, 'readSet', field)
  return readSet === undefined ? {} : { readSet: readSetFromJson(readSet) }
}

export function textsField(map: PlainMap, name: string): string[] {
  return listField(map, name).map(text => asText(text, name))
}

export function typesField(map: PlainMap, name: string): ColumnType[] {
  return listField(map, name).map(type => choiceField({ type }, 'type', COLUMN_TYPES))
}

export function cellsFromPlain(value: unknown, count: number, types: readonly ColumnType[] | undefined): Value[] {
  const cells = asList(value, 'row')
  if (cells.length !== count || (types !== undefined && types.length !== count)) {
    throw new MalformedBytes('as many cells and types as columns')
  }
  return cells.map((cell, i) => restored(readValueData(cell, 'cell', JSON_DATA), types?.[i]))
}

const DIGITS = /^-?\d{1,80}$/

/** A cell as it was before JSON made numbers or texts of its integers. */
function restored(cell: Value, type: ColumnType | undefined): Value {
  switch (type) {
    case 'u256':
    case 'i256': {
      const integer = integerOf(cell)
      return integer ?? cell
    }
    case 'u8':
    case 'u64':
    case 'integer':
    case 'timestamp': {
      const integer = typeof cell === 'string' ? integerOf(cell) : undefined
      return integer === undefined ? cell : narrow(integer)
    }
    default:
      return cell
  }
}

function integerOf(cell: Value): bigint | undefined {
  if (typeof cell === 'number' && Number.isSafeInteger(cell)) return BigInt(cell)
  return typeof cell === 'string' && DIGITS.test(cell) ? BigInt(cell) : undefined
}

export function rowsAnswerFromPlain(map: PlainMap): RowsAnswer {
  const columns = textsField(map, 'columns')
  const types = typesField(map, 'types')
  const rows = listField(map, 'rows').map(row => (row === null ? undefined : rowFromPlain(row, columns.length, types)))
  return { type: 'rows', columns, types, rows, ...readSetField(map) }
}

function rowFromPlain(value: unknown, columns: number, types: readonly ColumnType[]): RowEntryData {
  const map = asMap(value, 'row')
  return {
    cells: cellsFromPlain(field(map, 'cells'), columns, types),
    seq: integerField(map, 'seq'),
    createdSeq: integerField(map, 'createdSeq'),
    expiresAtMicros: optionalField(map, 'expiresAtMicros', integerField),
  }
}

export function tableFromPlain(value: unknown): TableDescription {
  const map = asMap(value, 'table')
  const readPolicy = optionalField(map, 'readPolicy', field)
  const rows = optionalField(map, 'rows', integerField)
  return {
    name: textField(map, 'name'),
    id: integerField(map, 'id'),
    owner: textField(map, 'owner'),
    definition: readTableDefinitionData(new DataReader(field(map, 'definition'), 'definition', JSON_DATA)),
    ...(readPolicy !== undefined && { readPolicy: readExprData(new DataReader(readPolicy, 'readPolicy', JSON_DATA)) }),
    ...(rows !== undefined && { rows }),
    indexes: listField(map, 'indexes').map(indexFromPlain),
    failures: listField(map, 'failures').map(failureFromPlain),
  }
}

function indexFromPlain(value: unknown): TableDescription['indexes'][number] {
  const map = asMap(value, 'index')
  return { name: textField(map, 'name'), isReady: booleanField(map, 'isReady') }
}

function failureFromPlain(value: unknown): TableDescription['failures'][number] {
  const map = asMap(value, 'failure')
  return { name: textField(map, 'name'), message: textField(map, 'message'), seq: integerField(map, 'seq') }
}
