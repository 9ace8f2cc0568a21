import {
  bytesToHex,
  MalformedBytes,
  readCells,
  writeCells,
  type ByteReader,
  type ByteWriter,
} from '../../encoding/index.ts'
import { formatToken, parseToken, type Consistency, type Token } from '../consistency.ts'
import type { ReadRequest } from '../reads.ts'
import { readEventsRequest, readSummaryRequest, writeEventsRequest, writeSummaryRequest } from './event-bytes.ts'
import { readBoolean, readCount, readList } from './lists.ts'
import { readQuery, writeQuery } from './query-bytes.ts'

/** Binary consistency levels, tokens and read requests. */

const U32_MAX = 0xffffffff

const ConsistencyCode = {
  linearizable: 0,
  lease: 1,
  maxStaleMs: 2,
  minSeq: 3,
  atSeq: 4,
  checkpoint: 5,
  local: 6,
} as const

export function writeConsistency(out: ByteWriter, consistency: Consistency): void {
  if (typeof consistency === 'string') return out.u8(ConsistencyCode[consistency])
  if ('maxStaleMs' in consistency) {
    out.u8(ConsistencyCode.maxStaleMs)
    return writeMs(out, Math.floor(consistency.maxStaleMs))
  }
  const isMin = 'minSeq' in consistency
  out.u8(isMin ? ConsistencyCode.minSeq : ConsistencyCode.atSeq)
  return writeToken(out, isMin ? consistency.minSeq : consistency.atSeq)
}

/** A duration as u32 ms, rounded up, at most the longest that fits: a short one or a wrapped one would turn into `no bound` or `at once`. */
export function writeMs(out: ByteWriter, ms: number): void {
  if (!(ms >= 0)) throw new RangeError(`${ms} ms`)
  out.u32(Math.min(Math.ceil(ms), U32_MAX))
}

export function readConsistency(reader: ByteReader): Consistency {
  const code = reader.u8()
  switch (code) {
    case ConsistencyCode.linearizable:
      return 'linearizable'
    case ConsistencyCode.lease:
      return 'lease'
    case ConsistencyCode.maxStaleMs:
      return { maxStaleMs: reader.u32() }
    case ConsistencyCode.minSeq:
      return { minSeq: readToken(reader) }
    case ConsistencyCode.atSeq:
      return { atSeq: readToken(reader) }
    case ConsistencyCode.checkpoint:
      return 'checkpoint'
    case ConsistencyCode.local:
      return 'local'
    default:
      throw new MalformedBytes(`consistency ${code}`)
  }
}

/** 16 bytes history, u64 seq. @throws QuorateError `invalid_argument` if it is no token */
export function writeToken(out: ByteWriter, token: Token): void {
  const { historyId, seq } = parseToken(token)
  for (let i = 0; i < 32; i += 2) out.u8(Number.parseInt(historyId.slice(i, i + 2), 16))
  out.u64(seq)
}

export function readToken(reader: ByteReader): Token {
  const historyId = bytesToHex(reader.raw(16))
  return formatToken(historyId, reader.u64())
}

export const ReadCode = {
  get: 1,
  scan: 2,
  projects: 3,
  scopes: 4,
  settings: 5,
  grants: 6,
  outcome: 7,
  query: 8,
  explain: 9,
  rows: 10,
  tables: 11,
  events: 12,
  usage: 13,
  count: 14,
  jobs: 15,
  preflight: 16,
  audit: 17,
  eventSummary: 18,
} as const

const SCAN_HAS_START = 1
const SCAN_HAS_END = 2
const SCAN_REVERSE = 4
const SCAN_KEYS_ONLY = 8

export function writeReadRequest(out: ByteWriter, request: ReadRequest): void {
  out.u8(ReadCode[request.type])
  switch (request.type) {
    case 'get':
      out.text16(request.project)
      out.text16(request.scope)
      out.u32(request.keys.length)
      for (const key of request.keys) out.bytes16(key)
      return
    case 'scan':
      return writeScan(out, request)
    case 'projects':
    case 'settings':
      return
    case 'scopes':
      return out.text16(request.project)
    case 'grants':
      out.u8(request.caller === undefined ? 0 : 1)
      return out.text16(request.caller ?? '')
    case 'count':
      out.text16(request.project)
      return out.text16(request.scope)
    case 'usage':
      out.u8(request.project === undefined ? 0 : 1)
      if (request.project !== undefined) out.text16(request.project)
      return
    case 'jobs': {
      const place = [request.project, request.scope, request.table].filter(name => name !== undefined)
      out.u8(place.length)
      for (const name of place) out.text16(name)
      return
    }
    case 'preflight':
      return out.bytes32(request.envelope)
    case 'audit':
      if (!(request.limit >= 0)) throw new RangeError(`limit ${request.limit}`)
      out.u64(request.beforeSeq)
      return out.u32(Math.min(request.limit, U32_MAX))
    case 'outcome':
      out.u64(request.session)
      return out.u64(request.serial)
    case 'events':
      return writeEventsRequest(out, request)
    case 'eventSummary':
      return writeSummaryRequest(out, request)
    case 'query':
      out.u8((request.readSet === true ? 1 : 0) | (request.diagnostics === true ? 2 : 0))
      return writeQuery(out, request.query)
    case 'explain':
      return writeQuery(out, request.query)
    case 'rows':
      out.u8(request.readSet === true ? 1 : 0)
      out.text16(request.project)
      out.text16(request.scope)
      out.text16(request.table)
      out.u32(request.keys.length)
      for (const key of request.keys) writeCells(out, key)
      return
    case 'tables':
      out.u8(request.table === undefined ? 0 : 1)
      out.text16(request.project)
      out.text16(request.scope)
      if (request.table !== undefined) out.text16(request.table)
      return
    default:
      throw new RangeError(`unknown read ${(request satisfies never as { type: string }).type}`)
  }
}

function writeScan(out: ByteWriter, scan: Extract<ReadRequest, { type: 'scan' }>): void {
  out.u8(
    (scan.start === undefined ? 0 : SCAN_HAS_START) |
      (scan.end === undefined ? 0 : SCAN_HAS_END) |
      (scan.reverse === true ? SCAN_REVERSE : 0) |
      (scan.keysOnly === true ? SCAN_KEYS_ONLY : 0),
  )
  out.text16(scan.project)
  out.text16(scan.scope)
  if (!(scan.limit >= 0)) throw new RangeError(`limit ${scan.limit}`)
  out.u32(Math.min(scan.limit, U32_MAX))
  if (scan.start !== undefined) out.bytes16(scan.start)
  if (scan.end !== undefined) out.bytes16(scan.end)
}

/** Keys are views of the frame. */
export function readReadRequest(reader: ByteReader): ReadRequest {
  const code = reader.u8()
  switch (code) {
    case ReadCode.get:
      return { type: 'get', project: reader.text16(), scope: reader.text16(), keys: readKeys(reader) }
    case ReadCode.scan:
      return readScan(reader)
    case ReadCode.projects:
      return { type: 'projects' }
    case ReadCode.scopes:
      return { type: 'scopes', project: reader.text16() }
    case ReadCode.settings:
      return { type: 'settings' }
    case ReadCode.grants: {
      const hasCaller = reader.u8()
      const caller = reader.text16()
      if (hasCaller > 1 || (hasCaller === 0 && caller !== '')) throw new MalformedBytes('grants: caller')
      return hasCaller === 1 ? { type: 'grants', caller } : { type: 'grants' }
    }
    case ReadCode.count:
      return { type: 'count', project: reader.text16(), scope: reader.text16() }
    case ReadCode.usage:
      return readBoolean(reader) ? { type: 'usage', project: reader.text16() } : { type: 'usage' }
    case ReadCode.jobs: {
      const names = reader.u8()
      if (names > 3) throw new MalformedBytes('place of jobs')
      return {
        type: 'jobs',
        ...(names > 0 && { project: reader.text16() }),
        ...(names > 1 && { scope: reader.text16() }),
        ...(names > 2 && { table: reader.text16() }),
      }
    }
    case ReadCode.preflight:
      return { type: 'preflight', envelope: reader.bytes32() }
    case ReadCode.audit:
      return { type: 'audit', beforeSeq: reader.u64(), limit: reader.u32() }
    case ReadCode.outcome:
      return { type: 'outcome', session: reader.u64(), serial: reader.u64() }
    case ReadCode.events:
      return readEventsRequest(reader)
    case ReadCode.eventSummary:
      return readSummaryRequest(reader)
    case ReadCode.query: {
      const flags = reader.u8()
      if (flags > 3) throw new MalformedBytes('flags of a query')
      return {
        type: 'query',
        query: readQuery(reader),
        ...((flags & 1) !== 0 && { readSet: true }),
        ...((flags & 2) !== 0 && { diagnostics: true }),
      }
    }
    case ReadCode.explain:
      return { type: 'explain', query: readQuery(reader) }
    case ReadCode.rows: {
      const hasReadSet = readBoolean(reader)
      const place = { project: reader.text16(), scope: reader.text16(), table: reader.text16() }
      return { type: 'rows', ...place, keys: readList(reader, 2, readCells), ...(hasReadSet && { readSet: true }) }
    }
    case ReadCode.tables: {
      const hasTable = readBoolean(reader)
      const place = { project: reader.text16(), scope: reader.text16() }
      return { type: 'tables', ...place, ...(hasTable && { table: reader.text16() }) }
    }
    default:
      throw new MalformedBytes(`read ${code}`)
  }
}

function readKeys(reader: ByteReader): Uint8Array[] {
  const count = readCount(reader, 2)
  const keys: Uint8Array[] = []
  for (let i = 0; i < count; i++) keys.push(reader.bytes16())
  return keys
}

function readScan(reader: ByteReader): ReadRequest {
  const flags = reader.u8()
  if (flags > 15) throw new MalformedBytes('scan flags')
  const project = reader.text16()
  const scope = reader.text16()
  const limit = reader.u32()
  return {
    type: 'scan',
    project,
    scope,
    limit,
    ...((flags & SCAN_HAS_START) !== 0 && { start: reader.bytes16() }),
    ...((flags & SCAN_HAS_END) !== 0 && { end: reader.bytes16() }),
    ...((flags & SCAN_REVERSE) !== 0 && { reverse: true }),
    ...((flags & SCAN_KEYS_ONLY) !== 0 && { keysOnly: true }),
  }
}
