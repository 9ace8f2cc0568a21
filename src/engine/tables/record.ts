import {
  ByteReader,
  ByteWriter,
  COLUMN_TYPES,
  MalformedBytes,
  readExpr,
  readValue,
  writeExpr,
  writeValue,
} from '../../encoding/index.ts'
import type { ColumnType, ReferentialAction } from '../../encoding/index.ts'
import type { Check, Column, ForeignKey, LayoutRecord, TableFailure, TableIndex, TableParts } from './schema.ts'

/** A table as the catalog stores it (docs/formats/tables.md). Its id is in the record's key. */
const FORMAT = 1

const ColumnFlag = { nullable: 1, defaultNow: 2, pendingNotNull: 4 } as const
const IndexFlag = { hash: 1, unique: 2, ready: 4, partial: 8 } as const
const VALID = 1
const OWNS_INDEX = 2
const ACTIONS: readonly ReferentialAction[] = ['restrict', 'cascade', 'setNull', 'setDefault', 'noAction']

export function encodeTable(parts: TableParts): Uint8Array {
  const writer = new ByteWriter(512)
  writer.u8(FORMAT)
  writer.u32(parts.projectId)
  writer.u32(parts.scopeId)
  writer.text16(parts.name)
  writer.text16(parts.owner)
  writer.u32(parts.nextColumnId)
  writeMany(writer, parts.columns, column => writeColumn(writer, column, parts.pendingNotNull.includes(column.id)))
  writeMany(writer, parts.primaryKey, id => writer.u32(id))
  writeMany(writer, parts.layouts, ({ version, columns }) => {
    writer.u16(version)
    writeMany(writer, columns, ({ id, type }) => {
      writer.u32(id)
      writer.u8(COLUMN_TYPES.indexOf(type))
    })
  })
  writeMany(writer, parts.indexes, index => writeIndex(writer, index))
  writeMany(writer, parts.checks, ({ name, check, isValid }) => {
    writer.text16(name)
    writer.u8(isValid ? VALID : 0)
    writeExpr(writer, check)
  })
  writeMany(writer, parts.foreignKeys, foreignKey => writeForeignKey(writer, foreignKey))
  writer.u8(parts.readPolicy === undefined ? 0 : 1)
  if (parts.readPolicy !== undefined) writeExpr(writer, parts.readPolicy)
  writeMany(writer, parts.failures, ({ name, message, seq }) => {
    writer.text16(name)
    writer.text16(message)
    writer.u64(seq)
  })
  return writer.finish()
}

function writeMany<T>(writer: ByteWriter, items: readonly T[], write: (item: T) => void): void {
  writer.u16(items.length)
  items.forEach(write)
}

function writeColumn(writer: ByteWriter, column: Column, isPendingNotNull: boolean): void {
  writer.u32(column.id)
  writer.text16(column.name)
  writer.u8(COLUMN_TYPES.indexOf(column.type))
  writer.u8(
    (column.isNullable ? ColumnFlag.nullable : 0) |
      (column.isDefaultNow ? ColumnFlag.defaultNow : 0) |
      (isPendingNotNull ? ColumnFlag.pendingNotNull : 0),
  )
  writeValue(writer, column.default)
  writeValue(writer, column.missing)
}

function writeIndex(writer: ByteWriter, index: TableIndex): void {
  writer.u32(index.id)
  writer.text16(index.name)
  writer.u8(
    (index.kind === 'hash' ? IndexFlag.hash : 0) |
      (index.isUnique ? IndexFlag.unique : 0) |
      (index.isReady ? IndexFlag.ready : 0) |
      (index.where === undefined ? 0 : IndexFlag.partial),
  )
  writeMany(writer, index.columns, id => writer.u32(id))
  if (index.where !== undefined) writeExpr(writer, index.where)
}

function writeForeignKey(writer: ByteWriter, foreignKey: ForeignKey): void {
  writer.text16(foreignKey.name)
  writer.u8((foreignKey.isValid ? VALID : 0) | (foreignKey.ownsIndex ? OWNS_INDEX : 0))
  writer.u8(ACTIONS.indexOf(foreignKey.onDelete))
  writer.u8(ACTIONS.indexOf(foreignKey.onUpdate))
  writer.u32(foreignKey.tableId)
  writer.u32(foreignKey.indexId ?? 0)
  writer.u32(foreignKey.lookupIndexId)
  writeMany(writer, foreignKey.columns, id => writer.u32(id))
  writeMany(writer, foreignKey.references, id => writer.u32(id))
}

/** @throws MalformedBytes */
export function decodeTable(id: number, bytes: Uint8Array): TableParts {
  const reader = new ByteReader(bytes)
  const format = reader.u8()
  if (format !== FORMAT) throw new MalformedBytes(`table of format ${format}`)
  const head = {
    id,
    projectId: reader.u32(),
    scopeId: reader.u32(),
    name: reader.text16(),
    owner: reader.text16(),
    nextColumnId: reader.u32(),
  }
  const pendingNotNull: number[] = []
  const parts = {
    ...head,
    columns: readMany(reader, () => readColumn(reader, pendingNotNull)),
    primaryKey: readMany(reader, () => reader.u32()),
    layouts: readMany(reader, () => readLayout(reader)),
    indexes: readMany(reader, () => readIndex(reader)),
    checks: readMany(reader, () => readCheck(reader)),
    foreignKeys: readMany(reader, () => readForeignKey(reader)),
    readPolicy: reader.u8() === 0 ? undefined : readExpr(reader),
    failures: readMany(reader, () => readFailure(reader)),
    pendingNotNull,
  }
  reader.expectEnd()
  return parts
}

function readMany<T>(reader: ByteReader, read: () => T): T[] {
  return Array.from({ length: reader.u16() }, read)
}

function readType(reader: ByteReader): ColumnType {
  const code = reader.u8()
  const type = COLUMN_TYPES[code]
  if (type === undefined) throw new MalformedBytes(`column type ${code}`)
  return type
}

function readColumn(reader: ByteReader, pendingNotNull: number[]): Column {
  const id = reader.u32()
  const name = reader.text16()
  const type = readType(reader)
  const flags = reader.u8()
  if ((flags & ColumnFlag.pendingNotNull) !== 0) pendingNotNull.push(id)
  return {
    id,
    name,
    type,
    isNullable: (flags & ColumnFlag.nullable) !== 0,
    isDefaultNow: (flags & ColumnFlag.defaultNow) !== 0,
    default: readValue(reader),
    missing: readValue(reader),
  }
}

function readLayout(reader: ByteReader): LayoutRecord {
  return { version: reader.u16(), columns: readMany(reader, () => ({ id: reader.u32(), type: readType(reader) })) }
}

function readIndex(reader: ByteReader): TableIndex {
  const id = reader.u32()
  const name = reader.text16()
  const flags = reader.u8()
  return {
    id,
    name,
    kind: (flags & IndexFlag.hash) === 0 ? 'ordered' : 'hash',
    isUnique: (flags & IndexFlag.unique) !== 0,
    isReady: (flags & IndexFlag.ready) !== 0,
    columns: readMany(reader, () => reader.u32()),
    where: (flags & IndexFlag.partial) === 0 ? undefined : readExpr(reader),
  }
}

function readCheck(reader: ByteReader): Check {
  return { name: reader.text16(), isValid: reader.u8() === VALID, check: readExpr(reader) }
}

function readForeignKey(reader: ByteReader): ForeignKey {
  const name = reader.text16()
  const flags = reader.u8()
  const [onDelete, onUpdate] = [readAction(reader), readAction(reader)]
  const tableId = reader.u32()
  const indexId = reader.u32()
  return {
    name,
    isValid: (flags & VALID) !== 0,
    ownsIndex: (flags & OWNS_INDEX) !== 0,
    onDelete,
    onUpdate,
    tableId,
    indexId: indexId === 0 ? undefined : indexId,
    lookupIndexId: reader.u32(),
    columns: readMany(reader, () => reader.u32()),
    references: readMany(reader, () => reader.u32()),
  }
}

function readAction(reader: ByteReader): ReferentialAction {
  const code = reader.u8()
  const action = ACTIONS[code]
  if (action === undefined) throw new MalformedBytes(`referential action ${code}`)
  return action
}

function readFailure(reader: ByteReader): TableFailure {
  return { name: reader.text16(), message: reader.text16(), seq: reader.u64() }
}
