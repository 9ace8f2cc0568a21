import { MalformedBytes } from '../../encoding/index.ts'
import type { EnvelopeCursor, Namespace } from '../../encoding/index.ts'
import type { Catalog, Scope } from '../catalog/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Table } from '../tables/index.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
function text(bytes: Uint8Array, start: number, end: number): string {
  try {
    return strictUtf8.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new MalformedBytes('text is not UTF-8', { cause })
  }
}

const NONE = new Uint8Array(0)
/** For readers of items whose names are resolved already. */
export const NO_NAMES: Namespace = { project: '', scope: '' }

/**
 * The scopes that an envelope's items name, resolved when first used. The last envelope's first namespace is remembered with the
 * catalog that it was resolved in: most envelopes name one namespace, and the same as the one before.
 */
export class Namespaces {
  #cursor: EnvelopeCursor | undefined
  #catalog: Catalog | undefined
  #scopes: (Scope | undefined)[] = []
  #firstBytes: Uint8Array = NONE
  #first: Scope | undefined
  #firstCatalog: Catalog | undefined
  /** The table that was named last, and by which bytes. */
  #table: Table | undefined
  #tableScope: Scope | undefined
  #tableCatalog: Catalog | undefined
  #tableBytes: Uint8Array = NONE

  /** hot path (bench/apply). `catalog` may be another one for each item: an envelope's own changes count. */
  open(cursor: EnvelopeCursor): void {
    this.#cursor = cursor
    if (this.#scopes.length > 0) this.#scopes = []
  }

  /** The scope of namespace `index`, or why there is none. */
  resolve(index: number, catalog: Catalog): Scope | Refusal {
    if (this.#catalog !== catalog) {
      this.#catalog = catalog
      if (this.#scopes.length > 0) this.#scopes = []
    }
    if (index === 0) return this.#resolveFirst(catalog)
    return this.#scopes[index] ?? this.#resolveAt(index, catalog)
  }

  /** What was resolved may no longer hold: the envelope has changed its catalog. */
  forget(): void {
    this.#first = undefined
    this.#table = undefined
    if (this.#scopes.length > 0) this.#scopes = []
  }

  /** The table that the item names which the cursor stands on, in namespace `index`. hot path (bench/apply) */
  resolveTable(index: number, catalog: Catalog): Table | Refusal {
    const scope = this.resolve(index, catalog)
    if ('code' in scope) return scope
    const { bytes, keyStart, keyEnd } = this.#cursor!
    const isSame = this.#tableScope === scope && this.#tableCatalog === catalog
    if (this.#table !== undefined && isSame && equalRun(bytes, keyStart, keyEnd, this.#tableBytes)) return this.#table
    const name = text(bytes, keyStart, keyEnd)
    const table = catalog.table(scope.id, name)
    if (table === undefined) return refuse('table_not_found', `there is no table ${name.slice(0, 140)}`)
    this.#table = table
    this.#tableScope = scope
    this.#tableCatalog = catalog
    this.#tableBytes = bytes.slice(keyStart, keyEnd)
    return table
  }

  #resolveFirst(catalog: Catalog): Scope | Refusal {
    const { bytes, namespacesStart } = this.#cursor!
    const projectEnd = namespacesStart + 1 + bytes[namespacesStart]!
    const end = projectEnd + 1 + bytes[projectEnd]!
    if (
      this.#firstCatalog === catalog &&
      this.#first !== undefined &&
      equalRun(bytes, namespacesStart, end, this.#firstBytes)
    ) {
      return this.#first
    }
    const found = find(catalog, bytes, namespacesStart)
    if ('code' in found) return found
    this.#firstBytes = bytes.slice(namespacesStart, end)
    this.#first = found
    this.#firstCatalog = catalog
    return found
  }

  #resolveAt(index: number, catalog: Catalog): Scope | Refusal {
    const { bytes, namespacesStart } = this.#cursor!
    let at = namespacesStart
    for (let i = 0; i < index * 2; i++) at += 1 + bytes[at]!
    const found = find(catalog, bytes, at)
    if (!('code' in found)) this.#scopes[index] = found
    return found
  }
}

function equalRun(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (other.length !== end - start) return false
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false
  return true
}

function find(catalog: Catalog, bytes: Uint8Array, at: number): Scope | Refusal {
  const projectEnd = at + 1 + bytes[at]!
  const projectName = text(bytes, at + 1, projectEnd)
  const scopeName = text(bytes, projectEnd + 1, projectEnd + 1 + bytes[projectEnd]!)
  const project = catalog.project(projectName)
  if (project === undefined) return refuse('project_not_found', `there is no project ${projectName}`)
  const scope = project.scopes.get(scopeName)
  return scope ?? refuse('scope_not_found', `project ${projectName} has no scope ${scopeName}`)
}

/** Callers of requests by their bytes; the last one is remembered. */
export class Callers {
  #bytes: Uint8Array = NONE
  #caller = ''

  /** hot path (bench/apply) */
  at(request: Uint8Array, start: number, end: number): string {
    if (!equalRun(request, start, end, this.#bytes)) {
      this.#caller = text(request, start, end)
      this.#bytes = request.slice(start, end)
    }
    return this.#caller
  }
}
