import {
  MalformedBytes,
  readPermission,
  writePermission,
  type ByteReader,
  type ByteWriter,
} from '../../encoding/index.ts'
import { JOB_KINDS } from '../reads.ts'
import type { CallerGrant, JobData, KvEntry, NamedPlace, ProjectUsage, ReadResult } from '../reads.ts'
import { readAudit, writeAudit } from './audit-bytes.ts'
import { readEvents, readSummary, writeEvents, writeSummary } from './event-bytes.ts'
import { readBoolean, readCount, readList } from './lists.ts'
import { ReadCode } from './read-request.ts'
import { readPlan, writePlan } from './plan-bytes.ts'
import {
  readReadSet,
  readQueryAnswer,
  readRowsAnswer,
  readTables,
  writeReadSet,
  writeQueryAnswer,
  writeRowsAnswer,
  writeTables,
} from './table-results.ts'

/** Binary read results. An entry is u64 seq, u64 created seq, u64 expiry (0 = never), u16 + key, u32 + value. */
const ENTRY_BYTES_MIN = 30
/** text16 name, u64 id, u64 creation, text16 owner. */
const PLACE_BYTES_MIN = 20
/** A place, four u64, u8 flags. */
const USAGE_BYTES_MIN = PLACE_BYTES_MIN + 33
const QUOTA_HAS_BYTES = 1
const QUOTA_HAS_RECORDS = 2

export function writeReadResult(out: ByteWriter, result: ReadResult): void {
  out.u8(ReadCode[result.type])
  switch (result.type) {
    case 'get':
      return writeFound(out, result.entries)
    case 'scan':
      out.u8(result.more ? 1 : 0)
      return writeEntries(out, result.entries)
    case 'projects':
      return writePlaces(out, result.projects)
    case 'scopes':
      return writePlaces(out, result.scopes)
    case 'settings':
      return writeSettings(out, result.settings)
    case 'count':
      return out.u64(result.keys)
    case 'usage':
      out.u32(result.projects.length)
      for (const project of result.projects) writeUsage(out, project)
      return
    case 'jobs':
      out.u32(result.jobs.length)
      for (const job of result.jobs) writeJob(out, job)
      return
    case 'preflight':
      out.u8(result.readSet === undefined ? 0 : 1)
      out.bytes32(result.outcome)
      for (const count of [result.rows, result.keys, result.events]) out.u64(count)
      if (result.readSet !== undefined) writeReadSet(out, result.readSet)
      return
    case 'grants':
      return writeGrants(out, result.grants)
    case 'audit':
      return writeAudit(out, result)
    case 'outcome':
      out.u8((result.outcome === undefined ? 0 : 1) | (result.sessionEnded ? 2 : 0))
      return out.bytes32(result.outcome ?? new Uint8Array(0))
    case 'events':
      return writeEvents(out, result)
    case 'eventSummary':
      return writeSummary(out, result.summary)
    case 'query':
      return writeQueryAnswer(out, result)
    case 'explain':
      return writePlan(out, result.plan)
    case 'rows':
      return writeRowsAnswer(out, result)
    case 'tables':
      return writeTables(out, result.tables)
    default:
      throw new RangeError(`unknown result ${(result satisfies never as { type: string }).type}`)
  }
}

function writeFound(out: ByteWriter, entries: readonly (KvEntry | undefined)[]): void {
  out.u32(entries.length)
  for (const entry of entries) {
    out.u8(entry === undefined ? 0 : 1)
    if (entry !== undefined) writeEntry(out, entry)
  }
}

function writeEntries(out: ByteWriter, entries: readonly KvEntry[]): void {
  out.u32(entries.length)
  for (const entry of entries) writeEntry(out, entry)
}

function writeSettings(out: ByteWriter, values: Readonly<Record<string, number>>): void {
  const settings = Object.entries(values)
  out.u32(settings.length)
  for (const [name, value] of settings) {
    out.text16(name)
    out.f64(value)
  }
}

function writeGrants(out: ByteWriter, grants: readonly CallerGrant[]): void {
  out.u32(grants.length)
  for (const { caller, permission, delegable } of grants) {
    out.text16(caller)
    writePermission(out, permission)
    out.u8(delegable === true ? 1 : 0)
  }
}

function writeEntry(out: ByteWriter, entry: KvEntry): void {
  out.u64(entry.seq)
  out.u64(entry.createdSeq)
  out.u64(entry.expiresAtMicros ?? 0)
  out.bytes16(entry.key)
  out.bytes32(entry.value)
}

function writePlaces(out: ByteWriter, items: readonly NamedPlace[]): void {
  out.u32(items.length)
  for (const item of items) writePlace(out, item)
}

function writePlace(out: ByteWriter, { name, id, createdAtMicros, owner = '' }: NamedPlace): void {
  out.text16(name)
  out.u64(id)
  out.u64(createdAtMicros)
  out.text16(owner)
}

function writeUsage(out: ByteWriter, { quota, ...usage }: ProjectUsage): void {
  writePlace(out, usage)
  for (const count of [usage.keys, usage.rows, usage.events, usage.bytes]) out.u64(count)
  out.u8((quota.bytes === undefined ? 0 : QUOTA_HAS_BYTES) | (quota.records === undefined ? 0 : QUOTA_HAS_RECORDS))
  if (quota.bytes !== undefined) out.u64(quota.bytes)
  if (quota.records !== undefined) out.u64(quota.records)
}

function readUsage(reader: ByteReader): ProjectUsage {
  const place = readPlace(reader)
  const [keys, rows, events, bytes] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()]
  const flags = reader.u8()
  if (flags > (QUOTA_HAS_BYTES | QUOTA_HAS_RECORDS)) throw new MalformedBytes('quota flags')
  const quota = {
    ...((flags & QUOTA_HAS_BYTES) !== 0 && { bytes: reader.u64() }),
    ...((flags & QUOTA_HAS_RECORDS) !== 0 && { records: reader.u64() }),
  }
  return { ...place, keys, rows, events, bytes, quota }
}

/** Keys and values are copies: what a program keeps must not keep the frame. */
export function readReadResult(reader: ByteReader): ReadResult {
  const code = reader.u8()
  switch (code) {
    case ReadCode.get:
      return { type: 'get', entries: readFound(reader) }
    case ReadCode.scan: {
      const more = readBoolean(reader)
      return { type: 'scan', entries: readList(reader, ENTRY_BYTES_MIN, readEntry), more }
    }
    case ReadCode.projects:
      return { type: 'projects', projects: readList(reader, PLACE_BYTES_MIN, readPlace) }
    case ReadCode.scopes:
      return { type: 'scopes', scopes: readList(reader, PLACE_BYTES_MIN, readPlace) }
    case ReadCode.settings:
      return { type: 'settings', settings: Object.fromEntries(readList(reader, 10, readSetting)) }
    case ReadCode.count:
      return { type: 'count', keys: reader.u64() }
    case ReadCode.usage:
      return { type: 'usage', projects: readList(reader, USAGE_BYTES_MIN, readUsage) }
    case ReadCode.jobs:
      return { type: 'jobs', jobs: readList(reader, JOB_BYTES_MIN, readJob) }
    case ReadCode.preflight: {
      const hasReadSet = readBoolean(reader)
      const outcome = reader.bytes32().slice()
      const [rows, keys, events] = [reader.u64(), reader.u64(), reader.u64()]
      return { type: 'preflight', outcome, rows, keys, events, ...(hasReadSet && { readSet: readReadSet(reader) }) }
    }
    case ReadCode.grants:
      return { type: 'grants', grants: readList(reader, 5, readGrant) }
    case ReadCode.audit:
      return { type: 'audit', ...readAudit(reader) }
    case ReadCode.outcome: {
      const flags = reader.u8()
      const outcome = reader.bytes32()
      if (flags > 3 || ((flags & 1) === 0 && outcome.length > 0)) throw new MalformedBytes('outcome flags')
      return {
        type: 'outcome',
        outcome: (flags & 1) === 0 ? undefined : outcome.slice(),
        sessionEnded: (flags & 2) !== 0,
      }
    }
    case ReadCode.events:
      return readEvents(reader)
    case ReadCode.eventSummary:
      return { type: 'eventSummary', summary: readSummary(reader) }
    case ReadCode.query:
      return readQueryAnswer(reader)
    case ReadCode.explain:
      return { type: 'explain', plan: readPlan(reader) }
    case ReadCode.rows:
      return readRowsAnswer(reader)
    case ReadCode.tables:
      return { type: 'tables', tables: readTables(reader) }
    default:
      throw new MalformedBytes(`read result ${code}`)
  }
}

function readFound(reader: ByteReader): (KvEntry | undefined)[] {
  const count = readCount(reader, 1)
  const entries: (KvEntry | undefined)[] = []
  for (let i = 0; i < count; i++) entries.push(readBoolean(reader) ? readEntry(reader) : undefined)
  return entries
}

function readEntry(reader: ByteReader): KvEntry {
  const seq = reader.u64()
  const createdSeq = reader.u64()
  const expiresAtMicros = reader.u64()
  const key = reader.bytes16().slice()
  const value = reader.bytes32().slice()
  return { key, value, seq, createdSeq, expiresAtMicros: expiresAtMicros === 0 ? undefined : expiresAtMicros }
}

function readGrant(reader: ByteReader): CallerGrant {
  const grant = { caller: reader.text16(), permission: readPermission(reader) }
  return { ...grant, ...(readBoolean(reader) && { delegable: true }) }
}

function readPlace(reader: ByteReader): NamedPlace {
  const place = { name: reader.text16(), id: reader.u64(), createdAtMicros: reader.u64() }
  const owner = reader.text16()
  return owner === '' ? place : { ...place, owner }
}

function readSetting(reader: ByteReader): [string, number] {
  const name = reader.text16()
  const value = reader.f64()
  if (name === '__proto__' || !Number.isFinite(value)) throw new MalformedBytes('setting')
  return [name, value]
}

/** Parts of a job that may be absent, by bit. */
const JOB_TEXTS = ['project', 'scope', 'table', 'name'] as const
const JOB_COUNTS = ['done', 'left'] as const
const JOB_BYTES_MIN = 12

/** text16 id, u64 seq, u8 kind, u8 which of the rest are given (bits from 0 in this order), text16 each, u64 each. */
function writeJob(out: ByteWriter, job: JobData): void {
  out.text16(job.id)
  out.u64(job.seq)
  out.u8(JOB_KINDS.indexOf(job.kind))
  let flags = 0
  for (const [bit, part] of [...JOB_TEXTS, ...JOB_COUNTS].entries()) if (job[part] !== undefined) flags |= 1 << bit
  out.u8(flags)
  for (const part of JOB_TEXTS) if (job[part] !== undefined) out.text16(job[part])
  for (const part of JOB_COUNTS) if (job[part] !== undefined) out.u64(job[part])
}

function readJob(reader: ByteReader): JobData {
  const [id, seq] = [reader.text16(), reader.u64()]
  const kind = JOB_KINDS[reader.u8()]
  const flags = reader.u8()
  if (kind === undefined || flags > 63) throw new MalformedBytes('job')
  const job: JobData = { id, seq, kind }
  for (const [bit, part] of JOB_TEXTS.entries()) if ((flags & (1 << bit)) !== 0) job[part] = reader.text16()
  for (const [bit, part] of JOB_COUNTS.entries()) {
    if ((flags & (1 << (bit + JOB_TEXTS.length))) !== 0) job[part] = reader.u64()
  }
  return job
}
