import { ByteReader, ByteWriter } from '../../encoding/index.ts'
import type { NamedPlace, Quota } from '../../model/index.ts'
import { PROJECTS_PREFIX, projectKey, readU64BE, scopeKey, SCOPES_PREFIX } from '../layers.ts'
import type { Changes } from '../changes.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import type { Table, TableParts } from '../tables/index.ts'
import { TableNames } from './table-names.ts'
import type { Reference } from './table-names.ts'

const OWNED_FORMAT = 2
/** With an owner, '' = nobody, and a quota. */
const LIMITED_FORMAT = 3
/** With an owner, '' = nobody, and a time. */
const DATED_SCOPE_FORMAT = 3
const HAS_BYTES = 1
const HAS_RECORDS = 2

export interface Scope {
  readonly id: number
  readonly name: string
  readonly projectId: number
  /** 0 = not known: of a version that did not note it. */
  readonly createdAtMicros: number
  /** Caller; '' = nobody. */
  readonly owner: string
}

export interface Project {
  readonly id: number
  readonly name: string
  readonly createdAtMicros: number
  /** Caller; '' = nobody. */
  readonly owner: string
  readonly scopes: Map<string, Scope>
  readonly quota: Quota
}

/** Objects, their places in maps and the heads of their names, as measured on a heap of 64 bits. */
const PROJECT_BYTES = 780
const SCOPE_BYTES = 310

const NO_QUOTA: Quota = {}

/**
 * Names and ids of all projects, scopes and tables: the catalog layer in memory. A published catalog is never changed; an entry that
 * changes it works on a clone, which takes the place of the old one when the entry is applied.
 */
export class Catalog {
  readonly #projects: Map<string, Project>
  readonly #projectsById: Map<number, Project>
  readonly #scopesById: Map<number, Scope>
  readonly #tables: TableNames
  /** Ids of the projects that have a quota. */
  readonly #limited: Set<number> = new Set()

  private constructor(projects: Iterable<Project>, tables: TableNames) {
    this.#projects = new Map()
    this.#projectsById = new Map()
    this.#scopesById = new Map()
    this.#tables = tables
    for (const project of projects) this.#add(project)
  }

  static empty(): Catalog {
    return new Catalog([], TableNames.empty())
  }

  /** Reads the layer. Throws `ColdPages`. */
  static load(reader: RecordReader): Catalog {
    const byId = new Map<number, Project>()
    reader.walk(PROJECTS_PREFIX, prefixEnd(PROJECTS_PREFIX), false, (key, _, value) => {
      const fields = new ByteReader(value())
      const id = readU64BE(key, 2)
      const format = fields.u8()
      const createdAtMicros = fields.u64()
      const name = fields.text16()
      const owner = readOwner(fields, format)
      const quota = format === LIMITED_FORMAT ? readQuota(fields) : NO_QUOTA
      byId.set(id, { id, createdAtMicros, name, owner, quota, scopes: new Map() })
      return true
    })
    reader.walk(SCOPES_PREFIX, prefixEnd(SCOPES_PREFIX), false, (key, _, value) => {
      const fields = new ByteReader(value())
      const format = fields.u8()
      const projectId = fields.u32()
      const name = fields.text16()
      const owner = readOwner(fields, format)
      const createdAtMicros = format >= DATED_SCOPE_FORMAT ? fields.u64() : 0
      const scope = { id: readU64BE(key, 2), name, projectId, owner, createdAtMicros }
      byId.get(projectId)?.scopes.set(name, scope)
      return true
    })
    return new Catalog(byId.values(), TableNames.load(reader))
  }

  clone(): Catalog {
    const copies = [...this.#projects.values()].map(project => ({ ...project, scopes: new Map(project.scopes) }))
    return new Catalog(copies, this.#tables.clone())
  }

  project(name: string): Project | undefined {
    return this.#projects.get(name)
  }

  projectById(id: number): Project | undefined {
    return this.#projectsById.get(id)
  }

  /** Whether any project has a quota. hot path (bench/apply) */
  get hasQuotas(): boolean {
    return this.#limited.size > 0
  }

  get projectsById(): ReadonlyMap<number, Project> {
    return this.#projectsById
  }

  scope(project: string, scope: string): Scope | undefined {
    return this.#projects.get(project)?.scopes.get(scope)
  }

  scopeById(id: number): Scope | undefined {
    return this.#scopesById.get(id)
  }

  get counts(): { readonly projects: number; readonly scopes: number; readonly tables: number } {
    return { projects: this.#projects.size, scopes: this.#scopesById.size, tables: this.#tables.count }
  }

  /** What all of it takes in memory, by what its kinds of objects were measured to take. Of a published catalog. */
  get memoryBytes(): number {
    let bytes = this.#tables.memoryBytes
    for (const { name, owner } of this.#projectsById.values()) bytes += PROJECT_BYTES + name.length + owner.length
    for (const { name, owner } of this.#scopesById.values()) bytes += SCOPE_BYTES + name.length + owner.length
    return bytes
  }

  /** By name. */
  projects(): NamedPlace[] {
    return sortedByName([...this.#projects.values()].map(placeOf))
  }

  scopes(project: Project): NamedPlace[] {
    return sortedByName([...project.scopes.values()].map(placeOf))
  }

  table(scopeId: number, name: string): Table | undefined {
    return this.#tables.find(scopeId, name)
  }

  tableById(id: number): Table | undefined {
    return this.#tables.byId(id)
  }

  /** The tables of a scope, by name. */
  tables(scopeId: number): Table[] {
    return this.#tables.list(scopeId)
  }

  /** The foreign keys that refer to a table, its own among them. */
  references(tableId: number): readonly Reference[] {
    return this.#tables.references(tableId)
  }

  /** Only on a clone; so are the other changes. Adds a table or changes it. */
  putTable(changes: Changes, parts: TableParts): Table {
    return this.#tables.put(changes, parts)
  }

  removeTable(changes: Changes, table: Table): void {
    this.#tables.remove(changes, table)
  }

  addProject(changes: Changes, id: number, name: string, owner: string, createdAtMicros: number): Project {
    const project: Project = { id, name, owner, createdAtMicros, scopes: new Map(), quota: NO_QUOTA }
    this.#add(project)
    putProject(changes, project)
    return project
  }

  renameProject(changes: Changes, project: Project, name: string): void {
    this.#projects.delete(project.name)
    const renamed = { ...project, name }
    this.#add(renamed)
    putProject(changes, renamed, changes.metadata(projectKey(project.id))?.createdSeq)
  }

  /** Its scopes must be gone. */
  removeProject(changes: Changes, project: Project): void {
    this.#projects.delete(project.name)
    this.#projectsById.delete(project.id)
    this.#limited.delete(project.id)
    changes.delete(projectKey(project.id))
  }

  addScope(changes: Changes, project: Project, id: number, name: string, createdAtMicros: number): void {
    const scope: Scope = { id, name, owner: '', projectId: project.id, createdAtMicros }
    project.scopes.set(name, scope)
    this.#scopesById.set(id, scope)
    putScope(changes, scope)
  }

  renameScope(changes: Changes, project: Project, scope: Scope, name: string): void {
    const renamed = { ...scope, name }
    project.scopes.delete(scope.name)
    project.scopes.set(name, renamed)
    this.#scopesById.set(scope.id, renamed)
    putScope(changes, renamed, changes.metadata(scopeKey(scope.id))?.createdSeq)
  }

  setProjectOwner(changes: Changes, id: number, owner: string): void {
    const project = { ...this.#projectsById.get(id)!, owner }
    this.#add(project)
    putProject(changes, project, changes.metadata(projectKey(id))?.createdSeq)
  }

  setQuota(changes: Changes, id: number, quota: Quota): void {
    const project = { ...this.#projectsById.get(id)!, quota }
    this.#add(project)
    putProject(changes, project, changes.metadata(projectKey(id))?.createdSeq)
  }

  setScopeOwner(changes: Changes, id: number, owner: string): void {
    const scope = { ...this.#scopesById.get(id)!, owner }
    this.#projectsById.get(scope.projectId)!.scopes.set(scope.name, scope)
    this.#scopesById.set(id, scope)
    putScope(changes, scope, changes.metadata(scopeKey(id))?.createdSeq)
  }

  /** Its tables must be gone. */
  removeScope(changes: Changes, project: Project, scope: Scope): void {
    project.scopes.delete(scope.name)
    this.#scopesById.delete(scope.id)
    changes.delete(scopeKey(scope.id))
  }

  #add(project: Project): void {
    this.#projects.set(project.name, project)
    this.#projectsById.set(project.id, project)
    if (isLimited(project.quota)) this.#limited.add(project.id)
    else this.#limited.delete(project.id)
    for (const scope of project.scopes.values()) this.#scopesById.set(scope.id, scope)
  }
}

function placeOf({ name, id, createdAtMicros, owner }: Project | Scope): NamedPlace {
  return owner === '' ? { name, id, createdAtMicros } : { name, id, createdAtMicros, owner }
}

/** Records without an owner have format 1. */
function readOwner(fields: ByteReader, format: number): string {
  return format >= OWNED_FORMAT ? fields.text16() : ''
}

function readQuota(fields: ByteReader): Quota {
  const flags = fields.u8()
  return {
    ...((flags & HAS_BYTES) !== 0 && { bytes: fields.u64() }),
    ...((flags & HAS_RECORDS) !== 0 && { records: fields.u64() }),
  }
}

function isLimited({ bytes, records }: Quota): boolean {
  return bytes !== undefined || records !== undefined
}

function sortedByName<T extends { name: string }>(rows: T[]): T[] {
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function putProject(changes: Changes, project: Project, createdSeq?: number): void {
  const writer = new ByteWriter(32)
  const { bytes, records } = project.quota
  const hasQuota = isLimited(project.quota)
  writer.u8(hasQuota ? LIMITED_FORMAT : project.owner === '' ? 1 : OWNED_FORMAT)
  writer.u64(project.createdAtMicros)
  writer.text16(project.name)
  if (hasQuota || project.owner !== '') writer.text16(project.owner)
  if (hasQuota) writer.u8((bytes === undefined ? 0 : HAS_BYTES) | (records === undefined ? 0 : HAS_RECORDS))
  if (bytes !== undefined) writer.u64(bytes)
  if (records !== undefined) writer.u64(records)
  changes.put(projectKey(project.id), writer.finish(), createdSeq)
}

function putScope(changes: Changes, scope: Scope, createdSeq?: number): void {
  const writer = new ByteWriter(32)
  writer.u8(DATED_SCOPE_FORMAT)
  writer.u32(scope.projectId)
  writer.text16(scope.name)
  writer.text16(scope.owner)
  writer.u64(scope.createdAtMicros)
  changes.put(scopeKey(scope.id), writer.finish(), createdSeq)
}
