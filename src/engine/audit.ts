import { ByteReader, ByteWriter, readU64, writeU64 } from '../encoding/index.ts'
import type { AuditRow } from '../model/index.ts'
import type { EntryWork } from './entry-work.ts'
import { auditKey, AUDIT_COUNT_KEY, AUDIT_PREFIX, readU64BE } from './layers.ts'
import { prefixEnd } from './record-store.ts'
import type { RecordReader } from './record-store.ts'

const FORMAT = 1
const KINDS = ['', 'impersonated', 'denied'] as const
/** Rows that one entry may remove: more than it adds, so that a lower bound is reached. */
const REMOVED_MAX = 4
const AUDIT_ROW_KEY_AT = 2

/**
 * Adds the audit row of this entry (docs/formats/layers.md), and removes the oldest ones above `auditRowsMax`: the same on all replicas,
 * part of the entry. Throws `ColdPages`.
 */
export function recordAudit(work: EntryWork, row: Omit<AuditRow, 'seq' | 'timeMicros'>): void {
  const { changes, seq, timeMicros, state } = work
  const { auditRowsMax } = state.settings
  let count = readCount(changes)
  if (auditRowsMax === 0 && count === 0) return
  if (auditRowsMax > 0) {
    changes.put(auditKey(seq), encodeRow({ ...row, seq, timeMicros }))
    count++
  }
  const oldest: Uint8Array[] = []
  if (count > auditRowsMax) {
    const wanted = Math.min(count - auditRowsMax, REMOVED_MAX)
    changes.walk(AUDIT_PREFIX, prefixEnd(AUDIT_PREFIX), false, key => {
      oldest.push(key.slice())
      return oldest.length < wanted
    })
  }
  for (const key of oldest) changes.delete(key)
  putCount(work, count - oldest.length)
}

/** The newest rows below `beforeSeq`, newest first. Throws `ColdPages`. */
export function readAudit(reader: RecordReader, limit: number, beforeSeq: number): AuditRow[] {
  const rows: AuditRow[] = []
  if (limit < 1) return rows
  reader.walk(AUDIT_PREFIX, auditKey(beforeSeq), true, (key, _, value) => {
    rows.push(decodeRow(readU64BE(key, AUDIT_ROW_KEY_AT), value()))
    return rows.length < limit
  })
  return rows
}

function readCount(reader: RecordReader): number {
  const record = reader.get(AUDIT_COUNT_KEY)
  return record === undefined ? 0 : readU64(record.value, 0)
}

function putCount({ changes }: EntryWork, count: number): void {
  const bytes = new Uint8Array(8)
  writeU64(bytes, 0, count)
  changes.put(AUDIT_COUNT_KEY, bytes, changes.metadata(AUDIT_COUNT_KEY)?.createdSeq)
}

function encodeRow({ kind, timeMicros, actor, caller, code }: AuditRow): Uint8Array {
  const writer = new ByteWriter(64)
  writer.u8(FORMAT)
  writer.u8(KINDS.indexOf(kind))
  writer.u64(timeMicros)
  for (const text of [actor, caller, code]) writer.text16(text)
  return writer.finish()
}

function decodeRow(seq: number, bytes: Uint8Array): AuditRow {
  const reader = new ByteReader(bytes)
  reader.u8()
  const kind = KINDS[reader.u8()] as AuditRow['kind']
  const timeMicros = reader.u64()
  return { seq, timeMicros, kind, actor: reader.text16(), caller: reader.text16(), code: reader.text16() }
}
