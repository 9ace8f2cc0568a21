import { childChecksum, childIndex, childPage } from './branch.ts'
import type { Cold } from './cold.ts'
import { readExtentPointer } from './extents.ts'
import type { PageRef } from './page.ts'
import { pageLevel, searchPage } from './page.ts'
import type { RecordMetadata, RecordView } from './record.ts'
import { copyBytes, RecordRef } from './record.ts'
import type { Storage } from './storage.ts'

/** hot path (bench/keyspace): points `ref` at the leaf that would hold `key`. */
export function findLeaf(
  storage: Storage,
  root: number,
  key: Uint8Array,
  length: number,
  ref: PageRef,
): Cold | undefined {
  const table = storage.table
  if (!table.locate(root, ref)) return storage.cold.only(root, 0)
  while (pageLevel(ref) > 0) {
    const index = childIndex(ref, key, length)
    const page = childPage(ref, index)
    if (!table.locate(page, ref)) return storage.cold.only(page, childChecksum(ref, index))
  }
  return undefined
}

const record = new RecordRef()

/** hot path (bench/keyspace) */
export function readRecord(
  storage: Storage,
  root: number,
  key: Uint8Array,
  ref: PageRef,
): RecordView | undefined | Cold {
  const cold = findLeaf(storage, root, key, key.length, ref)
  if (cold !== undefined) return cold
  const index = searchPage(ref, key, key.length, 0)
  if (index < 0) return undefined
  return recordAt(storage, ref, index)
}

/** The record in cell `index` of a leaf, its value copied. */
export function recordAt(storage: Storage, ref: PageRef, index: number): RecordView | Cold {
  record.read(ref, index)
  const { versionSeq, createdSeq, expiresAtMicros } = record
  if (!record.isLarge) {
    const value = copyBytes(record.bytes, record.valueAt, record.valueBytes)
    return { value, versionSeq, createdSeq, expiresAtMicros }
  }
  const pointer = readExtentPointer(record.bytes, record.valueAt)
  const own = storage.extents.handOver(pointer.page)
  const bytes = own ?? storage.extents.get(pointer.page)
  if (bytes === undefined) return storage.cold.only(pointer.page, pointer.checksum, pointer.length)
  storage.traffic.valueReads++
  return { value: own ?? bytes.slice(), versionSeq, createdSeq, expiresAtMicros }
}

export function metadataAt(ref: PageRef, index: number): RecordMetadata {
  record.read(ref, index)
  const { versionSeq, createdSeq, expiresAtMicros } = record
  const valueBytes = record.isLarge ? readExtentPointer(record.bytes, record.valueAt).length : record.valueBytes
  return { versionSeq, createdSeq, expiresAtMicros, valueBytes }
}

export function readMetadata(
  storage: Storage,
  root: number,
  key: Uint8Array,
  ref: PageRef,
): RecordMetadata | undefined | Cold {
  const cold = findLeaf(storage, root, key, key.length, ref)
  if (cold !== undefined) return cold
  const index = searchPage(ref, key, key.length, 0)
  return index < 0 ? undefined : metadataAt(ref, index)
}
