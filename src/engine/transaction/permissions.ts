import { isKeyOp, isTableOp, Op, readDdl } from '../../encoding/index.ts'
import type { Ddl, EnvelopeCursor, ForeignKeyDefinition, TableDdl, TableTarget } from '../../encoding/index.ts'
import { grantOf } from '../access/index.ts'
import type { CallerAccess } from '../access/index.ts'
import type { Catalog } from '../catalog/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Namespaces } from './namespaces.ts'
import { ownsReach, ownsTarget } from './ownership.ts'

const DEFAULT_SCOPE = 'app'
/** Of a scope that does not exist: only what reaches its whole project reaches it. */
const NO_SCOPE = -1

/**
 * Why the caller may not make the change that the cursor stands on, in the state before the transaction; undefined if it may. What the
 * transaction itself creates needs a permission that reaches further than it.
 */
export function deniedMutation(
  cursor: EnvelopeCursor,
  namespaces: Namespaces,
  catalog: Catalog,
  access: CallerAccess,
  caller: string,
): Refusal | undefined {
  const { op } = cursor
  if (access.isAdmin || op === Op.postflight) return undefined
  if (op === Op.ddl) return deniedDdl(readDdl(cursor), catalog, access, caller)
  const scope = namespaces.resolve(cursor.namespace, catalog)
  if ('code' in scope) return scope
  const { bytes, keyStart, keyEnd } = cursor
  if (isKeyOp(op)) {
    if (!access.mayUseKey('kvWrite', scope.projectId, scope.id, bytes, keyStart, keyEnd)) {
      return refuse('permission_denied', 'no permission to write this key')
    }
    const isAllowed = !readsKey(op) || access.mayUseKey('kvRead', scope.projectId, scope.id, bytes, keyStart, keyEnd)
    return isAllowed ? undefined : refuse('permission_denied', 'no permission to read this key')
  }
  if (op === Op.emitEvent) {
    const isAllowed = access.mayUseKey('kvWrite', scope.projectId, scope.id, bytes, 0, 0)
    return isAllowed
      ? undefined
      : refuse('permission_denied', 'events are emitted by who may write all keys of the scope')
  }
  if (!isTableOp(op)) return undefined
  const table = namespaces.resolveTable(cursor.namespace, catalog)
  const tableId = 'code' in table ? 0 : table.id
  if (!access.mayUseTable('tableWrite', scope.projectId, scope.id, tableId)) {
    return refuse('permission_denied', 'no permission to write this table')
  }
  if (!readsRows(op) || access.mayUseTable('tableRead', scope.projectId, scope.id, tableId)) return undefined
  return refuse('permission_denied', 'no permission to read this table')
}

/** Whether a mutation of a key computes with what is there: what it answers, or refuses, tells of it. */
function readsKey(op: number): boolean {
  return op !== Op.kvSet && op !== Op.kvDelete
}

/** Whether a mutation of rows has a condition, which tells something about them. */
export function readsRows(op: number): boolean {
  return op === Op.updateWhere || op === Op.deleteWhere
}

/** Why the caller may not change catalog, permissions or settings so; undefined if it may. */
export function deniedDdl(operation: Ddl, catalog: Catalog, access: CallerAccess, caller: string): Refusal | undefined {
  return access.isAdmin || mayApply(operation, catalog, access, caller)
    ? undefined
    : refuse('permission_denied', `${operation.type} needs a permission that the caller does not have`)
}

function mayApply(operation: Ddl, catalog: Catalog, access: CallerAccess, caller: string): boolean {
  switch (operation.type) {
    case 'createProject':
    case 'renameProject':
    case 'setSetting':
    case 'setQuota':
      return false
    case 'dropProject':
    case 'compactEvents':
    case 'createScope':
    case 'renameScope': {
      const project = catalog.project(operation.project)
      return project !== undefined && access.administersProject(project.id)
    }
    case 'dropScope': {
      const scope = catalog.scope(operation.project, operation.scope)
      return scope !== undefined && access.administersScope(scope.projectId, scope.id)
    }
    case 'grant':
    case 'revoke': {
      const grant = grantOf(catalog, operation.permission, false)
      return grant !== undefined && (access.mayGrant(grant) || ownsReach(catalog, grant, caller))
    }
    case 'transferOwnership':
      return ownsTarget(catalog, operation, caller)
    default:
      return mayChangeTable(operation, catalog, access)
  }
}

function mayChangeTable(operation: TableDdl, catalog: Catalog, access: CallerAccess): boolean {
  const project = catalog.project(operation.project)
  if (project === undefined) return false
  const scopeId = project.scopes.get(operation.scope ?? DEFAULT_SCOPE)?.id ?? NO_SCOPE
  if (!access.mayChangeTables(project.id, scopeId)) return false
  return foreignKeysOf(operation).every(foreignKey => mayReferTo(operation, foreignKey, catalog, access))
}

function foreignKeysOf(operation: TableDdl): readonly ForeignKeyDefinition[] {
  if (operation.type === 'createTable') return operation.foreignKeys ?? []
  if (operation.type !== 'alterTable' || operation.alteration.type !== 'addForeignKey') return []
  return [operation.alteration.foreignKey]
}

/** A foreign key tells which rows another table has, and keeps them there: it takes the same permission there, or that of reading it. */
function mayReferTo(
  target: TableTarget,
  foreignKey: ForeignKeyDefinition,
  catalog: Catalog,
  access: CallerAccess,
): boolean {
  const project = catalog.project(foreignKey.project ?? target.project)
  if (project === undefined) return true
  const ownScope = project.name === target.project ? (target.scope ?? DEFAULT_SCOPE) : DEFAULT_SCOPE
  const scope = project.scopes.get(foreignKey.scope ?? ownScope)
  if (scope === undefined || access.mayChangeTables(project.id, scope.id)) return true
  const tableId = catalog.table(scope.id, foreignKey.table)?.id ?? 0
  return access.mayUseTable('tableRead', project.id, scope.id, tableId)
}
