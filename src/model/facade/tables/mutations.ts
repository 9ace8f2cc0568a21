import type { OnConflict, TableMutation } from '../../../encoding/index.ts'
import { invalid, requireTtl } from '../arguments.ts'
import type { TableAccess } from './table-access.ts'

/** Mutations of rows out of what programs give. All throw QuorateError: `invalid_argument`, `type_mismatch`, `column_not_found`. */

interface ConflictOptions {
  target?: { index: string } | { columns: readonly string[] }
  action: 'nothing' | 'merge' | { update: object }
}

export function insertMutation(
  access: TableAccess,
  rows: readonly object[],
  options: { ttlMs?: number; onConflict?: ConflictOptions } = {},
): TableMutation {
  const { onConflict } = options
  return {
    type: 'insert',
    ...access.target,
    rows: encodeRows(access, rows),
    ...ttl(options),
    ...(onConflict !== undefined && { onConflict: conflict(access, onConflict) }),
  }
}

export function upsertMutation(
  access: TableAccess,
  rows: readonly object[],
  options: { ttlMs?: number } = {},
): TableMutation {
  return { type: 'upsert', ...access.target, rows: encodeRows(access, rows), ...ttl(options) }
}

export function updateMutation(access: TableAccess, key: unknown, set: object): TableMutation {
  return { type: 'update', ...access.target, key: access.encodeKey(key), set: access.encodeUpdates(set) }
}

export function deleteMutation(access: TableAccess, key: unknown): TableMutation {
  return { type: 'delete', ...access.target, key: access.encodeKey(key) }
}

export function updateWhereMutation(
  access: TableAccess,
  where: unknown,
  set: object,
  options: { limit?: number } = {},
): TableMutation {
  return { type: 'updateWhere', ...access.target, ...selection(access, where, options), set: access.encodeUpdates(set) }
}

export function deleteWhereMutation(
  access: TableAccess,
  where: unknown,
  options: { limit?: number } = {},
): TableMutation {
  return { type: 'deleteWhere', ...access.target, ...selection(access, where, options) }
}

function encodeRows(access: TableAccess, rows: readonly object[]): ReturnType<TableAccess['encodeRow']>[] {
  if (!Array.isArray(rows) || rows.length === 0) throw invalid('no row is given')
  return rows.map(row => access.encodeRow(row as object))
}

function ttl({ ttlMs }: { ttlMs?: number }): { ttlMs?: number } {
  return ttlMs === undefined ? {} : { ttlMs: requireTtl(ttlMs) }
}

function conflict(access: TableAccess, { target, action }: ConflictOptions): OnConflict {
  return {
    ...(target !== undefined && { target }),
    action: typeof action === 'string' ? action : { update: access.encodeUpdates(action.update) },
  }
}

function selection(
  access: TableAccess,
  where: unknown,
  { limit }: { limit?: number },
): Pick<Extract<TableMutation, { type: 'deleteWhere' }>, 'where' | 'limit'> {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw invalid(`limit is a whole number from 1, not ${String(limit)}`)
  }
  return {
    ...(where !== undefined && { where: access.condition(where) }),
    ...(limit !== undefined && { limit }),
  }
}
