import { MalformedBytes } from './bytes.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { DEFAULT_SCOPE } from './envelope.ts'
import { COLUMNS_MAX } from './envelope-ops.ts'
import { readExpr, writeExpr } from './expression-binary.ts'
import type {
  CheckDefinition,
  ColumnDefinition,
  ForeignKeyDefinition,
  IndexDefinition,
  ReferentialAction,
  TableAlteration,
  TableDdl,
  TableDefinitionData,
} from './table-definition.ts'
import { COLUMN_TYPES } from './values.ts'
import { readValue, writeValue } from './value-bytes.ts'

/** Tables and what changes them as bytes (docs/formats/table-definition.md). Absent options stay absent. */
export const TableDdlCode = {
  createTable: 10,
  renameTable: 11,
  dropTable: 12,
  alterTable: 13,
  createIndex: 14,
  dropIndex: 15,
  setReadPolicy: 16,
  clearReadPolicy: 17,
} as const

const AlterationCode = {
  addColumn: 1,
  dropColumn: 2,
  renameColumn: 3,
  setNullable: 4,
  setDefault: 5,
  addCheck: 6,
  dropCheck: 7,
  addForeignKey: 8,
  dropForeignKey: 9,
} as const

const COLUMN_NULLABLE = 1
const COLUMN_DEFAULT = 2
const COLUMN_DEFAULT_NOW = 4
const INDEX_HASH = 1
const INDEX_UNIQUE = 2
const INDEX_WHERE = 4
const INDEX_ORDERED = 8
const KEY_PROJECT = 1
const KEY_SCOPE = 2
const KEY_REFERENCES = 4
const IF_EXISTS = 1
const HAS_OWNER = 2

/** By their numbers, from 1; 0 = not given. */
const ACTIONS: readonly ReferentialAction[] = ['restrict', 'cascade', 'setNull', 'setDefault', 'noAction']

export function isTableDdlCode(code: number): boolean {
  return code >= TableDdlCode.createTable && code <= TableDdlCode.clearReadPolicy
}

/** What follows the operation's code. */
export function writeTableDdl(out: ByteWriter, operation: TableDdl): void {
  out.u8(flagsOf(operation))
  out.text8(operation.project)
  out.text8(operation.scope ?? DEFAULT_SCOPE)
  out.text8(operation.table)
  switch (operation.type) {
    case 'createTable':
      if (operation.owner !== undefined) out.text8(operation.owner)
      return writeTableDefinition(out, operation)
    case 'renameTable':
      return out.text8(operation.to)
    case 'dropTable':
    case 'clearReadPolicy':
      return
    case 'alterTable':
      return writeAlteration(out, operation.alteration)
    case 'createIndex':
      return writeIndex(out, operation.index)
    case 'dropIndex':
      return out.text8(operation.name)
    case 'setReadPolicy':
      return writeExpr(out, operation.policy)
    default:
      throw new RangeError(`no operation: ${(operation satisfies never as TableDdl).type}`)
  }
}

function flagsOf(operation: TableDdl): number {
  switch (operation.type) {
    case 'createTable':
      return (operation.ifNotExists === true ? IF_EXISTS : 0) | (operation.owner === undefined ? 0 : HAS_OWNER)
    case 'createIndex':
      return operation.ifNotExists === true ? IF_EXISTS : 0
    case 'dropTable':
    case 'dropIndex':
      return operation.ifExists === true ? IF_EXISTS : 0
    default:
      return 0
  }
}

/** What follows the operation's code, to the end. @throws MalformedBytes */
export function readTableDdl(reader: ByteReader, code: number): TableDdl {
  const flags = reader.u8()
  const allowed =
    code === TableDdlCode.createTable
      ? IF_EXISTS | HAS_OWNER
      : code === TableDdlCode.dropTable || code === TableDdlCode.createIndex || code === TableDdlCode.dropIndex
        ? IF_EXISTS
        : 0
  if ((flags & ~allowed) !== 0) throw new MalformedBytes('ddl flags')
  const isOptional = (flags & IF_EXISTS) !== 0
  const target = { project: reader.text8(), scope: reader.text8(), table: reader.text8() }
  switch (code) {
    case TableDdlCode.createTable: {
      const owner = (flags & HAS_OWNER) !== 0 && { owner: reader.text8() }
      const definition = readTableDefinition(reader)
      return { type: 'createTable', ...target, ...definition, ...owner, ...(isOptional && { ifNotExists: true }) }
    }
    case TableDdlCode.renameTable:
      return { type: 'renameTable', ...target, to: reader.text8() }
    case TableDdlCode.dropTable:
      return { type: 'dropTable', ...target, ...(isOptional && { ifExists: true }) }
    case TableDdlCode.alterTable:
      return { type: 'alterTable', ...target, alteration: readAlteration(reader) }
    case TableDdlCode.createIndex:
      return { type: 'createIndex', ...target, index: readIndex(reader), ...(isOptional && { ifNotExists: true }) }
    case TableDdlCode.dropIndex:
      return { type: 'dropIndex', ...target, name: reader.text8(), ...(isOptional && { ifExists: true }) }
    case TableDdlCode.setReadPolicy:
      return { type: 'setReadPolicy', ...target, policy: readExpr(reader) }
    case TableDdlCode.clearReadPolicy:
      return { type: 'clearReadPolicy', ...target }
    default:
      throw new MalformedBytes(`ddl operation ${code}`)
  }
}

/** Columns, primary key, indexes, checks, foreign keys; also within results (client wire). RangeError for too many columns. */
export function writeTableDefinition(out: ByteWriter, definition: TableDefinitionData): void {
  const { columns, primaryKey, indexes, checks, foreignKeys } = definition
  writeList(out, columns, writeColumn)
  writeNames(out, primaryKey)
  out.u8((indexes === undefined ? 0 : 1) | (checks === undefined ? 0 : 2) | (foreignKeys === undefined ? 0 : 4))
  if (indexes !== undefined) writeList(out, indexes, writeIndex)
  if (checks !== undefined) writeList(out, checks, writeCheck)
  if (foreignKeys !== undefined) writeList(out, foreignKeys, writeForeignKey)
}

/** @throws MalformedBytes */
export function readTableDefinition(reader: ByteReader): TableDefinitionData {
  const columns = readList(reader, readColumn)
  const primaryKey = readNames(reader)
  const parts = reader.u8()
  if (parts > 7) throw new MalformedBytes('table parts')
  return {
    columns,
    primaryKey,
    ...((parts & 1) !== 0 && { indexes: readList(reader, readIndex) }),
    ...((parts & 2) !== 0 && { checks: readList(reader, readCheck) }),
    ...((parts & 4) !== 0 && { foreignKeys: readList(reader, readForeignKey) }),
  }
}

function writeList<T>(out: ByteWriter, items: readonly T[], write: (out: ByteWriter, item: T) => void): void {
  if (items.length > COLUMNS_MAX) throw new RangeError(`a table has at most ${COLUMNS_MAX} of each kind`)
  out.u16(items.length)
  for (const item of items) write(out, item)
}

function readList<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.u16()
  if (count > COLUMNS_MAX || count > reader.remaining) throw new MalformedBytes(`${count} parts of a table`)
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(read(reader))
  return items
}

/** u16 names, each text8. */
export function writeNames(out: ByteWriter, names: readonly string[]): void {
  writeList(out, names, (o, name) => o.text8(name))
}

export function readNames(reader: ByteReader): string[] {
  return readList(reader, r => r.text8())
}

function writeColumn(out: ByteWriter, column: ColumnDefinition): void {
  const type = COLUMN_TYPES.indexOf(column.type)
  if (type < 0) throw new RangeError(`no column type: ${column.type}`)
  out.text8(column.name)
  out.u8(type)
  out.u8(
    (column.nullable === true ? COLUMN_NULLABLE : 0) |
      (column.default === undefined ? 0 : COLUMN_DEFAULT) |
      (column.defaultNow === true ? COLUMN_DEFAULT_NOW : 0),
  )
  if (column.default !== undefined) writeValue(out, column.default)
}

function readColumn(reader: ByteReader): ColumnDefinition {
  const name = reader.text8()
  const type = COLUMN_TYPES[reader.u8()]
  const flags = reader.u8()
  if (type === undefined || flags > 7) throw new MalformedBytes('column')
  return {
    name,
    type,
    ...((flags & COLUMN_NULLABLE) !== 0 && { nullable: true }),
    ...((flags & COLUMN_DEFAULT) !== 0 && { default: readValue(reader) }),
    ...((flags & COLUMN_DEFAULT_NOW) !== 0 && { defaultNow: true }),
  }
}

function writeIndex(out: ByteWriter, index: IndexDefinition): void {
  out.text8(index.name)
  out.u8(
    (index.kind === 'hash' ? INDEX_HASH : index.kind === 'ordered' ? INDEX_ORDERED : 0) |
      (index.unique === true ? INDEX_UNIQUE : 0) |
      (index.where === undefined ? 0 : INDEX_WHERE),
  )
  writeNames(out, index.columns)
  if (index.where !== undefined) writeExpr(out, index.where)
}

function readIndex(reader: ByteReader): IndexDefinition {
  const name = reader.text8()
  const flags = reader.u8()
  if (flags > 15 || (flags & (INDEX_HASH | INDEX_ORDERED)) === (INDEX_HASH | INDEX_ORDERED)) {
    throw new MalformedBytes('index flags')
  }
  return {
    name,
    columns: readNames(reader),
    ...((flags & INDEX_HASH) !== 0 && { kind: 'hash' as const }),
    ...((flags & INDEX_ORDERED) !== 0 && { kind: 'ordered' as const }),
    ...((flags & INDEX_UNIQUE) !== 0 && { unique: true }),
    ...((flags & INDEX_WHERE) !== 0 && { where: readExpr(reader) }),
  }
}

function writeCheck(out: ByteWriter, { name, check }: CheckDefinition): void {
  out.text8(name)
  writeExpr(out, check)
}

function readCheck(reader: ByteReader): CheckDefinition {
  return { name: reader.text8(), check: readExpr(reader) }
}

function writeForeignKey(out: ByteWriter, key: ForeignKeyDefinition): void {
  out.text8(key.name)
  out.u8(
    (key.project === undefined ? 0 : KEY_PROJECT) |
      (key.scope === undefined ? 0 : KEY_SCOPE) |
      (key.references === undefined ? 0 : KEY_REFERENCES),
  )
  writeNames(out, key.columns)
  if (key.project !== undefined) out.text8(key.project)
  if (key.scope !== undefined) out.text8(key.scope)
  out.text8(key.table)
  if (key.references !== undefined) writeNames(out, key.references)
  writeAction(out, key.onDelete)
  writeAction(out, key.onUpdate)
}

function readForeignKey(reader: ByteReader): ForeignKeyDefinition {
  const name = reader.text8()
  const flags = reader.u8()
  if (flags > 7) throw new MalformedBytes('foreign key flags')
  const columns = readNames(reader)
  const project = (flags & KEY_PROJECT) !== 0 && { project: reader.text8() }
  const scope = (flags & KEY_SCOPE) !== 0 && { scope: reader.text8() }
  const table = reader.text8()
  const references = (flags & KEY_REFERENCES) !== 0 && { references: readNames(reader) }
  const onDelete = readAction(reader)
  const onUpdate = readAction(reader)
  return {
    name,
    columns,
    ...project,
    ...scope,
    table,
    ...references,
    ...(onDelete !== undefined && { onDelete }),
    ...(onUpdate !== undefined && { onUpdate }),
  }
}

function writeAction(out: ByteWriter, action: ReferentialAction | undefined): void {
  const code = action === undefined ? 0 : ACTIONS.indexOf(action) + 1
  if (action !== undefined && code === 0) throw new RangeError(`no action: ${action}`)
  out.u8(code)
}

function readAction(reader: ByteReader): ReferentialAction | undefined {
  const code = reader.u8()
  if (code === 0) return undefined
  const action = ACTIONS[code - 1]
  if (action === undefined) throw new MalformedBytes(`action ${code}`)
  return action
}

function writeAlteration(out: ByteWriter, alteration: TableAlteration): void {
  out.u8(AlterationCode[alteration.type])
  switch (alteration.type) {
    case 'addColumn':
      return writeColumn(out, alteration.column)
    case 'dropColumn':
      return out.text8(alteration.column)
    case 'renameColumn':
      out.text8(alteration.column)
      return out.text8(alteration.to)
    case 'setNullable':
      out.text8(alteration.column)
      return out.u8(alteration.nullable ? 1 : 0)
    case 'setDefault':
      out.text8(alteration.column)
      out.u8(
        (alteration.default === undefined ? 0 : COLUMN_DEFAULT) |
          (alteration.defaultNow === true ? COLUMN_DEFAULT_NOW : 0),
      )
      if (alteration.default !== undefined) writeValue(out, alteration.default)
      return
    case 'addCheck':
      return writeCheck(out, alteration.check)
    case 'dropCheck':
    case 'dropForeignKey':
      return out.text8(alteration.name)
    case 'addForeignKey':
      return writeForeignKey(out, alteration.foreignKey)
    default:
      throw new RangeError(`no alteration: ${(alteration satisfies never as TableAlteration).type}`)
  }
}

function readAlteration(reader: ByteReader): TableAlteration {
  const code = reader.u8()
  switch (code) {
    case AlterationCode.addColumn:
      return { type: 'addColumn', column: readColumn(reader) }
    case AlterationCode.dropColumn:
      return { type: 'dropColumn', column: reader.text8() }
    case AlterationCode.renameColumn:
      return { type: 'renameColumn', column: reader.text8(), to: reader.text8() }
    case AlterationCode.setNullable: {
      const column = reader.text8()
      const nullable = reader.u8()
      if (nullable > 1) throw new MalformedBytes('alteration')
      return { type: 'setNullable', column, nullable: nullable === 1 }
    }
    case AlterationCode.setDefault: {
      const column = reader.text8()
      const flags = reader.u8()
      if ((flags & ~(COLUMN_DEFAULT | COLUMN_DEFAULT_NOW)) !== 0) throw new MalformedBytes('alteration')
      return {
        type: 'setDefault',
        column,
        ...((flags & COLUMN_DEFAULT) !== 0 && { default: readValue(reader) }),
        ...((flags & COLUMN_DEFAULT_NOW) !== 0 && { defaultNow: true }),
      }
    }
    case AlterationCode.addCheck:
      return { type: 'addCheck', check: readCheck(reader) }
    case AlterationCode.dropCheck:
      return { type: 'dropCheck', name: reader.text8() }
    case AlterationCode.addForeignKey:
      return { type: 'addForeignKey', foreignKey: readForeignKey(reader) }
    case AlterationCode.dropForeignKey:
      return { type: 'dropForeignKey', name: reader.text8() }
    default:
      throw new MalformedBytes(`alteration ${code}`)
  }
}
