import type { ForeignKeyDefinition } from '../../encoding/index.ts'
import type { Database } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { Quota, TableDescription } from '../reads.ts'

/** A project, a scope of one, or a table. */
export interface Namespace {
  readonly project: string
  readonly scope?: string
  readonly table?: string
}

/** A table that is copied. */
export interface PlannedTable {
  readonly from: { readonly project: string; readonly scope: string; readonly table: string }
  readonly to: { readonly project: string; readonly scope: string; readonly table: string }
  readonly description: TableDescription
  /** Added once all rows are there. */
  readonly foreignKeys: readonly ForeignKeyDefinition[]
  readonly isThere: boolean
}

export interface PlannedScope {
  readonly from: string
  readonly to: string
  readonly isThere: boolean
  /** Undefined = its keys are not copied, only a table. */
  readonly keys: number | undefined
  readonly tables: readonly PlannedTable[]
}

export interface CopyPlan {
  readonly from: string
  readonly to: string
  readonly isProjectThere: boolean
  /** Of a whole project. */
  readonly quota: Quota | undefined
  readonly scopes: readonly PlannedScope[]
  /** Rules of rows towards tables that are neither copied nor there: `table: name`. */
  readonly omitted: readonly string[]
}

/**
 * Looks at both sides and says what a copy would do. Of a table `from` names the scope, too.
 * @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found` of the source; `invalid_argument` for names that do not fit
 */
export async function planCopy(
  source: Database,
  target: Database,
  from: Namespace,
  to: Partial<Namespace>,
): Promise<CopyPlan> {
  if ((to.scope !== undefined && from.scope === undefined) || (to.table !== undefined && from.table === undefined)) {
    throw new QuorateError('invalid_argument', 'what gets another name has to be named in the source, too')
  }
  const project = to.project ?? from.project
  const isProjectThere = (await target.projects()).some(({ name }) => name === project)
  const scopes = (await source.scopes(from.project)).filter(
    ({ name }) => from.scope === undefined || name === from.scope,
  )
  if (scopes.length === 0)
    throw new QuorateError('scope_not_found', `the source has no scope ${from.project}/${from.scope}`)
  const there = new Set(isProjectThere ? (await target.scopes(project)).map(({ name }) => name) : [])
  const planning = new Planning(source, target, from, { ...to, project }, there)
  const planned: PlannedScope[] = []
  for (const { name } of scopes) planned.push(await planning.scope(name))
  const isWhole = from.scope === undefined
  return {
    from: from.project,
    to: project,
    isProjectThere,
    quota: isWhole ? (await source.usage(from.project)).quota : undefined,
    scopes: planned,
    omitted: planning.omitted,
  }
}

class Planning {
  readonly omitted: string[] = []
  readonly #source: Database
  readonly #target: Database
  readonly #from: Namespace
  readonly #to: Partial<Namespace> & { project: string }
  readonly #there: ReadonlySet<string>

  constructor(
    source: Database,
    target: Database,
    from: Namespace,
    to: Partial<Namespace> & { project: string },
    there: ReadonlySet<string>,
  ) {
    this.#source = source
    this.#target = target
    this.#from = from
    this.#to = to
    this.#there = there
  }

  async scope(name: string): Promise<PlannedScope> {
    const { project, table: only } = this.#from
    const to = this.#to.scope ?? name
    const isThere = this.#there.has(to)
    const tables = (await this.#source.tables(project, { scope: name })).filter(
      ({ name: table }) => only === undefined || table === only,
    )
    if (only !== undefined && tables.length === 0) {
      throw new QuorateError('table_not_found', `the source has no table ${project}/${name}/${only}`)
    }
    const own = isThere ? await this.#target.tables(this.#to.project, { scope: to }) : []
    const present = new Set(own.map(({ name: table }) => table))
    const planned: PlannedTable[] = []
    for (const description of tables) planned.push(await this.#table(name, to, description, present))
    const keys = only === undefined ? await this.#source.kv(project, { scope: name }).count() : undefined
    return { from: name, to, isThere, keys, tables: planned }
  }

  async #table(
    scope: string,
    toScope: string,
    description: TableDescription,
    present: ReadonlySet<string>,
  ): Promise<PlannedTable> {
    const { project } = this.#from
    const name = this.#to.table ?? description.name
    const foreignKeys: ForeignKeyDefinition[] = []
    for (const foreignKey of description.definition.foreignKeys ?? []) {
      const mapped = await this.#foreignKey(scope, foreignKey, description.name)
      if (mapped === undefined) this.omitted.push(`${description.name}: ${foreignKey.name}`)
      else foreignKeys.push(mapped)
    }
    return {
      from: { project, scope, table: description.name },
      to: { project: this.#to.project, scope: toScope, table: name },
      description,
      foreignKeys,
      isThere: present.has(name),
    }
  }

  /** The rule under the new names; undefined if what it points to will not be there. */
  async #foreignKey(
    scope: string,
    { project, scope: of, ...rest }: ForeignKeyDefinition,
    table: string,
  ): Promise<ForeignKeyDefinition | undefined> {
    const from = this.#from
    const place = { project: project ?? from.project, scope: of ?? scope, table: rest.table }
    const isCopied =
      place.project === from.project &&
      (from.scope === undefined || place.scope === from.scope) &&
      (from.table === undefined || place.table === from.table)
    if (isCopied) {
      const to = { project: this.#to.project, scope: this.#to.scope ?? place.scope }
      return {
        ...rest,
        ...to,
        table: place.table === table && this.#to.table !== undefined ? this.#to.table : place.table,
      }
    }
    const isForeign = place.project !== from.project
    const there = { project: isForeign ? place.project : this.#to.project, scope: place.scope }
    return (await this.#has(there.project, there.scope, place.table)) ? { ...rest, ...there } : undefined
  }

  async #has(project: string, scope: string, table: string): Promise<boolean> {
    try {
      return (await this.#target.tables(project, { scope })).some(({ name }) => name === table)
    } catch (error) {
      if (!(error instanceof QuorateError) || !/^(project|scope)_not_found$/.test(error.code)) throw error
      return false
    }
  }
}
