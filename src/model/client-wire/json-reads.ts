import {
  encodeEnvelope,
  encodeOutcome,
  JSON_DATA,
  MalformedBytes,
  permissionFromJson,
  readRowData,
  readSetFromJson,
  transactionFromJson,
} from '../../encoding/index.ts'
import { parseToken, type Consistency, type Token } from '../consistency.ts'
import { QuorateError } from '../errors.ts'
import { readQueryData } from '../query-data.ts'
import { JOB_KINDS } from '../reads.ts'
import type { CallerGrant, JobData, KvEntry, NamedPlace, ProjectUsage, ReadRequest, ReadResult } from '../reads.ts'
import {
  asBytes,
  asMap,
  booleanField,
  bytesField,
  choiceField,
  field,
  integerField,
  listField,
  onlyFields,
  optionalField,
  textField,
  type PlainMap,
} from './fields.ts'
import { auditFromPlain } from './json-audit.ts'
import { outcomeFromPlain } from './json-envelope.ts'
import { eventRequestFromPlain, eventResultFromPlain } from './json-events.ts'
import { planFromPlain } from './json-plans.ts'
import { queryAnswerFromPlain, rowsAnswerFromPlain, tableFromPlain } from './json-tables.ts'

/** Consistency levels, read requests and read results out of parsed JSON. */

const U32_MAX = 0xffffffff

export function consistencyFromPlain(value: unknown): Consistency {
  if (value === 'linearizable' || value === 'lease' || value === 'checkpoint' || value === 'local') return value
  const map = asMap(value, 'consistency')
  const [name] = Object.keys(map)
  onlyFields(map, 'consistency', name === undefined ? [] : [name])
  if (name === 'maxStaleMs') return { maxStaleMs: integerField(map, name, U32_MAX) }
  if (name === 'minSeq') return { minSeq: tokenField(map, name) }
  if (name === 'atSeq') return { atSeq: tokenField(map, name) }
  throw new MalformedBytes('consistency: unknown')
}

export function tokenField(map: PlainMap, name: string): Token {
  const token = textField(map, name)
  try {
    parseToken(token)
  } catch (cause) {
    if (cause instanceof QuorateError) throw new MalformedBytes(`${name}: ${cause.message}`, { cause })
    throw cause
  }
  return token
}

export function readRequestFromPlain(value: unknown): ReadRequest {
  const map = asMap(value, 'request')
  const only = (...names: string[]): void => onlyFields(map, 'request', ['type', ...names])
  const type = textField(map, 'type')
  switch (type) {
    case 'get':
      only('project', 'scope', 'keys')
      return {
        type,
        project: textField(map, 'project'),
        scope: textField(map, 'scope'),
        keys: listField(map, 'keys').map(key => asBytes(key, 'keys')),
      }
    case 'scan':
      only('project', 'scope', 'start', 'end', 'reverse', 'limit', 'keysOnly')
      return scanFromPlain(map)
    case 'projects':
    case 'settings':
      only()
      return { type }
    case 'scopes':
      only('project')
      return { type, project: textField(map, 'project') }
    case 'grants': {
      only('caller')
      const caller = optionalField(map, 'caller', textField)
      return caller === undefined ? { type } : { type, caller }
    }
    case 'count':
      only('project', 'scope')
      return { type, ...placeField(map) }
    case 'usage': {
      only('project')
      const project = optionalField(map, 'project', textField)
      return project === undefined ? { type } : { type, project }
    }
    case 'jobs':
      only('project', 'scope', 'table')
      return jobsFromPlain(map)
    case 'preflight':
      only('envelope')
      return { type, envelope: encodeEnvelope(transactionFromJson(field(map, 'envelope'))) }
    case 'audit':
      only('beforeSeq', 'limit')
      return { type, beforeSeq: integerField(map, 'beforeSeq'), limit: integerField(map, 'limit', U32_MAX) }
    case 'outcome':
      only('session', 'serial')
      return { type, session: integerField(map, 'session'), serial: integerField(map, 'serial') }
    case 'events':
    case 'eventSummary':
      return eventRequestFromPlain(map, type)
    case 'query':
      only('query', 'readSet', 'diagnostics')
      return {
        type,
        query: readQueryData(field(map, 'query'), 'request.query', JSON_DATA),
        ...flag(map, 'readSet'),
        ...flag(map, 'diagnostics'),
      }
    case 'explain':
      only('query')
      return { type, query: readQueryData(field(map, 'query'), 'request.query', JSON_DATA) }
    case 'rows': {
      only('project', 'scope', 'table', 'keys', 'readSet')
      const keys = listField(map, 'keys').map((key, i) => readRowData(key, `request.keys[${i}]`, JSON_DATA))
      return { type, ...placeField(map), table: textField(map, 'table'), keys, ...flag(map, 'readSet') }
    }
    case 'tables': {
      only('project', 'scope', 'table')
      const table = optionalField(map, 'table', textField)
      return { type, ...placeField(map), ...(table !== undefined && { table }) }
    }
    default:
      throw new MalformedBytes(`unknown read ${JSON.stringify(type.slice(0, 80))}`)
  }
}

function jobsFromPlain(map: PlainMap): ReadRequest {
  const [project, scope, table] = ['project', 'scope', 'table'].map(name => optionalField(map, name, textField))
  if ((project === undefined && scope !== undefined) || (scope === undefined && table !== undefined)) {
    throw new MalformedBytes('request: a place is named from its project on')
  }
  return {
    type: 'jobs',
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    ...(table !== undefined && { table }),
  }
}

function placeField(map: PlainMap): { project: string; scope: string } {
  return { project: textField(map, 'project'), scope: textField(map, 'scope') }
}

function flag<N extends string>(map: PlainMap, name: N): { readonly [K in N]?: true } {
  return (optionalField(map, name, booleanField) === true ? { [name]: true } : {}) as { readonly [K in N]?: true }
}

function scanFromPlain(map: PlainMap): ReadRequest {
  const start = optionalField(map, 'start', bytesField)
  const end = optionalField(map, 'end', bytesField)
  return {
    type: 'scan',
    project: textField(map, 'project'),
    scope: textField(map, 'scope'),
    limit: integerField(map, 'limit', U32_MAX),
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(optionalField(map, 'reverse', booleanField) === true && { reverse: true }),
    ...(optionalField(map, 'keysOnly', booleanField) === true && { keysOnly: true }),
  }
}

const RESULT_TYPES = [
  'get',
  'scan',
  'projects',
  'scopes',
  'settings',
  'grants',
  'outcome',
  'query',
  'explain',
  'rows',
  'tables',
  'events',
  'usage',
  'count',
  'jobs',
  'preflight',
  'audit',
  'eventSummary',
] as const

export function readResultFromPlain(value: unknown): ReadResult {
  const map = asMap(value, 'result')
  const type = choiceField(map, 'type', RESULT_TYPES)
  switch (type) {
    case 'get': {
      const entries = listField(map, 'entries').map(entry => (entry === null ? undefined : entryFromPlain(entry)))
      return { type, entries }
    }
    case 'scan':
      return { type, entries: listField(map, 'entries').map(entryFromPlain), more: booleanField(map, 'more') }
    case 'projects':
      return { type, projects: listField(map, 'projects').map(place) }
    case 'scopes':
      return { type, scopes: listField(map, 'scopes').map(place) }
    case 'settings':
      return { type, settings: settingsFromPlain(asMap(field(map, 'settings'), 'settings')) }
    case 'grants':
      return { type, grants: listField(map, 'grants').map(grantFromPlain) }
    case 'count':
      return { type, keys: integerField(map, 'keys') }
    case 'usage':
      return { type, projects: listField(map, 'projects').map(usageFromPlain) }
    case 'jobs':
      return { type, jobs: listField(map, 'jobs').map(jobFromPlain) }
    case 'preflight': {
      const readSet = optionalField(map, 'readSet', field)
      const [rows, keys, events] = [integerField(map, 'rows'), integerField(map, 'keys'), integerField(map, 'events')]
      const outcome = encodeOutcome(outcomeFromPlain(field(map, 'outcome')))
      return { type, outcome, rows, keys, events, ...(readSet !== undefined && { readSet: readSetFromJson(readSet) }) }
    }
    case 'audit':
      return { type, ...auditFromPlain(map) }
    case 'outcome': {
      const outcome = optionalField(map, 'outcome', field)
      return {
        type,
        outcome: outcome === undefined ? undefined : encodeOutcome(outcomeFromPlain(outcome)),
        sessionEnded: booleanField(map, 'sessionEnded'),
      }
    }
    case 'events':
    case 'eventSummary':
      return eventResultFromPlain(map, type)
    case 'query':
      return queryAnswerFromPlain(map)
    case 'explain':
      return { type, plan: planFromPlain(field(map, 'plan')) }
    case 'rows':
      return rowsAnswerFromPlain(map)
    case 'tables':
      return { type, tables: listField(map, 'tables').map(tableFromPlain) }
    default:
      throw new MalformedBytes(`unknown result ${type satisfies never as string}`)
  }
}

function entryFromPlain(value: unknown): KvEntry {
  const map = asMap(value, 'entry')
  return {
    key: bytesField(map, 'key'),
    value: bytesField(map, 'value'),
    seq: integerField(map, 'seq'),
    createdSeq: integerField(map, 'createdSeq'),
    expiresAtMicros: optionalField(map, 'expiresAtMicros', integerField),
  }
}

function place(value: unknown): NamedPlace {
  const map = asMap(value, 'item')
  const owner = optionalField(map, 'owner', textField)
  const [id, createdAtMicros] = [integerField(map, 'id'), integerField(map, 'createdAtMicros')]
  return { name: textField(map, 'name'), id, createdAtMicros, ...(owner !== undefined && { owner }) }
}

function usageFromPlain(value: unknown): ProjectUsage {
  const map = asMap(value, 'usage')
  const limits = asMap(field(map, 'quota'), 'quota')
  const bytes = optionalField(limits, 'bytes', integerField)
  const records = optionalField(limits, 'records', integerField)
  return {
    ...place(value),
    keys: integerField(map, 'keys'),
    rows: integerField(map, 'rows'),
    events: integerField(map, 'events'),
    bytes: integerField(map, 'bytes'),
    quota: { ...(bytes !== undefined && { bytes }), ...(records !== undefined && { records }) },
  }
}

function settingsFromPlain(map: PlainMap): Record<string, number> {
  const entries = Object.entries(map).map(([name, value]) => {
    if (typeof value !== 'number' || name === '__proto__') throw new MalformedBytes('settings: not a number')
    return [name, value] as const
  })
  return Object.fromEntries(entries)
}

function grantFromPlain(value: unknown): CallerGrant {
  const map = asMap(value, 'grant')
  const delegable = optionalField(map, 'delegable', booleanField) === true && { delegable: true }
  return { ...delegable, caller: textField(map, 'caller'), permission: permissionFromJson(field(map, 'permission')) }
}

function jobFromPlain(value: unknown): JobData {
  const map = asMap(value, 'job')
  const job: JobData = {
    id: textField(map, 'id'),
    seq: integerField(map, 'seq'),
    kind: choiceField(map, 'kind', JOB_KINDS),
  }
  for (const part of ['project', 'scope', 'table', 'name'] as const) {
    const text = optionalField(map, part, textField)
    if (text !== undefined) job[part] = text
  }
  for (const part of ['done', 'left'] as const) {
    const count = optionalField(map, part, integerField)
    if (count !== undefined) job[part] = count
  }
  return job
}
