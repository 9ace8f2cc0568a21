import {
  bytesToHex,
  hexToBytes,
  MalformedBytes,
  readDdl,
  writeDdl,
  ByteWriter,
  type ByteReader,
} from '../../encoding/index.ts'
import { AUDIT_KINDS } from '../audit.ts'
import type { AuditPage, AuditRow } from '../audit.ts'
import { readBoolean, readList } from './lists.ts'

/** Binary audit rows. */

/** u64 seq, u64 time, u8 kind, three text16, u8 flags. */
const ROW_BYTES_MIN = 24
const HASH_BYTES = 32
const HAS_OPERATION = 1
const HAS_ASSERTION = 2
const HAS_HASHES = 4

export function writeAudit(out: ByteWriter, { rows, isIntact, count, headHash }: AuditPage): void {
  out.u8(isIntact ? 1 : 0)
  out.u64(count)
  out.raw(hexToBytes(headHash))
  out.u32(rows.length)
  for (const row of rows) writeRow(out, row)
}

function writeRow(out: ByteWriter, row: AuditRow): void {
  const { operation, assertion, hash, previousHash } = row
  out.u64(row.seq)
  out.u64(row.timeMicros)
  out.u8(AUDIT_KINDS.indexOf(row.kind))
  for (const text of [row.actor, row.caller, row.code]) out.text16(text)
  const hasHashes = hash !== undefined && previousHash !== undefined
  out.u8(
    (operation === undefined ? 0 : HAS_OPERATION) |
      (assertion === undefined ? 0 : HAS_ASSERTION) |
      (hasHashes ? HAS_HASHES : 0),
  )
  if (operation !== undefined) {
    const body = new ByteWriter(128)
    writeDdl(body, operation)
    out.bytes32(body.finish())
  }
  if (assertion !== undefined) {
    out.u32(assertion.index)
    out.u64(assertion.actualSeq)
  }
  if (hasHashes) for (const each of [hash, previousHash]) out.raw(hexToBytes(each))
}

export function readAudit(reader: ByteReader): AuditPage {
  const isIntact = readBoolean(reader)
  const count = reader.u64()
  const headHash = bytesToHex(reader.raw(HASH_BYTES))
  return { rows: readList(reader, ROW_BYTES_MIN, readRow), isIntact, count, headHash }
}

function readRow(reader: ByteReader): AuditRow {
  const [seq, timeMicros] = [reader.u64(), reader.u64()]
  const kind = AUDIT_KINDS[reader.u8()]
  const [actor, caller, code] = [reader.text16(), reader.text16(), reader.text16()]
  const flags = reader.u8()
  if (kind === undefined || flags > 7) throw new MalformedBytes('audit row')
  const row = { seq, timeMicros, kind, actor, caller, code }
  return {
    ...row,
    ...((flags & HAS_OPERATION) !== 0 && { operation: readOperation(reader.bytes32()) }),
    ...((flags & HAS_ASSERTION) !== 0 && { assertion: { index: reader.u32(), actualSeq: reader.u64() } }),
    ...((flags & HAS_HASHES) !== 0 && {
      hash: bytesToHex(reader.raw(HASH_BYTES)),
      previousHash: bytesToHex(reader.raw(HASH_BYTES)),
    }),
  }
}

function readOperation(bytes: Uint8Array): ReturnType<typeof readDdl> {
  return readDdl({ bytes, bodyStart: 0, bodyEnd: bytes.length })
}
