import { MISMATCH, readDdl, readKeyValue, skipKeyValue, toColumnValue } from '../../encoding/index.ts'
import type { Ddl, Row, Value } from '../../encoding/index.ts'
import { InvariantError, QuorateError } from '../../model/index.ts'
import type { RowChangeData, WatchedRows } from '../../model/index.ts'
import type { Catalog } from '../catalog/index.ts'
import { compileCondition, InvalidExpression } from '../conditions/index.ts'
import type { Condition } from '../conditions/index.ts'
import { ROW_PREFIX_BYTES, rowKey, rowsPrefix, RowView } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import type { KeyEffect } from './effects.ts'

/** Permissions that include seeing what a read policy hides. */
const BYPASSES: readonly string[] = ['admin', 'projectAdmin', 'scopeAdmin', 'policyBypass']

/**
 * Changes of rows as a caller may hear of them. Under a read policy a row that comes into sight is a put, one that goes out of it a
 * delete, and of the others nothing is said, not even that they are there.
 */
export class RowSight {
  readonly table: Table
  readonly isGoverned: boolean
  readonly #policy: Condition | undefined
  readonly #view: RowView
  readonly #prefix: Uint8Array
  readonly #head: Omit<WatchedRows, 'changes'>

  constructor(table: Table, caller: string, bypassesPolicy: boolean) {
    const { readPolicy } = table.parts
    this.table = table
    this.isGoverned = readPolicy !== undefined && !bypassesPolicy
    this.#view = new RowView(table)
    this.#prefix = rowsPrefix(table.id)
    this.#head = {
      columns: table.columns.map(({ name }) => name),
      types: table.columns.map(({ type }) => type),
      keyColumns: table.keyPositions.map(position => table.columns[position]!.name),
    }
    if (!this.isGoverned) return
    const condition = compileCondition(readPolicy!, table, caller)
    if (condition instanceof InvalidExpression)
      throw new InvariantError(`a read policy that is none: ${condition.message}`)
    this.#policy = condition
  }

  rows(changes: readonly RowChangeData[]): WatchedRows {
    return { ...this.#head, changes }
  }

  /** What the caller hears of a change, whose `value` is given if it is large; 'unknown' = it cannot be told any more. */
  changeOf({ key, kind, value, before }: KeyEffect, large?: Uint8Array): RowChangeData | 'nothing' | 'unknown' {
    const whole = this.#wholeKey(key)
    const row = kind === 'put' ? (large ?? value) : undefined
    if (kind === 'put' && row === undefined) return 'unknown'
    if (row !== undefined && this.#sees(whole, row)) return { kind: 'put', cells: this.#view.cells() }
    if (this.isGoverned) {
      // Without what was before, the policy is younger than the change: the watch comes to it, and begins anew there.
      if (before === undefined || before === 'none') return 'nothing'
      if (before === 'large') return 'unknown'
      if (!this.#sees(whole, before)) return 'nothing'
    }
    return { kind: kind === 'expire' ? 'expire' : 'delete', cells: this.#keyCells(whole) }
  }

  /** Whether the caller sees a row with these bytes, whose key is as effects have it. */
  sees(key: Uint8Array, row: Uint8Array): boolean {
    return this.#sees(this.#wholeKey(key), row)
  }

  /** Leaves the row in the view. */
  #sees(key: Uint8Array, row: Uint8Array): boolean {
    this.#view.open(key, row)
    return this.#policy === undefined || this.#policy(this.#view) === true
  }

  #wholeKey(key: Uint8Array): Uint8Array {
    const whole = new Uint8Array(ROW_PREFIX_BYTES + key.length)
    whole.set(this.#prefix)
    whole.set(key, ROW_PREFIX_BYTES)
    return whole
  }

  #keyCells(key: Uint8Array): Value[] {
    let at = ROW_PREFIX_BYTES
    return this.table.keyPositions.map(() => {
      const cell = readKeyValue(key, at)
      at = skipKeyValue(key, at)
      return cell
    })
  }
}

/**
 * The beginning of the keys, as effects have them, of rows whose primary key begins with these cells.
 * @throws QuorateError `column_not_found`, `type_mismatch`, `invalid_argument` unless they are the first columns of the key
 */
export function keyPrefixOf(table: Table, key: Row): Uint8Array {
  const names = Object.keys(key)
  for (const name of names) {
    if (table.position(name) !== undefined) continue
    throw new QuorateError('column_not_found', `table ${table.name} has no column ${name.slice(0, 140)}`)
  }
  const leading = table.keyPositions.slice(0, names.length)
  const cells = leading.map(position => {
    const { name, type } = table.columns[position]!
    if (!names.includes(name)) throw notLeading(table)
    const cell = toColumnValue(type, key[name]!)
    if (cell === MISMATCH) throw new QuorateError('type_mismatch', `column ${name} of ${table.name} holds ${type}`)
    if (cell === null) throw new QuorateError('invalid_argument', 'no part of a key is null')
    return cell
  })
  if (cells.length < names.length) throw notLeading(table)
  return rowKey(table, cells).subarray(ROW_PREFIX_BYTES)
}

function notLeading(table: Table): QuorateError {
  const names = table.keyPositions.map(position => table.columns[position]!.name)
  return new QuorateError('invalid_argument', `a watch gives the first columns of the key: ${names.join(', ')}`)
}

/** Whether one of the operations (as effects have them) decides anew which rows of the table the caller sees. */
export function changesSight(
  operations: readonly Uint8Array[],
  catalog: Catalog,
  table: Table,
  caller: string,
): boolean {
  return operations.some(bytes => {
    const operation = readDdl({ bytes, bodyStart: 0, bodyEnd: bytes.length })
    return isOfPolicy(operation, catalog, table) || isOfBypass(operation, table, caller)
  })
}

/** The names are those of then: one that means nothing now may have meant the table. */
function isOfPolicy(operation: Ddl, catalog: Catalog, table: Table): boolean {
  if (operation.type !== 'setReadPolicy' && operation.type !== 'clearReadPolicy') return false
  const scope = catalog.scope(operation.project, operation.scope ?? 'app')
  const named = scope === undefined ? undefined : catalog.table(scope.id, operation.table)
  return named === undefined || named.id === table.id
}

function isOfBypass(operation: Ddl, table: Table, caller: string): boolean {
  if (operation.type !== 'grant' && operation.type !== 'revoke') return false
  if (table.parts.readPolicy === undefined || operation.caller !== caller) return false
  return BYPASSES.includes(operation.permission.type)
}
