import type { Ddl, MutationResult, TableDdl } from '../../encoding/index.ts'
import { alterColumns } from './reference-alterations.ts'
import type { ReferenceEvents } from './reference-events.ts'
import type { ReferenceGrants } from './reference-grants.ts'
import type { ReferenceKeys } from './reference-keys.ts'
import type { ReferenceTable, ReferenceTables } from './reference-tables.ts'

/** What an operation answers, or the code with which it is refused; `either` = true or false, as it comes. */
export type DdlAnswer = { readonly result: MutationResult | 'either' } | string

/** The settings that the simulated clients change. */
export interface ReferenceSettings {
  sessionLifetimeMicros: number
  tickKeysMax: number
}

interface Parts {
  readonly keys: ReferenceKeys
  readonly tables: ReferenceTables
  readonly grants: ReferenceGrants
  readonly events: ReferenceEvents
  readonly settings: ReferenceSettings
}

/** Changes of the catalog, of permissions and of settings. */
export class ReferenceDdl {
  readonly #parts: Parts
  /** Records that the project may have; undefined = any number. */
  quota: number | undefined
  #savedQuota: number | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  begin(): void {
    this.#savedQuota = this.quota
  }

  rollBack(): void {
    this.quota = this.#savedQuota
  }

  apply(operation: Ddl, seq: number, timeMicros: number): DdlAnswer {
    const { keys, grants, tables, events, settings } = this.#parts
    switch (operation.type) {
      case 'createProject':
        if (keys.hasProject(operation.project)) return existing(operation.ifNotExists)
        keys.addScope(operation.project, 'app')
        return { result: true }
      case 'createScope':
        if (!keys.hasProject(operation.project)) return 'project_not_found'
        if (keys.hasScope(operation)) return existing(operation.ifNotExists)
        keys.addScope(operation.project, operation.scope)
        return { result: true }
      case 'dropScope':
        if (!keys.hasScope(operation)) {
          if (operation.ifExists === true) return { result: false }
          return missing(keys.hasProject(operation.project))
        }
        keys.dropScope(operation.project, operation.scope)
        return { result: true }
      case 'setSetting':
        if (operation.name === 'sessionLifetimeMs') settings.sessionLifetimeMicros = operation.value * 1000
        if (operation.name === 'tickKeysMax') settings.tickKeysMax = operation.value
        return { result: true }
      case 'grant':
      case 'revoke': {
        const hasTable = (name: string): boolean => tables.tables.some(table => table.name === name)
        const changed = grants.change(operation, { scopeId: name => keys.scopeId(name), hasTable })
        return changed === undefined ? 'not_found' : { result: changed }
      }
      case 'setQuota': {
        const isChange = this.quota !== operation.records
        this.quota = operation.records
        return { result: isChange }
      }
      case 'compactEvents':
        return { result: events.compact(seq, timeMicros, operation) ?? 'either' }
      case 'createTable':
      case 'createIndex':
      case 'dropIndex':
      case 'alterTable':
      case 'setReadPolicy':
      case 'clearReadPolicy':
        return this.#changeTable(operation)
      default:
        throw new RangeError(`the reference does not know ${operation.type}`)
    }
  }

  #changeTable(operation: TableDdl): DdlAnswer {
    const { tables } = this.#parts
    const table = tables.tables.find(({ name }) => name === operation.table)
    tables.save()
    if (operation.type === 'createTable') {
      if (table !== undefined) return existing(operation.ifNotExists)
      const { indexes = [], checks = [], foreignKeys = [] } = operation
      tables.tables.push({
        name: operation.table,
        columns: [...operation.columns],
        primaryKey: [...operation.primaryKey],
        indexes: [...indexes],
        checks: [...checks],
        foreignKeys: [...foreignKeys],
        rows: [],
      })
      return { result: true }
    }
    return table === undefined ? 'table_not_found' : change(table, operation)
  }
}

function change(table: ReferenceTable, operation: Exclude<TableDdl, { type: 'createTable' }>): DdlAnswer {
  switch (operation.type) {
    case 'alterTable': {
      const found = alterColumns(table, operation.alteration)
      return typeof found === 'string' ? found : { result: found }
    }
    case 'setReadPolicy':
      table.policy = operation.policy
      return { result: true }
    case 'clearReadPolicy': {
      const isChange = table.policy !== undefined
      delete table.policy
      return { result: isChange }
    }
    case 'createIndex':
    case 'dropIndex': {
      // An index says nothing but whether it is there; what its rows are is the same with it and without.
      const name = operation.type === 'createIndex' ? operation.index.name : operation.name
      const others = table.indexes.filter(index => index.name !== name)
      const isThere = others.length < table.indexes.length
      if (isThere === (operation.type === 'createIndex')) return { result: false }
      if (operation.type === 'createIndex') {
        const has = (column: string): boolean => table.columns.some(other => other.name === column)
        if (!operation.index.columns.every(has)) return 'column_not_found'
      }
      table.indexes = operation.type === 'createIndex' ? [...others, operation.index] : others
      return { result: true }
    }
    default:
      throw new RangeError(`the reference does not know ${operation.type}`)
  }
}

function existing(mayBeThere: boolean | undefined): DdlAnswer {
  return mayBeThere === true ? { result: false } : 'already_exists'
}

export function missing(hasProject: boolean): string {
  return hasProject ? 'scope_not_found' : 'project_not_found'
}
