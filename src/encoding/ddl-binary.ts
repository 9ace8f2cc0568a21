import { ByteReader, MalformedBytes } from './bytes.ts'
import type { ByteWriter } from './bytes.ts'
import { DEFAULT_SCOPE } from './envelope.ts'
import type { Ddl, Permission } from './envelope.ts'
import type { EnvelopeItem } from './envelope-ops.ts'
import { isTableDdlCode, readTableDdl, TableDdlCode, writeTableDdl } from './table-ddl-binary.ts'

/** Catalog changes and permissions as bytes (docs/formats/envelope.md). */
const DdlCode = {
  createProject: 1,
  renameProject: 2,
  dropProject: 3,
  createScope: 4,
  renameScope: 5,
  dropScope: 6,
  grant: 7,
  revoke: 8,
  setSetting: 9,
  ...TableDdlCode,
  transferOwnership: 18,
  compactEvents: 19,
  setQuota: 20,
} as const

const OPTIONAL_FLAG = 1
/** Of createProject. */
const PROJECT_HAS_OWNER = 2
/** Of transferOwnership: how narrow the place is. */
const OF_SCOPE = 1
const OF_TABLE = 2
/** Of compactEvents: which bounds follow. */
const HAS_MAX_AGE = 1
const HAS_KEEP_LAST = 2
const HAS_MAX_EVENTS = 4
/** Of setQuota: which bounds follow. */
const HAS_BYTES = 1
const HAS_RECORDS = 2

/** Every `Permission['type']` by its number on the wire and in records: never reused. */
export const PERMISSIONS = [
  'admin',
  'impersonate',
  'kvRead',
  'kvWrite',
  'projectAdmin',
  'scopeAdmin',
  'tableRead',
  'tableWrite',
  'policyBypass',
  'tableDdl',
] as const

/** Bits of a permission's second byte: which parts of its reach follow. */
const HAS_PROJECT = 1
const HAS_SCOPE = 2
const HAS_PREFIX = 4
const HAS_TABLE = 8

/** The reaches that each permission may have. */
const REACHES: { readonly [K in Permission['type']]: readonly number[] } = {
  admin: [0],
  impersonate: [0],
  kvRead: [0, 1, 3, 7],
  kvWrite: [0, 1, 3, 7],
  projectAdmin: [1],
  scopeAdmin: [3],
  tableRead: [0, 1, 3, 11],
  tableWrite: [0, 1, 3, 11],
  policyBypass: [0, 1, 3, 11],
  tableDdl: [0, 1, 3],
}

export function writeDdl(out: ByteWriter, operation: Ddl): void {
  out.u8(DdlCode[operation.type])
  switch (operation.type) {
    case 'createProject': {
      const { project, owner } = operation
      out.u8((operation.ifNotExists === true ? OPTIONAL_FLAG : 0) | (owner === undefined ? 0 : PROJECT_HAS_OWNER))
      out.text16(project)
      if (owner !== undefined) out.text16(owner)
      return
    }
    case 'dropProject':
      out.u8(operation.ifExists === true ? OPTIONAL_FLAG : 0)
      return out.text16(operation.project)
    case 'renameProject':
      out.u8(0)
      out.text16(operation.project)
      return out.text16(operation.to)
    case 'createScope':
      out.u8(operation.ifNotExists === true ? OPTIONAL_FLAG : 0)
      out.text16(operation.project)
      return out.text16(operation.scope)
    case 'dropScope':
      out.u8(operation.ifExists === true ? OPTIONAL_FLAG : 0)
      out.text16(operation.project)
      return out.text16(operation.scope)
    case 'renameScope':
      out.u8(0)
      out.text16(operation.project)
      out.text16(operation.scope)
      return out.text16(operation.to)
    case 'grant':
    case 'revoke':
      out.u8(operation.type === 'grant' && operation.delegable === true ? OPTIONAL_FLAG : 0)
      out.text16(operation.caller)
      return writePermission(out, operation.permission)
    case 'setSetting':
      out.u8(0)
      out.text16(operation.name)
      return out.f64(operation.value)
    case 'transferOwnership': {
      const { table } = operation
      const scope = operation.scope ?? (table === undefined ? undefined : DEFAULT_SCOPE)
      out.u8((scope === undefined ? 0 : OF_SCOPE) | (table === undefined ? 0 : OF_TABLE))
      out.text16(operation.project)
      if (scope !== undefined) out.text16(scope)
      if (table !== undefined) out.text16(table)
      return out.text16(operation.to)
    }
    case 'compactEvents': {
      const { maxAgeMs, keepLast, maxEvents } = operation
      const bounds = (maxAgeMs === undefined ? 0 : HAS_MAX_AGE) | (keepLast === undefined ? 0 : HAS_KEEP_LAST)
      out.u8(bounds | (maxEvents === undefined ? 0 : HAS_MAX_EVENTS))
      out.text16(operation.project)
      out.text16(operation.scope ?? DEFAULT_SCOPE)
      if (maxAgeMs !== undefined) out.u64(maxAgeMs)
      if (keepLast !== undefined) out.u64(keepLast)
      if (maxEvents !== undefined) out.u64(maxEvents)
      return
    }
    case 'setQuota': {
      const { bytes, records } = operation
      out.u8((bytes === undefined ? 0 : HAS_BYTES) | (records === undefined ? 0 : HAS_RECORDS))
      out.text16(operation.project)
      if (bytes !== undefined) out.u64(bytes)
      if (records !== undefined) out.u64(records)
      return
    }
    default:
      return writeTableDdl(out, operation)
  }
}

/** RangeError for a reach that the permission does not have. */
export function writePermission(out: ByteWriter, permission: Permission): void {
  const { type, project, scope, prefix, table } = permission as Permission & {
    project?: string
    scope?: string
    prefix?: Uint8Array
    table?: string
  }
  const reach =
    (project === undefined ? 0 : HAS_PROJECT) |
    (scope === undefined ? 0 : HAS_SCOPE) |
    (prefix === undefined ? 0 : HAS_PREFIX) |
    (table === undefined ? 0 : HAS_TABLE)
  if (!REACHES[type].includes(reach)) {
    throw new RangeError('a permission on a scope names its project, one on a prefix or a table its scope')
  }
  out.u8(PERMISSIONS.indexOf(type))
  out.u8(reach)
  if (project !== undefined) out.text16(project)
  if (scope !== undefined) out.text16(scope)
  if (prefix !== undefined) out.bytes16(prefix)
  if (table !== undefined) out.text16(table)
}

/** @throws MalformedBytes */
export function readPermission(reader: ByteReader): Permission {
  const type = PERMISSIONS[reader.u8()]
  const reach = reader.u8()
  if (type === undefined || !REACHES[type].includes(reach)) throw new MalformedBytes('permission')
  return {
    type,
    ...((reach & HAS_PROJECT) !== 0 && { project: reader.text16() }),
    ...((reach & HAS_SCOPE) !== 0 && { scope: reader.text16() }),
    ...((reach & HAS_PREFIX) !== 0 && { prefix: reader.bytes16().slice() }),
    ...((reach & HAS_TABLE) !== 0 && { table: reader.text16() }),
  } as Permission
}

/** The catalog change of a `ddl` item that the cursor stands on. @throws MalformedBytes */
export function readDdl(cursor: Pick<EnvelopeItem, 'bytes' | 'bodyStart' | 'bodyEnd'>): Ddl {
  const reader = new ByteReader(cursor.bytes, cursor.bodyStart, cursor.bodyEnd)
  const code = reader.u8()
  const operation = isTableDdlCode(code) ? readTableDdl(reader, code) : readFields(reader, code, reader.u8())
  reader.expectEnd()
  return operation
}

function readFields(reader: ByteReader, code: number, flag: number): Ddl {
  if (code === DdlCode.compactEvents) return readCompaction(reader, flag)
  if (code === DdlCode.setQuota) return readQuota(reader, flag)
  if (code === DdlCode.createProject) return readCreation(reader, flag)
  if (code === DdlCode.transferOwnership) return readTransfer(reader, flag)
  if (flag > OPTIONAL_FLAG) throw new MalformedBytes('ddl flags')
  const optional = flag === OPTIONAL_FLAG
  switch (code) {
    case DdlCode.renameProject:
      return { type: 'renameProject', project: reader.text16(), to: reader.text16() }
    case DdlCode.dropProject:
      return { type: 'dropProject', project: reader.text16(), ifExists: optional }
    case DdlCode.createScope:
      return { type: 'createScope', project: reader.text16(), scope: reader.text16(), ifNotExists: optional }
    case DdlCode.renameScope:
      return { type: 'renameScope', project: reader.text16(), scope: reader.text16(), to: reader.text16() }
    case DdlCode.dropScope:
      return { type: 'dropScope', project: reader.text16(), scope: reader.text16(), ifExists: optional }
    case DdlCode.grant: {
      const granted = { caller: reader.text16(), permission: readPermission(reader) }
      return { type: 'grant', ...granted, ...(optional && { delegable: true }) }
    }
    case DdlCode.revoke:
      return { type: 'revoke', caller: reader.text16(), permission: readPermission(reader) }
    case DdlCode.setSetting:
      return { type: 'setSetting', name: reader.text16(), value: reader.f64() }
    default:
      throw new MalformedBytes(`ddl operation ${code}`)
  }
}

function readCreation(reader: ByteReader, flags: number): Ddl {
  if (flags > (OPTIONAL_FLAG | PROJECT_HAS_OWNER)) throw new MalformedBytes('ddl flags')
  const project = reader.text16()
  const owner = (flags & PROJECT_HAS_OWNER) !== 0 && { owner: reader.text16() }
  return { type: 'createProject', project, ifNotExists: (flags & OPTIONAL_FLAG) !== 0, ...owner }
}

function readTransfer(reader: ByteReader, flags: number): Ddl {
  if (flags > (OF_SCOPE | OF_TABLE) || flags === OF_TABLE) throw new MalformedBytes('ddl flags')
  return {
    type: 'transferOwnership',
    project: reader.text16(),
    ...((flags & OF_SCOPE) !== 0 && { scope: reader.text16() }),
    ...((flags & OF_TABLE) !== 0 && { table: reader.text16() }),
    to: reader.text16(),
  }
}

function readCompaction(reader: ByteReader, flags: number): Ddl {
  if (flags > (HAS_MAX_AGE | HAS_KEEP_LAST | HAS_MAX_EVENTS)) throw new MalformedBytes('ddl flags')
  return {
    type: 'compactEvents',
    project: reader.text16(),
    scope: reader.text16(),
    ...((flags & HAS_MAX_AGE) !== 0 && { maxAgeMs: reader.u64() }),
    ...((flags & HAS_KEEP_LAST) !== 0 && { keepLast: reader.u64() }),
    ...((flags & HAS_MAX_EVENTS) !== 0 && { maxEvents: reader.u64() }),
  }
}

function readQuota(reader: ByteReader, flags: number): Ddl {
  if (flags > (HAS_BYTES | HAS_RECORDS)) throw new MalformedBytes('ddl flags')
  return {
    type: 'setQuota',
    project: reader.text16(),
    ...((flags & HAS_BYTES) !== 0 && { bytes: reader.u64() }),
    ...((flags & HAS_RECORDS) !== 0 && { records: reader.u64() }),
  }
}
