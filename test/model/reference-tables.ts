import {
  ByteWriter,
  bytesToHex,
  compareBytes,
  compareColumnValues,
  DEFAULT_SCOPE,
  MISMATCH,
  narrow,
  toColumnValue,
  writeKeyValue,
  type Assertion,
  type ColumnDefinition,
  type ComparisonOperator,
  type Ddl,
  type Expr,
  type ForeignKeyDefinition,
  type IndexDefinition,
  type Mutation,
  type MutationResult,
  type PointRead,
  type RangeRead,
  type Row,
  type TableAssertion,
  type TableDdl,
  type TableDefinitionData,
  type TableMutation,
  type TableTarget,
  type UpdateExpr,
  type Updates,
  type Value,
} from '../../src/encoding/index.ts'
import { CellList, compileCondition, InvalidExpression } from '../../src/engine/conditions/index.ts'
import { isName } from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'

export interface TablePermission {
  type: 'tableRead' | 'tableWrite' | 'tableDdl' | 'policyBypass'
  project: string
  scope: string
  table?: string
}

export interface ReferenceRow {
  key: Uint8Array
  cells: Record<string, Value>
  seq: number
  createdSeq: number
  expiresAtMicros: number | undefined
}

export interface ReferenceTable {
  id: number
  project: string
  scope: string
  name: string
  owner: string
  definition: TableDefinitionData
  policy: Expr | undefined
  rows: Map<string, ReferenceRow>
}

interface Entry {
  seq: number
  timeMicros: number
  caller: string
  allows: (wanted: TablePermission) => boolean
}

const TABLE_DDL =
  'createTable renameTable dropTable alterTable createIndex dropIndex setReadPolicy clearReadPolicy'.split(' ')
const TABLE_MUTATIONS = 'insert upsert update delete updateWhere deleteWhere'.split(' ')
const TABLE_ASSERTIONS = 'rowVersion rowExists rowCompare count sum'.split(' ')

export function isTableDdl(operation: Ddl): operation is TableDdl {
  return TABLE_DDL.includes(operation.type)
}
export function isTableMutation(mutation: Mutation): mutation is TableMutation {
  return TABLE_MUTATIONS.includes(mutation.type)
}
export function isTableAssertion(assertion: Assertion): assertion is TableAssertion {
  return TABLE_ASSERTIONS.includes(assertion.type)
}

/** Tables as plain maps. Indexes are definitions only: uniqueness looks at all rows. */
export class ReferenceTables {
  readonly #tables = new Map<string, ReferenceTable>()
  #nextId = 1
  #entry!: Entry

  copy(): ReferenceTables {
    const copy = new ReferenceTables()
    copy.#nextId = this.#nextId
    for (const [id, table] of this.#tables) copy.#tables.set(id, { ...table, rows: new Map(table.rows) })
    return copy
  }

  begin(entry: Entry): void {
    this.#entry = entry
    for (const table of this.#tables.values()) {
      for (const [id, row] of table.rows) {
        if (row.expiresAtMicros !== undefined && row.expiresAtMicros <= entry.timeMicros) table.rows.delete(id)
      }
    }
  }

  table({ project, scope = DEFAULT_SCOPE, table: name }: TableTarget): ReferenceTable {
    const table = this.#tables.get(`${project}/${scope}/${name}`)
    if (table === undefined) throw new Refusal('table_not_found', name)
    return table
  }

  all(project: string, scope: string): ReferenceTable[] {
    return [...this.#tables.values()].filter(table => table.project === project && table.scope === scope)
  }

  version(point: PointRead): number {
    return this.table({ ...point, table: point.table! }).rows.get(bytesToHex(point.key))?.seq ?? 0
  }

  records(range: RangeRead): ReferenceRow[] {
    return this.#visible(this.table({ ...range, table: range.table! }), undefined)
  }

  #require(type: TablePermission['type'], { project, scope = DEFAULT_SCOPE, table }: TableTarget): void {
    if (!this.#entry.allows({ type, project, scope, table })) throw new Refusal('permission_denied', table)
  }

  // Catalog.

  ddl(operation: TableDdl): boolean {
    const { project, scope = DEFAULT_SCOPE, table: name } = operation
    if (!this.#entry.allows({ type: 'tableDdl', project, scope })) throw new Refusal('permission_denied', name)
    const id = `${project}/${scope}/${name}`
    if (operation.type === 'createTable') {
      if (this.#tables.has(id)) {
        if (operation.ifNotExists === true) return false
        throw new Refusal('already_exists', name)
      }
      const { type: _t, project: _p, scope: _s, table: _n, ifNotExists: _i, owner = '', ...definition } = operation
      if (!isName(name)) throw new Refusal('invalid_name', name)
      requireDefinition(definition)
      this.#tables.set(id, {
        id: this.#nextId++,
        project,
        scope,
        name,
        owner,
        definition,
        policy: undefined,
        rows: new Map(),
      })
      return true
    }
    if (operation.type === 'dropTable') {
      if (!this.#tables.has(id) && operation.ifExists === true) return false
      this.table(operation)
      return this.#tables.delete(id)
    }
    return this.#alter(this.table(operation), operation)
  }

  #alter(table: ReferenceTable, operation: Exclude<TableDdl, { type: 'createTable' | 'dropTable' }>): boolean {
    const { definition } = table
    const { indexes = [] } = definition
    switch (operation.type) {
      case 'renameTable':
        this.#tables.delete(`${table.project}/${table.scope}/${table.name}`)
        this.#tables.set(`${table.project}/${table.scope}/${operation.to}`, { ...table, name: operation.to })
        return true
      case 'createIndex':
        if (indexes.some(({ name }) => name === operation.index.name)) {
          if (operation.ifNotExists === true) return false
          throw new Refusal('already_exists', operation.index.name)
        }
        table.definition = { ...definition, indexes: [...indexes, operation.index] }
        return true
      case 'dropIndex':
        if (!indexes.some(({ name }) => name === operation.name)) {
          if (operation.ifExists === true) return false
          throw new Refusal('index_not_found', operation.name)
        }
        table.definition = { ...definition, indexes: indexes.filter(({ name }) => name !== operation.name) }
        return true
      case 'setReadPolicy':
        table.policy = operation.policy
        return true
      case 'clearReadPolicy':
        table.policy = undefined
        return true
      default:
        return this.#alterColumns(table, operation.alteration)
    }
  }

  #alterColumns(table: ReferenceTable, alteration: Extract<TableDdl, { type: 'alterTable' }>['alteration']): boolean {
    const { definition } = table
    const change = (name: string, to: (column: ColumnDefinition) => ColumnDefinition): void => {
      columnOf(definition, name)
      const columns = definition.columns.map(column => (column.name === name ? to(column) : column))
      table.definition = { ...definition, columns }
    }
    switch (alteration.type) {
      case 'addColumn': {
        const { column } = alteration
        if (definition.columns.some(({ name }) => name === column.name))
          throw new Refusal('already_exists', column.name)
        table.definition = { ...definition, columns: [...definition.columns, column] }
        for (const [id, row] of table.rows) {
          table.rows.set(id, { ...row, cells: { ...row.cells, [column.name]: column.default ?? null } })
        }
        return true
      }
      case 'dropColumn': {
        columnOf(definition, alteration.column)
        if (definition.primaryKey.includes(alteration.column)) throw new Refusal('invalid_argument', 'key')
        table.definition = { ...definition, columns: definition.columns.filter(c => c.name !== alteration.column) }
        return true
      }
      case 'renameColumn': {
        change(alteration.column, column => ({ ...column, name: alteration.to }))
        for (const [id, row] of table.rows) {
          const { [alteration.column]: cell = null, ...cells } = row.cells
          table.rows.set(id, { ...row, cells: { ...cells, [alteration.to]: cell } })
        }
        return true
      }
      case 'setNullable':
        change(alteration.column, column => ({ ...column, nullable: alteration.nullable }))
        return true
      case 'setDefault':
        change(alteration.column, ({ default: _d, defaultNow: _n, ...column }) => ({
          ...column,
          ...(alteration.default !== undefined && { default: alteration.default }),
          ...(alteration.defaultNow !== undefined && { defaultNow: alteration.defaultNow }),
        }))
        return true
      case 'addCheck':
        table.definition = { ...definition, checks: [...(definition.checks ?? []), alteration.check] }
        return true
      case 'dropCheck':
        table.definition = { ...definition, checks: (definition.checks ?? []).filter(c => c.name !== alteration.name) }
        return true
      case 'addForeignKey':
        table.definition = {
          ...definition,
          foreignKeys: [...(definition.foreignKeys ?? []), alteration.foreignKey],
        }
        return true
      default:
        table.definition = {
          ...definition,
          foreignKeys: (definition.foreignKeys ?? []).filter(key => key.name !== alteration.name),
        }
        return true
    }
  }

  // Rows.

  mutate(mutation: TableMutation, index: number): MutationResult {
    const table = this.table(mutation)
    this.#require('tableWrite', mutation)
    const detail = { index, actualSeq: 0 }
    switch (mutation.type) {
      case 'insert': {
        let changed = 0n
        for (const row of mutation.rows) {
          if (this.#insert(table, row, mutation, index)) changed++
        }
        return mutation.onConflict === undefined ? undefined : changed
      }
      case 'upsert':
        for (const row of mutation.rows) {
          const cells = this.#complete(table, row)
          this.#put(table, cells, table.rows.get(idOf(table, cells)), expiry(this.#entry, mutation.ttlMs))
        }
        return undefined
      case 'update': {
        const row = table.rows.get(idOf(table, mutation.key))
        if (row === undefined) throw new Refusal('row_not_found', table.name, detail)
        this.#update(table, row, mutation.set)
        return undefined
      }
      case 'delete': {
        const row = table.rows.get(idOf(table, mutation.key))
        if (row === undefined) return false
        this.#delete(table, row, 0)
        return true
      }
      case 'updateWhere': {
        const rows = this.#selected(table, mutation.where, mutation.limit)
        for (const row of rows) this.#update(table, row, mutation.set)
        return BigInt(rows.length)
      }
      case 'deleteWhere': {
        const rows = this.#selected(table, mutation.where, mutation.limit)
        for (const row of rows) this.#delete(table, row, 0)
        return BigInt(rows.length)
      }
      default:
        throw new Error('an unknown mutation')
    }
  }

  #selected(table: ReferenceTable, where: Expr | undefined, limit: number | undefined): ReferenceRow[] {
    const rows = this.#visible(table, where)
    return limit === undefined ? rows : rows.slice(0, limit)
  }

  #visible(table: ReferenceTable, where: Expr | undefined): ReferenceRow[] {
    const { project, scope, name } = table
    const policy = this.#entry.allows({ type: 'policyBypass', project, scope, table: name }) ? undefined : table.policy
    return rowsWhere(table, where, policy, this.#entry.caller)
  }

  #complete(table: ReferenceTable, row: Row): Record<string, Value> {
    const { columns } = table.definition
    for (const name of Object.keys(row)) columnOf(table.definition, name)
    return Object.fromEntries(
      columns.map(column => {
        const fallback = column.defaultNow === true ? this.#entry.timeMicros : (column.default ?? null)
        return [column.name, cellOf(column, Object.hasOwn(row, column.name) ? row[column.name]! : fallback)]
      }),
    )
  }

  #insert(
    table: ReferenceTable,
    row: Row,
    { onConflict, ttlMs }: Extract<TableMutation, { type: 'insert' }>,
    index: number,
  ): boolean {
    const cells = this.#complete(table, row)
    const existing = this.#conflicting(table, cells, onConflict?.target)
    if (existing === undefined) {
      if (table.rows.has(idOf(table, cells))) throw new Refusal('duplicate_key', table.name, { index, actualSeq: 0 })
      this.#put(table, cells, undefined, expiry(this.#entry, ttlMs))
      return true
    }
    if (onConflict === undefined) throw new Refusal('duplicate_key', table.name, { index, actualSeq: 0 })
    const { action } = onConflict
    if (action === 'nothing') return false
    if (action === 'merge') {
      const given = Object.entries(cells).filter(([name, cell]) => Object.hasOwn(row, name) && cell !== null)
      const key = Object.fromEntries(table.definition.primaryKey.map(name => [name, existing.cells[name]!]))
      this.#put(table, { ...existing.cells, ...Object.fromEntries(given), ...key }, existing, existing.expiresAtMicros)
      return true
    }
    this.#update(table, existing, action.update, cells)
    return true
  }

  #conflicting(
    table: ReferenceTable,
    cells: Row,
    target: { index: string } | { columns: readonly string[] } | undefined,
  ): ReferenceRow | undefined {
    if (target === undefined) return table.rows.get(idOf(table, cells))
    const { primaryKey, indexes = [] } = table.definition
    const columns = 'columns' in target ? target.columns : indexes.find(({ name }) => name === target.index)?.columns
    const isUnique =
      columns !== undefined &&
      (primaryKey.join() === columns.join() ||
        indexes.some(index => index.unique === true && index.columns.join() === columns.join()))
    if (!isUnique) throw new Refusal('invalid_argument', 'no unique index')
    return [...table.rows.values()].find(row =>
      columns.every(name => cells[name] !== null && equal(row.cells[name]!, cells[name]!)),
    )
  }

  #update(table: ReferenceTable, row: ReferenceRow, updates: Updates, proposed?: Row): void {
    const next = { ...row.cells }
    for (const [name, update] of Object.entries(updates)) {
      const column = columnOf(table.definition, name)
      if (table.definition.primaryKey.includes(name)) throw new Refusal('invalid_argument', 'key')
      next[name] = cellOf(column, updatedCell(column, next, update, proposed))
    }
    this.#put(table, next, row, row.expiresAtMicros)
  }

  #put(
    table: ReferenceTable,
    cells: Record<string, Value>,
    before: ReferenceRow | undefined,
    expiresAtMicros: number | undefined,
  ): void {
    const { columns, checks = [], indexes = [], foreignKeys = [] } = table.definition
    for (const { name, nullable } of columns) {
      if (cells[name] === null && nullable !== true) throw new Refusal('not_null_violation', name)
    }
    for (const { name, check } of checks) {
      if (matches(table, cells, check, '') === false) throw new Refusal('check_failed', name)
    }
    for (const index of indexes) if (index.unique === true) requireUnique(table, index, cells, before)
    for (const key of foreignKeys) this.#requireReferenced(table, key, cells)
    const id = idOf(table, cells)
    table.rows.set(id, {
      key: keyOf(table, cells),
      cells,
      seq: this.#entry.seq,
      createdSeq: before?.createdSeq ?? this.#entry.seq,
      expiresAtMicros,
    })
  }

  #referenced(table: ReferenceTable, key: ForeignKeyDefinition): { other: ReferenceTable; columns: readonly string[] } {
    const { project = table.project, scope = project === table.project ? table.scope : DEFAULT_SCOPE } = key
    const other = this.table({ project, scope, table: key.table })
    return { other, columns: key.references ?? other.definition.primaryKey }
  }

  #requireReferenced(table: ReferenceTable, key: ForeignKeyDefinition, cells: Row): void {
    if (key.columns.some(name => cells[name] === null)) return
    const { other, columns } = this.#referenced(table, key)
    const isThere = [...other.rows.values()].some(row =>
      columns.every((name, i) => equal(row.cells[name]!, cells[key.columns[i]!]!)),
    )
    if (!isThere) throw new Refusal('foreign_key_violation', key.name)
  }

  #delete(table: ReferenceTable, row: ReferenceRow, depth: number): void {
    if (depth > 8) throw new Refusal('foreign_key_violation', 'too deep')
    table.rows.delete(idOf(table, row.cells))
    for (const dependent of this.#tables.values()) {
      for (const key of dependent.definition.foreignKeys ?? []) {
        const { other, columns } = this.#referenced(dependent, key)
        if (other !== table) continue
        const rows = [...dependent.rows.values()].filter(candidate =>
          columns.every((name, i) => equal(candidate.cells[key.columns[i]!]!, row.cells[name]!)),
        )
        for (const candidate of rows) this.#onDelete(dependent, key, candidate, depth)
      }
    }
  }

  #onDelete(table: ReferenceTable, key: ForeignKeyDefinition, row: ReferenceRow, depth: number): void {
    const { onDelete = 'restrict' } = key
    if (onDelete === 'cascade') return this.#delete(table, row, depth + 1)
    if (onDelete !== 'setNull' && onDelete !== 'setDefault') throw new Refusal('foreign_key_violation', key.name)
    const cells = { ...row.cells }
    for (const name of key.columns) {
      cells[name] = onDelete === 'setNull' ? null : (columnOf(table.definition, name).default ?? null)
    }
    this.#put(table, cells, row, row.expiresAtMicros)
  }

  // Assertions.

  check(assertion: TableAssertion, index: number): void {
    const table = this.table(assertion)
    const { project, scope = DEFAULT_SCOPE, table: name } = assertion
    const may = (type: 'tableRead' | 'tableWrite'): boolean => this.#entry.allows({ type, project, scope, table: name })
    if (!may('tableRead') && !may('tableWrite')) throw new Refusal('permission_denied', name)
    const fail = (actualSeq?: number): never => {
      throw new Refusal('assertion_failed', `assertion ${index}`, { index, actualSeq: actualSeq ?? 0 })
    }
    if ('key' in assertion) {
      const row = table.rows.get(idOf(table, assertion.key))
      if (assertion.type === 'rowVersion') return (row?.seq ?? 0) === assertion.seq ? undefined : fail(row?.seq)
      if (assertion.type === 'rowExists') return (row !== undefined) === assertion.expected ? undefined : fail(row?.seq)
      const { column, op, value } = assertion
      if (row === undefined || matches(table, row.cells, { op, column, value }, '') !== true) fail(row?.seq)
      return
    }
    const rows = rowsWhere(table, assertion.where, undefined, this.#entry.caller)
    if (assertion.type === 'count') {
      if (!compares(rows.length, assertion.op, assertion.value)) fail()
      return
    }
    const cells = rows.map(row => row.cells[assertion.column] ?? null).filter(cell => cell !== null)
    const sum = cells.reduce<bigint>((total, cell) => total + BigInt(cell as number), 0n)
    if (!compares(sum, assertion.op, assertion.value)) fail()
  }
}

function compares(a: Value, op: ComparisonOperator, b: Value): boolean {
  const order = compareColumnValues(a, b)
  if (op === 'eq' || op === 'ne') return (order === 0) === (op === 'eq')
  return op === 'lt' ? order < 0 : op === 'lte' ? order <= 0 : op === 'gt' ? order > 0 : order >= 0
}

function equal(a: Value, b: Value): boolean {
  return a !== null && b !== null && compareColumnValues(a, b) === 0
}

function expiry({ timeMicros }: Entry, ttlMs: number | undefined): number | undefined {
  return ttlMs === undefined ? undefined : timeMicros + ttlMs * 1000
}

function requireDefinition({ columns, primaryKey, indexes = [], checks = [] }: TableDefinitionData): void {
  const names = columns.map(({ name }) => name)
  if (new Set(names).size !== names.length || primaryKey.length === 0) throw new Refusal('invalid_argument', 'columns')
  for (const name of [...primaryKey, ...indexes.flatMap(index => index.columns)])
    columnOf({ columns, primaryKey }, name)
  for (const name of primaryKey) {
    if (columns.find(column => column.name === name)?.nullable === true)
      throw new Refusal('invalid_argument', 'nullable key')
  }
  for (const { check } of checks) compiled({ columns, primaryKey }, check, '')
}

function requireUnique(
  table: ReferenceTable,
  index: IndexDefinition,
  cells: Row,
  before: ReferenceRow | undefined,
): void {
  if (index.columns.some(name => cells[name] === null)) return
  if (index.where !== undefined && matches(table, cells, index.where, '') !== true) return
  for (const row of table.rows.values()) {
    if (row === before || (index.where !== undefined && matches(table, row.cells, index.where, '') !== true)) continue
    if (before !== undefined && compareBytes(row.key, before.key) === 0) continue
    if (idOf(table, row.cells) === idOf(table, cells)) continue
    if (index.columns.every(name => equal(row.cells[name]!, cells[name]!))) {
      throw new Refusal('unique_violation', index.name)
    }
  }
}

export function columnOf({ columns }: TableDefinitionData, name: string): ColumnDefinition {
  const column = columns.find(column => column.name === name)
  if (column === undefined) throw new Refusal('column_not_found', name)
  return column
}

function cellOf({ name, type }: ColumnDefinition, value: Value): Value {
  const cell = toColumnValue(type, value)
  if (cell === MISMATCH) throw new Refusal('type_mismatch', name)
  return cell
}

function updatedCell(column: ColumnDefinition, row: Row, update: UpdateExpr, proposed: Row | undefined): Value {
  const cell = row[column.name]!
  if ('set' in update) return update.set
  if ('copy' in update) return row[update.copy] ?? null
  if ('coalesce' in update) return cell ?? update.coalesce
  if ('proposed' in update) return proposed?.[update.proposed] ?? null
  const amount =
    'add' in update
      ? BigInt(update.add)
      : 'subtract' in update
        ? -BigInt(update.subtract)
        : BigInt((proposed?.[update.addProposed] ?? 0) as number)
  if (cell === null) return null
  const sum = BigInt(cell as number) + amount
  const next = column.type.endsWith('256') ? sum : narrow(sum)
  if (toColumnValue(column.type, next) === MISMATCH)
    throw new Refusal(amount < 0n ? 'underflow' : 'overflow', column.name)
  return next
}

export function keyOf({ definition }: ReferenceTable, cells: Row): Uint8Array {
  const writer = new ByteWriter(64)
  for (const name of definition.primaryKey) {
    const column = columnOf(definition, name)
    if (!Object.hasOwn(cells, name)) throw new Refusal('invalid_argument', `key without ${name}`)
    if (cells[name] === null) throw new Refusal('not_null_violation', name)
    writeKeyValue(writer, column.type, cellOf(column, cells[name]!))
  }
  return writer.finish()
}

function idOf(table: ReferenceTable, cells: Row): string {
  return bytesToHex(keyOf(table, cells))
}

function sortedRows(table: ReferenceTable): ReferenceRow[] {
  return [...table.rows.values()].sort((a, b) => compareBytes(a.key, b.key))
}

function compiled({ columns }: TableDefinitionData, expr: Expr, caller: string): (cells: Row) => boolean | null {
  const names = {
    position: (name: string) => {
      const at = columns.findIndex(column => column.name === name)
      return at < 0 ? undefined : at
    },
    columns,
  }
  const condition = compileCondition(expr, names, caller)
  if (condition instanceof InvalidExpression) throw new Refusal(condition.code, condition.message)
  return cells => condition(new CellList(columns.map(({ name }) => cells[name] ?? null)))
}

function matches(table: ReferenceTable, cells: Row, expr: Expr, caller: string): boolean | null {
  return compiled(table.definition, expr, caller)(cells)
}

/** In the order of the primary key. */
export function rowsWhere(
  table: ReferenceTable,
  where: Expr | undefined,
  policy: Expr | undefined,
  caller: string,
): ReferenceRow[] {
  const conditions = [where, policy].filter(expr => expr !== undefined)
  const tests = conditions.map(expr => compiled(table.definition, expr, caller))
  return sortedRows(table).filter(row => tests.every(test => test(row.cells) === true))
}
