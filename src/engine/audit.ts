import { ByteReader, ByteWriter, bytesToHex, readDdl, readU64, sha256, writeU64 } from '../encoding/index.ts'
import type { Ddl } from '../encoding/index.ts'
import { AUDIT_KINDS, AUDIT_PAGE_ROWS_MAX, QuorateError } from '../model/index.ts'
import type { AuditPage, AuditRow, ReadRequest } from '../model/index.ts'
import type { EntryWork } from './entry-work.ts'
import { auditKey, AUDIT_COUNT_KEY, AUDIT_PREFIX, readU64BE } from './layers.ts'
import { prefixEnd } from './record-store.ts'
import type { RecordReader } from './record-store.ts'

const FORMAT = 2
/** Of rows without a chain. */
const FORMAT_UNCHAINED = 1
/** By their numbers in records. */
const KINDS = ['', ...AUDIT_KINDS] as const
/** Rows that may go for each that comes: more than one, so that a lower bound is reached. */
const REMOVED_MAX = 4
const AUDIT_ROW_KEY_AT = 2
const HASH_BYTES = 32
const NO_HASH = new Uint8Array(HASH_BYTES)
/** The first row of a chain has it as its previous one; behind it are only rows without a chain. */
const NO_HASH_TEXT = bytesToHex(NO_HASH)
const NO_DETAIL = new Uint8Array(0)
/** Settings that decide what is audited. */
const AUDIT_SETTINGS: readonly string[] = ['auditRowsMax', 'auditRefusals', 'auditAssertions']

/** What is to be kept of an entry. `detail`: the bytes of the operation, or of the assertion that failed. */
export interface AuditEvent {
  readonly kind: AuditRow['kind']
  readonly actor: string
  readonly caller: string
  readonly code: string
  readonly detail?: Uint8Array
}

/** How the change is called in audit rows; undefined = it is not audited. */
export function auditKindOf(operation: Ddl): AuditRow['kind'] | undefined {
  switch (operation.type) {
    case 'grant':
      return 'granted'
    case 'revoke':
      return 'revoked'
    case 'setReadPolicy':
      return 'policySet'
    case 'clearReadPolicy':
      return 'policyCleared'
    case 'transferOwnership':
      return 'ownerChanged'
    case 'setQuota':
      return 'settingChanged'
    case 'setSetting':
      return AUDIT_SETTINGS.includes(operation.name) ? 'settingChanged' : undefined
    default:
      return undefined
  }
}

/** Which assertion failed, and the version found. */
export function assertionDetail(index: number, actualSeq: number): Uint8Array {
  const writer = new ByteWriter(12)
  writer.u32(index)
  writer.u64(actualSeq)
  return writer.finish()
}

/**
 * Adds the audit rows of this entry (docs/formats/layers.md), each with the hash of the one before, and removes the oldest ones above
 * `auditRowsMax`: the same on all replicas, part of the entry. Throws `ColdPages`.
 */
export function recordAudit(work: EntryWork, events: readonly AuditEvent[]): void {
  const { changes, seq, timeMicros, state } = work
  const { auditRowsMax } = state.settings
  const head = readHead(changes)
  let { rows, hash } = head
  if (auditRowsMax === 0 && rows === 0) return
  if (auditRowsMax > 0) {
    events.forEach((event, number) => {
      const key = auditKey(seq, number)
      const value = encodeRow(event, timeMicros, hash)
      changes.put(key, value)
      hash = hashOf(key, value)
    })
    rows += events.length
  }
  const oldest: Uint8Array[] = []
  if (rows > auditRowsMax) {
    const wanted = Math.min(rows - auditRowsMax, REMOVED_MAX * events.length)
    changes.walk(AUDIT_PREFIX, prefixEnd(AUDIT_PREFIX), false, key => {
      oldest.push(key.slice())
      return oldest.length < wanted
    })
  }
  for (const key of oldest) changes.delete(key)
  putHead(work, { rows: rows - oldest.length, hash })
}

/** The newest rows below `beforeSeq`, newest first; a whole entry's at the least. Throws `ColdPages`. */
export function readAudit(reader: RecordReader, limit: number, beforeSeq: number): AuditPage {
  const rows: AuditRow[] = []
  const { rows: count, hash } = readHead(reader)
  // What the newer row says of this one; of the newest the head says it.
  let expected = beforeSeq === Number.MAX_SAFE_INTEGER ? bytesToHex(hash) : undefined
  let isIntact = true
  if (limit > 0) {
    reader.walk(AUDIT_PREFIX, auditKey(beforeSeq), true, (key, _, value) => {
      const row = decodeRow(key, value())
      if (rows.length >= limit && row.seq !== rows.at(-1)!.seq) return false
      if (expected !== undefined && row.hash !== (expected === NO_HASH_TEXT ? undefined : expected)) isIntact = false
      expected = row.previousHash
      rows.push(row)
      return true
    })
  }
  return { rows, isIntact, count, headHash: bytesToHex(hash) }
}

/** The page that a request asks for. Throws `ColdPages`. @throws QuorateError `invalid_argument` */
export function auditPage(reader: RecordReader, request: Extract<ReadRequest, { type: 'audit' }>): AuditPage {
  const { limit, beforeSeq } = request
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new QuorateError('invalid_argument', 'the limit of a page of audit rows is at least 1')
  }
  const before = beforeSeq === 0 ? Number.MAX_SAFE_INTEGER : beforeSeq
  return readAudit(reader, Math.min(limit, AUDIT_PAGE_ROWS_MAX), before)
}

interface Head {
  readonly rows: number
  /** Of the newest row that there ever was. */
  readonly hash: Uint8Array
}

function readHead(reader: RecordReader): Head {
  const record = reader.get(AUDIT_COUNT_KEY)
  if (record === undefined) return { rows: 0, hash: NO_HASH }
  const { value } = record
  return { rows: readU64(value, 0), hash: value.length > 8 ? value.slice(8) : NO_HASH }
}

function putHead({ changes }: EntryWork, { rows, hash }: Head): void {
  const bytes = new Uint8Array(8 + HASH_BYTES)
  writeU64(bytes, 0, rows)
  bytes.set(hash, 8)
  changes.put(AUDIT_COUNT_KEY, bytes, changes.metadata(AUDIT_COUNT_KEY)?.createdSeq)
}

function hashOf(key: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + value.length)
  bytes.set(key)
  bytes.set(value, key.length)
  return sha256(bytes)
}

function encodeRow(
  { kind, actor, caller, code, detail = NO_DETAIL }: AuditEvent,
  timeMicros: number,
  previous: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter(128 + detail.length)
  writer.u8(FORMAT)
  writer.u8(KINDS.indexOf(kind))
  writer.u64(timeMicros)
  for (const text of [actor, caller, code]) writer.text16(text)
  writer.bytes32(detail)
  writer.raw(previous)
  return writer.finish()
}

function decodeRow(key: Uint8Array, bytes: Uint8Array): AuditRow {
  const reader = new ByteReader(bytes)
  const format = reader.u8()
  const kind = KINDS[reader.u8()] as AuditRow['kind']
  const timeMicros = reader.u64()
  const seq = readU64BE(key, AUDIT_ROW_KEY_AT)
  const row = { seq, timeMicros, kind, actor: reader.text16(), caller: reader.text16(), code: reader.text16() }
  if (format === FORMAT_UNCHAINED) return row
  const detail = reader.bytes32()
  const previousHash = bytesToHex(reader.raw(HASH_BYTES))
  return { ...row, ...detailOf(kind, detail), previousHash, hash: bytesToHex(hashOf(key, bytes)) }
}

function detailOf(kind: AuditRow['kind'], detail: Uint8Array): Pick<AuditRow, 'operation' | 'assertion'> {
  if (detail.length === 0) return {}
  if (kind === 'assertionFailed') {
    const reader = new ByteReader(detail)
    return { assertion: { index: reader.u32(), actualSeq: reader.u64() } }
  }
  return { operation: readDdl({ bytes: detail, bodyStart: 0, bodyEnd: detail.length }) }
}
