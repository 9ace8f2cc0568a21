import { isDeepStrictEqual } from 'node:util'
import {
  bytesToHex,
  bigEndianToBigint,
  bigintToBigEndian,
  compareBytes,
  DEFAULT_SCOPE,
  equalBytes,
  isKeyAssertion,
  isKvMutation,
  rangeDigest,
  utf8Bytes,
  type Assertion,
  type Ddl,
  type KeyTarget,
  type Mutation,
  type MutationResult,
  type Permission,
  type RangeRead,
  type TransactionEnvelope,
} from '../../src/encoding/index.ts'
import {
  DEFAULT_SETTINGS,
  isName,
  isSettingName,
  RESERVED_PROJECTS,
  ROOT_CALLER,
  SETTING_RULES,
  type ClusterSettings,
  type KvEntry,
  type Quota,
} from '../../src/model/index.ts'
import { compute, writtenKey } from '../engine/number-oracle.ts'
import { ReferenceEvents } from './reference-events.ts'
import { Refusal } from './reference-refusal.ts'
import { checkQuotas, usageOf } from './reference-usage.ts'
import {
  isTableAssertion,
  isTableDdl,
  isTableMutation,
  ReferenceTables,
  type TablePermission,
} from './reference-tables.ts'

export interface ChangeRecord {
  project: string
  scope: string
  key: Uint8Array
  kind: 'put' | 'delete' | 'expire'
  value: Uint8Array | undefined
  isEvent?: boolean
}

type Records = Map<string, KvEntry>

/** The simplest state that means what Quorate means: plain maps, copied before each transaction. An oracle for tests. */
export class ReferenceState {
  seq = 0
  timeMicros = 0
  projects = new Map<string, Map<string, Records>>()
  grants: { caller: string; permission: Permission }[] = []
  settings: ClusterSettings = DEFAULT_SETTINGS
  changes: ChangeRecord[] = []
  tables = new ReferenceTables()
  /** By project and scope. */
  events = new Map<string, ReferenceEvents>()
  /** Of projects, scopes and tables, by path. */
  owners = new Map<string, string>()
  quotas = new Map<string, Quota>()
  /** When projects and scopes were made, by path. */
  created = new Map<string, number>()

  copy(): ReferenceState {
    const copy = new ReferenceState()
    copy.seq = this.seq
    copy.timeMicros = this.timeMicros
    for (const [project, scopes] of this.projects) {
      copy.projects.set(project, new Map([...scopes].map(([scope, records]) => [scope, new Map(records)])))
    }
    copy.grants = [...this.grants]
    copy.tables = this.tables.copy()
    copy.settings = this.settings
    copy.owners = new Map(this.owners)
    copy.quotas = new Map(this.quotas)
    copy.created = new Map(this.created)
    copy.events = new Map([...this.events].map(([place, events]) => [place, events.copy()]))
    return copy
  }

  allows(
    caller: string,
    type: 'kvRead' | 'kvWrite',
    target: { project: string; scope: string },
    low: Uint8Array,
    isRange = false,
  ): boolean {
    if (caller === ROOT_CALLER) return true
    return this.grants.some(grant => {
      const { permission } = grant
      if (grant.caller !== caller) return false
      if (permission.type === 'admin') return true
      if (permission.type === 'projectAdmin') return permission.project === target.project
      if (permission.type !== type) return false
      if ((permission.project ?? target.project) !== target.project) return false
      if ((permission.scope ?? target.scope) !== target.scope) return false
      if (permission.prefix === undefined) return true
      return !isRange && equalBytes(low.subarray(0, permission.prefix.length), permission.prefix)
    })
  }

  allowsTable(caller: string, wanted: TablePermission): boolean {
    if (this.isAdmin(caller)) return true
    const { type, project, scope, table } = wanted
    return this.grants.some(({ caller: granted, permission }) => {
      if (granted !== caller) return false
      if (permission.type === 'projectAdmin') return permission.project === project
      if (permission.type === 'scopeAdmin') return permission.project === project && permission.scope === scope
      if (permission.type !== type) return false
      const grantedTable = 'table' in permission ? permission.table : undefined
      return (
        (permission.project ?? project) === project &&
        (permission.scope ?? scope) === scope &&
        (grantedTable ?? table) === table
      )
    })
  }

  /** What was granted on a table goes with it. */
  #dropGrants(table: string): void {
    this.grants = this.grants.filter(({ permission }) => !('table' in permission) || permission.table !== table)
  }

  /** Whether the caller owns what is handed on, or what a permission reaches. */
  #owns(operation: Ddl, caller: string): boolean {
    const isGrant = operation.type === 'grant' || operation.type === 'revoke'
    if (!isGrant && operation.type !== 'transferOwnership') return false
    const reach = isGrant ? operation.permission : operation
    const { project, scope, table } = reach as { project?: string; scope?: string; table?: string }
    if (project === undefined) return false
    return placesAbove(project, scope, table).some(place => this.owners.get(place) === caller)
  }

  #has(caller: string, permission: Permission): boolean {
    return this.grants.some(grant => grant.caller === caller && isDeepStrictEqual(grant.permission, permission))
  }

  isAdmin(caller: string): boolean {
    return caller === ROOT_CALLER || this.grants.some(g => g.caller === caller && g.permission.type === 'admin')
  }

  records(project: string, scope: string): Records {
    const scopes = this.projects.get(project)
    if (scopes === undefined) throw new Refusal('project_not_found', project)
    const records = scopes.get(scope)
    if (records === undefined) throw new Refusal('scope_not_found', scope)
    return records
  }

  eventsOf(project: string, scope: string): ReferenceEvents {
    this.records(project, scope)
    const place = `${project}/${scope}`
    const events = this.events.get(place) ?? new ReferenceEvents()
    this.events.set(place, events)
    return events
  }

  find(target: KeyTarget): KvEntry | undefined {
    const record = this.records(target.project, target.scope ?? DEFAULT_SCOPE).get(bytesToHex(target.key))
    return record !== undefined && this.#isAlive(record) ? record : undefined
  }

  #isAlive(record: KvEntry): boolean {
    return record.expiresAtMicros === undefined || record.expiresAtMicros > this.timeMicros
  }

  scan(range: Omit<RangeRead, 'digest'>): KvEntry[] {
    const found = [...this.records(range.project, range.scope ?? DEFAULT_SCOPE).values()].filter(
      record =>
        this.#isAlive(record) &&
        (range.start === undefined || compareBytes(record.key, range.start) >= 0) &&
        (range.end === undefined || compareBytes(record.key, range.end) < 0),
    )
    found.sort((a, b) => compareBytes(a.key, b.key) * (range.reverse === true ? -1 : 1))
    return range.limit === 0 ? found : found.slice(0, range.limit)
  }

  /** Removes what is due at the present time. */
  expire(): void {
    for (const [project, scopes] of this.projects) {
      for (const [scope, records] of scopes) {
        for (const [id, record] of records) {
          if (this.#isAlive(record)) continue
          records.delete(id)
          this.changes.push({ project, scope, key: record.key, kind: 'expire', value: undefined })
        }
      }
    }
  }

  /** Applies all or throws a Refusal; then this state is to be thrown away. */
  apply(envelope: TransactionEnvelope, caller: string): MutationResult[] {
    this.expire()
    this.tables.begin({
      seq: this.seq,
      timeMicros: this.timeMicros,
      caller,
      allows: wanted => this.allowsTable(caller, wanted),
    })
    for (const [index, point] of (envelope.readSet?.points ?? []).entries()) {
      const actualSeq = point.table === undefined ? (this.find(point)?.seq ?? 0) : this.tables.version(point)
      if (actualSeq !== point.seq) throw new Refusal('conflict', 'a key has changed', { index, actualSeq })
    }
    for (const [index, range] of (envelope.readSet?.ranges ?? []).entries()) {
      const records = range.table === undefined ? this.scan(range) : this.tables.records(range)
      if (rangeDigest(records) !== range.digest) {
        throw new Refusal('conflict', 'a range has changed', { index, actualSeq: 0 })
      }
    }
    for (const [index, assertion] of (envelope.assertions ?? []).entries()) this.#check(assertion, index, caller)
    const before = new Map([...this.projects.keys()].map(project => [project, usageOf(this, project)]))
    const results = envelope.mutations.map((mutation, index) => {
      try {
        return this.#mutate(mutation, index, caller)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        throw new Refusal(error.code, error.message, error.detail ?? { index, actualSeq: 0 })
      }
    })
    checkQuotas(before, this)
    return results.some(result => result !== undefined) ? results : []
  }

  #check(assertion: Assertion, index: number, caller: string): void {
    if (isTableAssertion(assertion)) {
      this.records(assertion.project, assertion.scope ?? DEFAULT_SCOPE)
      return this.tables.check(assertion, index)
    }
    if (assertion.type === 'not') {
      if (this.#holds(assertion.assertion, index, caller)) throw new Refusal('assertion_failed', `assertion ${index}`)
      return
    }
    if (!isKeyAssertion(assertion)) throw new Refusal('unsupported_version')
    const target = { project: assertion.project, scope: assertion.scope ?? DEFAULT_SCOPE }
    if (!this.allows(caller, 'kvRead', target, assertion.key)) throw new Refusal('permission_denied')
    const record = this.find(assertion)
    const actualSeq = record?.seq ?? 0
    if (!holds(assertion, record)) throw new Refusal('assertion_failed', `assertion ${index}`, { index, actualSeq })
  }

  #holds(assertion: Assertion, index: number, caller: string): boolean {
    try {
      this.#check(assertion, index, caller)
      return true
    } catch (error) {
      if (error instanceof Refusal && error.code === 'assertion_failed') return false
      throw error
    }
  }

  #mutate(mutation: Mutation, index: number, caller: string): MutationResult {
    if (mutation.type === 'ddl') {
      const { operation } = mutation
      if (isTableDdl(operation)) {
        this.records(operation.project, operation.scope ?? DEFAULT_SCOPE)
        if (operation.type === 'dropTable') this.#dropGrants(operation.table)
        return this.tables.ddl(operation)
      }
      const isOfProject =
        operation.type === 'compactEvents' && this.#has(caller, { type: 'projectAdmin', project: operation.project })
      const isAllowed = isOfProject || this.isAdmin(caller) || this.#owns(operation, caller)
      if (!isAllowed) throw new Refusal('permission_denied')
      return this.#ddl(operation)
    }
    if (isTableMutation(mutation)) {
      this.records(mutation.project, mutation.scope ?? DEFAULT_SCOPE)
      return this.tables.mutate(mutation, index)
    }
    if (mutation.type === 'emitEvent') {
      const place = { project: mutation.project, scope: mutation.scope ?? DEFAULT_SCOPE }
      const events = this.eventsOf(place.project, place.scope)
      if (!this.allows(caller, 'kvWrite', place, new Uint8Array(0), true)) throw new Refusal('permission_denied')
      events.emit(mutation, this.seq, this.timeMicros, this.settings)
      const key = utf8Bytes(mutation.topic)
      this.changes.push({ ...place, key, kind: 'put', value: new Uint8Array(0), isEvent: true })
      return undefined
    }
    if (!isKvMutation(mutation)) throw new Refusal('unsupported_version')
    const target = { project: mutation.project, scope: mutation.scope ?? DEFAULT_SCOPE, key: writtenKey(mutation) }
    const records = this.records(target.project, target.scope)
    if (!this.allows(caller, 'kvWrite', target, target.key)) throw new Refusal('permission_denied')
    const isBlind = mutation.type === 'kvSet' || mutation.type === 'kvDelete'
    if (!isBlind && !this.allows(caller, 'kvRead', target, target.key)) throw new Refusal('permission_denied')
    if (target.key.length > this.settings.keyBytesMax) throw new Refusal('key_too_large')
    const before = this.find(target)
    const put = (value: Uint8Array, expiresAtMicros: number | undefined): void => {
      if (value.length > this.settings.valueBytesMax) throw new Refusal('value_too_large')
      records.set(bytesToHex(target.key), {
        key: target.key,
        value,
        seq: this.seq,
        createdSeq: before?.createdSeq ?? this.seq,
        expiresAtMicros,
      })
      this.changes.push({ ...target, kind: 'put', value })
    }
    switch (mutation.type) {
      case 'kvSet':
        put(mutation.value, mutation.ttlMs === undefined ? undefined : this.timeMicros + mutation.ttlMs * 1000)
        return undefined
      case 'kvDelete':
        if (records.delete(bytesToHex(target.key))) this.changes.push({ ...target, kind: 'delete', value: undefined })
        return undefined
      case 'kvIncrement':
      case 'kvDecrement':
        return this.#number(mutation, before, index, put)
      default: {
        const detail = { index, actualSeq: before?.seq ?? 0 }
        const computed = compute(mutation, before)
        if (typeof computed === 'string') throw new Refusal(computed, 'no number', detail)
        if (computed.value !== undefined) put(computed.value, before?.expiresAtMicros)
        return computed.result
      }
    }
  }

  #number(
    mutation: Extract<Mutation, { type: 'kvIncrement' | 'kvDecrement' }>,
    before: KvEntry | undefined,
    index: number,
    put: (value: Uint8Array, expiresAtMicros: number | undefined) => void,
  ): bigint {
    const detail = { index, actualSeq: before?.seq ?? 0 }
    if (before === undefined && mutation.onMissing === 'reject') throw new Refusal('key_missing', 'no number', detail)
    if (before !== undefined && before.value.length !== mutation.width / 8)
      throw new Refusal('not_a_number', '', detail)
    const number = before === undefined ? 0n : bigEndianToBigint(before.value)
    const max = (1n << BigInt(mutation.width)) - 1n
    let next = mutation.type === 'kvIncrement' ? number + mutation.by : number - mutation.by
    if (next > max) {
      if (mutation.type === 'kvIncrement' && mutation.onOverflow !== 'saturate')
        throw new Refusal('overflow', '', detail)
      next = max
    }
    if (next < 0n && mutation.type === 'kvDecrement') {
      if (mutation.onUnderflow === 'ignore') return number
      if (mutation.onUnderflow !== 'saturate') throw new Refusal('underflow', '', detail)
      next = 0n
    }
    put(bigintToBigEndian(next, mutation.width), before?.expiresAtMicros)
    return next
  }

  /** What was made when under another name. */
  #move(from: string, to: string): void {
    this.created.set(to, this.created.get(from)!)
  }

  #ddl(operation: Ddl): boolean {
    const { projects } = this
    const requireProject = (name: string): Map<string, Records> => {
      const scopes = projects.get(name)
      if (scopes === undefined) throw new Refusal('project_not_found', name)
      return scopes
    }
    const requireNew = (name: string, map: ReadonlyMap<string, unknown>): void => {
      if (!isName(name)) throw new Refusal('invalid_name', name)
      if (map.has(name)) throw new Refusal('already_exists', name)
    }
    const same = (grant: { caller: string; permission: Permission }): boolean =>
      'permission' in operation &&
      grant.caller === operation.caller &&
      JSON.stringify(grant.permission) === JSON.stringify(operation.permission)
    switch (operation.type) {
      case 'createProject':
        if (RESERVED_PROJECTS.includes(operation.project)) throw new Refusal('invalid_name', 'reserved')
        if (projects.has(operation.project) && operation.ifNotExists === true) return false
        requireNew(operation.project, projects)
        if (projects.size >= this.settings.projectsMax) throw new Refusal('catalog_limit', operation.project)
        projects.set(operation.project, new Map([[DEFAULT_SCOPE, new Map()]]))
        this.created.set(operation.project, this.timeMicros)
        this.created.set(`${operation.project}/${DEFAULT_SCOPE}`, this.timeMicros)
        if (operation.owner !== undefined) this.owners.set(operation.project, operation.owner)
        return true
      case 'renameProject': {
        const scopes = requireProject(operation.project)
        requireNew(operation.to, projects)
        projects.delete(operation.project)
        projects.set(operation.to, scopes)
        this.#move(operation.project, operation.to)
        for (const scope of scopes.keys()) this.#move(`${operation.project}/${scope}`, `${operation.to}/${scope}`)
        return true
      }
      case 'dropProject':
        if (!projects.has(operation.project) && operation.ifExists === true) return false
        requireProject(operation.project)
        return projects.delete(operation.project)
      case 'createScope': {
        const scopes = requireProject(operation.project)
        if (scopes.has(operation.scope) && operation.ifNotExists === true) return false
        requireNew(operation.scope, scopes)
        const count = [...projects.values()].reduce((sum, { size }) => sum + size, 0)
        if (count >= this.settings.scopesMax) throw new Refusal('catalog_limit', operation.scope)
        scopes.set(operation.scope, new Map())
        this.created.set(`${operation.project}/${operation.scope}`, this.timeMicros)
        return true
      }
      case 'renameScope': {
        const records = this.records(operation.project, operation.scope)
        const scopes = requireProject(operation.project)
        requireNew(operation.to, scopes)
        scopes.delete(operation.scope)
        scopes.set(operation.to, records)
        this.#move(`${operation.project}/${operation.scope}`, `${operation.project}/${operation.to}`)
        return true
      }
      case 'dropScope': {
        const scopes = requireProject(operation.project)
        if (!scopes.has(operation.scope) && operation.ifExists === true) return false
        this.records(operation.project, operation.scope)
        this.events.delete(`${operation.project}/${operation.scope}`)
        return scopes.delete(operation.scope)
      }
      case 'grant':
        if (this.grants.some(same)) return false
        this.grants.push({ caller: operation.caller, permission: operation.permission })
        return true
      case 'revoke': {
        const before = this.grants.length
        this.grants = this.grants.filter(grant => !same(grant))
        return this.grants.length < before
      }
      case 'transferOwnership': {
        const { project, scope, table, to } = operation
        requireProject(project)
        if (scope !== undefined || table !== undefined) this.records(project, scope ?? DEFAULT_SCOPE)
        const place = placesAbove(project, scope, table).at(-1)!
        if ((this.owners.get(place) ?? '') === to) return false
        this.owners.set(place, to)
        return true
      }
      case 'compactEvents': {
        const events = this.eventsOf(operation.project, operation.scope ?? DEFAULT_SCOPE)
        return events.compact(operation, this.seq, this.timeMicros)
      }
      case 'setQuota': {
        const { project, type: _, ...quota } = operation
        requireProject(project)
        const old = this.quotas.get(project) ?? {}
        this.quotas.set(project, quota)
        return old.bytes !== quota.bytes || old.records !== quota.records
      }
      case 'setSetting': {
        const { name, value } = operation
        if (!isSettingName(name)) throw new Refusal('setting_not_found', name)
        const { min, max } = SETTING_RULES[name]
        if (!Number.isInteger(value) || value < min || value > max) throw new Refusal('setting_out_of_range', name)
        if (this.settings[name] === value) return false
        this.settings = { ...this.settings, [name]: value }
        return true
      }
      default:
        throw new Error('an unknown operation')
    }
  }
}

/** The project, then the scope, then the table. */
function placesAbove(project: string, scope: string | undefined, table: string | undefined): string[] {
  if (scope === undefined && table === undefined) return [project]
  const place = `${project}/${scope ?? DEFAULT_SCOPE}`
  return table === undefined ? [project, place] : [project, place, `${place}/${table}`]
}

function holds(assertion: Assertion, record: KvEntry | undefined): boolean {
  switch (assertion.type) {
    case 'keyVersion':
      return (record?.seq ?? 0) === assertion.seq
    case 'keyExists':
      return (record !== undefined) === assertion.expected
    case 'keyEquals':
      return record !== undefined && equalBytes(record.value, assertion.value)
    case 'keyCompare': {
      if (record === undefined) return false
      const order = compareBytes(record.value, assertion.threshold)
      const { op } = assertion
      if (op === 'eq' || op === 'ne') return (order === 0) === (op === 'eq')
      return op === 'lt' ? order < 0 : op === 'lte' ? order <= 0 : op === 'gt' ? order > 0 : order >= 0
    }
    default:
      throw new Error('an unknown assertion')
  }
}
