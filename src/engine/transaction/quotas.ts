import type { Catalog } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import type { SpaceUsage } from '../keyspace/index.ts'
import { KV_PREFIX_BYTES, Layer, readU32BE } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { spacesOf, sum } from '../project-usage.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'

/** How much more a project holds after an entry. Only keys and rows are records of a quota. */
interface Growth {
  records: number
  bytes: number
}

/** What apply needs of a catalog to find the project of a record; made once a catalog. */
interface Places {
  readonly catalog: Catalog
  /** The project of an index, by the id of the index. */
  readonly indexes: ReadonlyMap<number, number>
}

/**
 * Quotas of projects. A function of the state alone: what a project holds is summed over the counts of its spaces, which every replica
 * has exactly, also in a root of the past. The sums are kept from entry to entry, and made anew when anything else has written.
 */
export class Quotas {
  #places: Places | undefined
  /** By project, as of before the entry in the making; good while `userWrites` and the catalog stay. */
  readonly #held: Map<number, Growth> = new Map()
  #heldIn: Catalog | undefined
  #heldAt = -1
  readonly #growth: Map<number, Growth> = new Map()

  /**
   * Why the entry's changes, all together, may not be made: a project would hold more than before and more than its quota. What makes no
   * project larger is never refused. Throws `ColdPages`.
   */
  check(work: EntryWork): Refusal | undefined {
    const { changes, state } = work
    const { catalog } = state
    const growth = this.#growth
    growth.clear()
    changes.eachSize((key, records, valueBytes) => this.#grow(catalog, key, records, valueBytes))
    const isSame = this.#heldAt === changes.userWrites || (this.#heldAt >= 0 && isMutant('quota_sums_kept'))
    if (this.#heldIn !== catalog || !isSame) {
      this.#held.clear()
      this.#heldIn = catalog
      this.#heldAt = changes.userWrites
    }
    for (const [projectId, more] of growth) {
      const refusal = this.#judge(work, projectId, more)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** The entry that was checked is written: so many of its records were of users. */
  settle(work: EntryWork): void {
    for (const [projectId, { records, bytes }] of this.#growth) {
      const held = this.#held.get(projectId)
      if (held === undefined) continue
      held.records += records
      held.bytes += bytes
    }
    this.#growth.clear()
    this.#heldAt = work.changes.userWrites
  }

  #grow(catalog: Catalog, key: Uint8Array, records: number, valueBytes: number): void {
    const projectId = this.#projectOf(catalog, key)
    const quota = projectId === undefined ? undefined : catalog.projectById(projectId)?.quota
    if (projectId === undefined || (quota?.bytes === undefined && quota?.records === undefined)) return
    let growth = this.#growth.get(projectId)
    if (growth === undefined) {
      growth = { records: 0, bytes: 0 }
      this.#growth.set(projectId, growth)
    }
    if (key[0] === Layer.kv || key[0] === Layer.rows) growth.records += records
    growth.bytes += records * (key.length - KV_PREFIX_BYTES) + valueBytes
  }

  #judge(work: EntryWork, projectId: number, more: Growth): Refusal | undefined {
    const { name, quota } = work.state.catalog.projectById(projectId)!
    const held = this.#holds(work, projectId)
    for (const what of ['records', 'bytes'] as const) {
      const limit = quota[what]
      if (limit === undefined || more[what] <= 0 || held[what] + more[what] <= limit) continue
      // What it holds is for its administrators.
      return refuse('quota_exceeded', `project ${name} would hold more than its quota of ${limit} ${what}`)
    }
    return undefined
  }

  #holds(work: EntryWork, projectId: number): Growth {
    const known = this.#held.get(projectId)
    if (known !== undefined) return known
    const { catalog } = work.state
    const usageOf = (space: Uint8Array): SpaceUsage => work.changes.store.usage(space)
    const { keys, rows, indexes, events, topics } = spacesOf(catalog, catalog.projectById(projectId)!)
    const records = sum([...keys, ...rows].map(usageOf))
    const rest = sum([...indexes, ...events, ...topics].map(usageOf))
    const held = { records: records.records, bytes: records.bytes + rest.bytes }
    this.#held.set(projectId, held)
    return held
  }

  #projectOf(catalog: Catalog, key: Uint8Array): number | undefined {
    const id = readU32BE(key, 1)
    switch (key[0]) {
      case Layer.kv:
      case Layer.events:
      case Layer.topics:
        return catalog.scopeById(id)?.projectId
      case Layer.rows:
        return catalog.tableById(id)?.parts.projectId
      case Layer.indexes:
        return this.#placesOf(catalog).indexes.get(id)
      default:
        return undefined
    }
  }

  #placesOf(catalog: Catalog): Places {
    if (this.#places?.catalog === catalog) return this.#places
    const indexes = new Map<number, number>()
    for (const project of catalog.projectsById.values()) {
      for (const scope of project.scopes.values()) {
        for (const { parts } of catalog.tables(scope.id)) {
          for (const index of parts.indexes) indexes.set(index.id, project.id)
        }
      }
    }
    this.#places = { catalog, indexes }
    return this.#places
  }
}
