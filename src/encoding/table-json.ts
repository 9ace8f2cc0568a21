import { COMPARISONS } from './comparison.ts'
import { DataReader, readValueData } from './data-reader.ts'
import type { DataForm } from './data-reader.ts'
import { readExprData } from './expression-json.ts'
import type { TableTarget } from './table-definition.ts'
import type { OnConflict, Row, TableAssertion, TableMutation, UpdateExpr, Updates } from './table-mutation.ts'

/** Mutations of rows and assertions on them out of data from outside. The type has been read; the caller ends the reader. */

export const TABLE_MUTATION_TYPES = ['insert', 'upsert', 'update', 'delete', 'updateWhere', 'deleteWhere'] as const
export const TABLE_ASSERTION_TYPES = ['rowVersion', 'rowExists', 'rowCompare', 'count', 'sum'] as const

const U32_MAX = 0xffffffff

/** Project, scope and table. */
export function readTableTarget(reader: DataReader): TableTarget {
  const scope = reader.optionalText('scope')
  return { project: reader.text('project'), ...(scope !== undefined && { scope }), table: reader.text('table') }
}

/** Cells by column. */
export function readRowData(value: unknown, path: string, form: DataForm): Row {
  return new DataReader(value, path, form).all(readValueData)
}

export function readTableMutationData(reader: DataReader, type: TableMutation['type']): TableMutation {
  const target = readTableTarget(reader)
  switch (type) {
    case 'insert':
    case 'upsert': {
      const rows = reader.items('rows', readRowData)
      const ttlMs = reader.optionalCount('ttlMs')
      const ttl = ttlMs !== undefined && { ttlMs }
      if (type === 'upsert') return { type, ...target, ...ttl, rows }
      const onConflict = reader.optionalObject('onConflict', readConflict)
      return { type, ...target, ...ttl, ...(onConflict !== undefined && { onConflict }), rows }
    }
    case 'update':
      return { type, ...target, key: reader.any('key', readRowData), set: reader.any('set', readUpdates) }
    case 'delete':
      return { type, ...target, key: reader.any('key', readRowData) }
    case 'updateWhere':
    case 'deleteWhere': {
      const where = reader.optionalObject('where', expr => readExprData(expr))
      const limit = reader.optionalCount('limit', U32_MAX)
      const selected = { ...(where !== undefined && { where }), ...(limit !== undefined && { limit }) }
      if (type === 'deleteWhere') return { type, ...target, ...selected }
      return { type, ...target, ...selected, set: reader.any('set', readUpdates) }
    }
    default:
      throw new RangeError(`mutation ${String(type satisfies never)}`)
  }
}

function readUpdates(value: unknown, path: string, form: DataForm): Updates {
  return new DataReader(value, path, form).all(readUpdate)
}

const UPDATE_KINDS = ['set', 'copy', 'add', 'subtract', 'coalesce', 'proposed', 'addProposed'] as const

/** An object of exactly one field, which says what is done. */
function readUpdate(value: unknown, path: string, form: DataForm): UpdateExpr {
  const reader = new DataReader(value, path, form)
  const kind = UPDATE_KINDS.find(kind => reader.has(kind))
  if (kind === undefined) throw reader.wrong('set', `missing: one of ${UPDATE_KINDS.join(', ')}`)
  const update = readUpdateOf(reader, kind)
  reader.end()
  return update
}

function readUpdateOf(reader: DataReader, kind: (typeof UPDATE_KINDS)[number]): UpdateExpr {
  switch (kind) {
    case 'set':
      return { set: reader.value(kind) }
    case 'copy':
      return { copy: reader.text(kind) }
    case 'add':
      return { add: reader.amount(kind) }
    case 'subtract':
      return { subtract: reader.amount(kind) }
    case 'coalesce':
      return { coalesce: reader.value(kind) }
    case 'proposed':
      return { proposed: reader.text(kind) }
    case 'addProposed':
      return { addProposed: reader.text(kind) }
    default:
      throw new RangeError(`update ${String(kind satisfies never)}`)
  }
}

function readConflict(reader: DataReader): OnConflict {
  const target = reader.optionalObject('target', readConflictTarget)
  const action = reader.any('action', (value, path, form): OnConflict['action'] => {
    if (value === 'nothing' || value === 'merge') return value
    const action = new DataReader(value, path, form)
    const update = action.any('update', readUpdates)
    action.end()
    return { update }
  })
  reader.end()
  return { ...(target !== undefined && { target }), action }
}

function readConflictTarget(reader: DataReader): NonNullable<OnConflict['target']> {
  const target = reader.has('index') ? { index: reader.text('index') } : { columns: reader.texts('columns') }
  reader.end()
  return target
}

export function readTableAssertionData(reader: DataReader, type: TableAssertion['type']): TableAssertion {
  const target = readTableTarget(reader)
  switch (type) {
    case 'rowVersion':
      return { type, ...target, key: reader.any('key', readRowData), seq: reader.count('seq') }
    case 'rowExists':
      return { type, ...target, key: reader.any('key', readRowData), expected: reader.boolean('expected') }
    case 'rowCompare': {
      const compared = { key: reader.any('key', readRowData), column: reader.text('column') }
      return { type, ...target, ...compared, op: reader.oneOf('op', COMPARISONS), value: reader.value('value') }
    }
    case 'count':
    case 'sum': {
      const where = reader.optionalObject('where', expr => readExprData(expr))
      const compared = { ...(where !== undefined && { where }), op: reader.oneOf('op', COMPARISONS) }
      if (type === 'count') return { type, ...target, ...compared, value: reader.count('value') }
      return { type, ...target, column: reader.text('column'), ...compared, value: reader.value('value') }
    }
    default:
      throw new RangeError(`assertion ${String(type satisfies never)}`)
  }
}
