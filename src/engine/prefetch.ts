import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  EnvelopeCursor,
  isKeyOp,
  isTableOp,
  MalformedBytes,
  Op,
  readEntryHeader,
  readNamespaces,
  readTableMutation,
  readTableName,
  requestEnvelopeStart,
} from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import type { ClusterState } from './cluster-state.ts'
import { kvKey } from './layers.ts'
import { addDeclaredKeys } from './rows/index.ts'

const cursor = new EnvelopeCursor()

/** The full keys that the transactions of a batch name: what their apply will look for. Malformed ones are left to apply. */
export function declaredKeys(batch: EntryBatch, state: ClusterState): Uint8Array[] {
  const { bytes } = batch
  const keys: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const { kind, length, leaderTimeMicros } = readEntryHeader(bytes, at, bytes.length)
    if (kind === EntryKind.transaction) {
      addKeys(keys, bytes, at + ENTRY_HEADER_BYTES, at + length, state, leaderTimeMicros)
    }
    at += length
  }
  return keys
}

function addKeys(
  keys: Uint8Array[],
  bytes: Uint8Array,
  start: number,
  end: number,
  { catalog, settings }: ClusterState,
  timeMicros: number,
): void {
  try {
    cursor.open(bytes, requestEnvelopeStart(bytes, start, end), end)
    const scopes = readNamespaces(cursor).map(({ project, scope }) => catalog.scope(project, scope))
    while (cursor.next()) {
      const { op } = cursor
      const scope = isKeyOp(op) || isTableOp(op) ? scopes[cursor.namespace] : undefined
      if (scope === undefined) continue
      if (isKeyOp(op)) keys.push(kvKey(scope.id, bytes, cursor.keyStart, cursor.keyEnd))
      else if (op >= Op.insert) {
        const name = readTableName(cursor)
        const table = catalog.table(scope.id, name)
        if (table === undefined) continue
        const mutation = readTableMutation(cursor, { project: '', scope: '', table: name })
        addDeclaredKeys(keys, table, mutation, settings, timeMicros)
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
  }
}
