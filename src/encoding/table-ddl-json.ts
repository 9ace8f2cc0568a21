import type { DataReader } from './data-reader.ts'
import { readExprData } from './expression-json.ts'
import type {
  CheckDefinition,
  ColumnDefinition,
  ForeignKeyDefinition,
  IndexDefinition,
  TableAlteration,
  TableDdl,
  TableDefinitionData,
} from './table-definition.ts'
import { readTableTarget } from './table-json.ts'
import { COLUMN_TYPES } from './values.ts'

/** Tables and what changes them out of data from outside. */

export const TABLE_DDL_TYPES = [
  'createTable',
  'renameTable',
  'dropTable',
  'alterTable',
  'createIndex',
  'dropIndex',
  'setReadPolicy',
  'clearReadPolicy',
] as const

const ACTIONS = ['restrict', 'cascade', 'setNull', 'setDefault', 'noAction'] as const

/** The type has been read; the caller ends the reader. */
export function readTableDdlData(reader: DataReader, type: TableDdl['type']): TableDdl {
  const target = readTableTarget(reader)
  switch (type) {
    case 'createTable': {
      const owner = reader.optionalText('owner')
      const options = { ...flag(reader, 'ifNotExists'), ...(owner !== undefined && { owner }) }
      return { type, ...target, ...readDefinition(reader), ...options }
    }
    case 'renameTable':
      return { type, ...target, to: reader.text('to') }
    case 'dropTable':
      return { type, ...target, ...flag(reader, 'ifExists') }
    case 'alterTable':
      return { type, ...target, alteration: reader.object('alteration', readAlteration) }
    case 'createIndex':
      return { type, ...target, index: reader.object('index', readIndex), ...flag(reader, 'ifNotExists') }
    case 'dropIndex':
      return { type, ...target, name: reader.text('name'), ...flag(reader, 'ifExists') }
    case 'setReadPolicy':
      return { type, ...target, policy: reader.object('policy', expr => readExprData(expr)) }
    case 'clearReadPolicy':
      return { type, ...target }
    default:
      throw new RangeError(`operation ${String(type satisfies never)}`)
  }
}

/** As an object of its own. @throws MalformedData */
export function readTableDefinitionData(reader: DataReader): TableDefinitionData {
  const definition = readDefinition(reader)
  reader.end()
  return definition
}

function readDefinition(reader: DataReader): TableDefinitionData {
  const columns = reader.list('columns', readColumn)
  const primaryKey = reader.texts('primaryKey')
  const indexes = reader.optionalList('indexes', readIndex)
  const checks = reader.optionalList('checks', readCheck)
  const foreignKeys = reader.optionalList('foreignKeys', readForeignKey)
  return {
    columns,
    primaryKey,
    ...(indexes !== undefined && { indexes }),
    ...(checks !== undefined && { checks }),
    ...(foreignKeys !== undefined && { foreignKeys }),
  }
}

/** The flag only if it is given. */
function flag<N extends string>(reader: DataReader, name: N): { [K in N]?: boolean } {
  const value = reader.optionalBoolean(name)
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: boolean }
}

function readColumn(reader: DataReader): ColumnDefinition {
  const column: ColumnDefinition = {
    name: reader.text('name'),
    type: reader.oneOf('type', COLUMN_TYPES),
    ...flag(reader, 'nullable'),
    ...readDefault(reader),
  }
  reader.end()
  return column
}

function readDefault(reader: DataReader): Pick<ColumnDefinition, 'default' | 'defaultNow'> {
  const value = reader.optionalValue('default')
  return { ...(value !== undefined && { default: value }), ...flag(reader, 'defaultNow') }
}

function readIndex(reader: DataReader): IndexDefinition {
  const name = reader.text('name')
  const columns = reader.texts('columns')
  const kind = reader.optionalOneOf('kind', ['ordered', 'hash'] as const)
  const unique = flag(reader, 'unique')
  const where = reader.optionalObject('where', expr => readExprData(expr))
  reader.end()
  return { name, columns, ...(kind !== undefined && { kind }), ...unique, ...(where !== undefined && { where }) }
}

function readCheck(reader: DataReader): CheckDefinition {
  const check = { name: reader.text('name'), check: reader.object('check', expr => readExprData(expr)) }
  reader.end()
  return check
}

function readForeignKey(reader: DataReader): ForeignKeyDefinition {
  const project = reader.optionalText('project')
  const scope = reader.optionalText('scope')
  const references = reader.optionalTexts('references')
  const onDelete = reader.optionalOneOf('onDelete', ACTIONS)
  const onUpdate = reader.optionalOneOf('onUpdate', ACTIONS)
  const key: ForeignKeyDefinition = {
    name: reader.text('name'),
    columns: reader.texts('columns'),
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    table: reader.text('table'),
    ...(references !== undefined && { references }),
    ...(onDelete !== undefined && { onDelete }),
    ...(onUpdate !== undefined && { onUpdate }),
  }
  reader.end()
  return key
}

const ALTERATIONS = [
  'addColumn',
  'dropColumn',
  'renameColumn',
  'setNullable',
  'setDefault',
  'addCheck',
  'dropCheck',
  'addForeignKey',
  'dropForeignKey',
] as const

function readAlteration(reader: DataReader): TableAlteration {
  const alteration = readAlterationOf(reader, reader.oneOf('type', ALTERATIONS))
  reader.end()
  return alteration
}

function readAlterationOf(reader: DataReader, type: TableAlteration['type']): TableAlteration {
  switch (type) {
    case 'addColumn':
      return { type, column: reader.object('column', readColumn) }
    case 'dropColumn':
      return { type, column: reader.text('column') }
    case 'renameColumn':
      return { type, column: reader.text('column'), to: reader.text('to') }
    case 'setNullable':
      return { type, column: reader.text('column'), nullable: reader.boolean('nullable') }
    case 'setDefault':
      return { type, column: reader.text('column'), ...readDefault(reader) }
    case 'addCheck':
      return { type, check: reader.object('check', readCheck) }
    case 'dropCheck':
    case 'dropForeignKey':
      return { type, name: reader.text('name') }
    case 'addForeignKey':
      return { type, foreignKey: reader.object('foreignKey', readForeignKey) }
    default:
      throw new RangeError(`alteration ${String(type satisfies never)}`)
  }
}
