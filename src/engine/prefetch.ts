import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  EnvelopeCursor,
  isKeyOp,
  MalformedBytes,
  readEntryHeader,
  readNamespaces,
  requestEnvelopeStart,
} from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import type { Catalog } from './catalog/index.ts'
import { kvKey } from './layers.ts'

const cursor = new EnvelopeCursor()

/** The full keys that the transactions of a batch name: what their apply will look for. Malformed ones are left to apply. */
export function declaredKeys(batch: EntryBatch, catalog: Catalog): Uint8Array[] {
  const { bytes } = batch
  const keys: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const { kind, length } = readEntryHeader(bytes, at, bytes.length)
    if (kind === EntryKind.transaction) addKeys(keys, bytes, at + ENTRY_HEADER_BYTES, at + length, catalog)
    at += length
  }
  return keys
}

function addKeys(keys: Uint8Array[], bytes: Uint8Array, start: number, end: number, catalog: Catalog): void {
  try {
    cursor.open(bytes, requestEnvelopeStart(bytes, start, end), end)
    const scopes = readNamespaces(cursor).map(({ project, scope }) => catalog.scope(project, scope))
    while (cursor.next()) {
      const scope = isKeyOp(cursor.op) ? scopes[cursor.namespace] : undefined
      if (scope !== undefined) keys.push(kvKey(scope.id, bytes, cursor.keyStart, cursor.keyEnd))
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
  }
}
