import type { Row, TableMutation } from '../../encoding/index.ts'
import type { ClusterSettings } from '../../model/index.ts'
import type { Table } from '../tables/index.ts'
import { isRefusal, keyOfCells, keyOfRow, proposeRow } from './cells.ts'
import { isIndexed, planOf } from './plan.ts'
import { entryKey } from './statement.ts'

/** Adds the keys that a mutation names: of its rows, and of the index entries that new ones will have. What does not fit adds none. */
export function addDeclaredKeys(
  keys: Uint8Array[],
  table: Table,
  mutation: TableMutation,
  settings: ClusterSettings,
  timeMicros: number,
): void {
  switch (mutation.type) {
    case 'insert':
    case 'upsert':
      for (const row of mutation.rows) addNewRow(keys, table, row, settings, timeMicros)
      return
    case 'update':
    case 'delete': {
      const key = keyOfRow(table, mutation.key, settings)
      if (key instanceof Uint8Array) keys.push(key)
      return
    }
    case 'updateWhere':
    case 'deleteWhere':
      return
    default:
      throw new RangeError(`mutation ${String(mutation satisfies never)}`)
  }
}

function addNewRow(keys: Uint8Array[], table: Table, row: Row, settings: ClusterSettings, timeMicros: number): void {
  const proposed = proposeRow(table, row, settings, timeMicros)
  if (isRefusal(proposed)) return
  const key = keyOfCells(table, proposed.cells, settings)
  if (!(key instanceof Uint8Array)) return
  keys.push(key)
  for (const index of planOf(table).indexes) {
    if (isIndexed(index, proposed.cells)) keys.push(entryKey(table, index, proposed.cells, key))
  }
}
