import type { ProjectFigures, ProjectUsage } from '../model/index.ts'
import type { ApplyCounters } from './apply-counters.ts'
import type { Catalog, Project } from './catalog/index.ts'
import type { SpaceUsage } from './keyspace/index.ts'
import { eventsPrefix, kvPrefix, topicCountsPrefix } from './layers.ts'
import { indexPrefix, rowsPrefix } from './tables/index.ts'

/** What a space holds in some state. */
export type UsageOf = (space: Uint8Array) => SpaceUsage

/** The spaces of a project: what is dropped is in the catalog no more, and does not count, whether or not its records are removed yet. */
export interface ProjectSpaces {
  readonly keys: readonly Uint8Array[]
  readonly rows: readonly Uint8Array[]
  readonly indexes: readonly Uint8Array[]
  readonly events: readonly Uint8Array[]
  /** What is counted of the topics of events. */
  readonly topics: readonly Uint8Array[]
}

export function spacesOf(catalog: Catalog, project: Project): ProjectSpaces {
  const scopes = [...project.scopes.values()]
  const tables = scopes.flatMap(scope => catalog.tables(scope.id))
  return {
    keys: scopes.map(scope => kvPrefix(scope.id)),
    rows: tables.map(table => rowsPrefix(table.id)),
    indexes: tables.flatMap(({ parts }) => parts.indexes.map(index => indexPrefix(index.id))),
    events: scopes.map(scope => eventsPrefix(scope.id)),
    topics: scopes.map(scope => topicCountsPrefix(scope.id)),
  }
}

/** What a project holds, by its spaces' own counts: no record is looked at. */
export function projectUsage(catalog: Catalog, project: Project, usageOf: UsageOf): ProjectUsage {
  const { keys, rows, indexes, events, topics } = spacesOf(catalog, project)
  const sumOf = (spaces: readonly Uint8Array[]): SpaceUsage => sum(spaces.map(usageOf))
  const [ofKeys, ofRows, ofIndexes] = [sumOf(keys), sumOf(rows), sumOf(indexes)]
  const ofEvents = events.map(usageOf)
  const { name, id, createdAtMicros, owner, quota } = project
  return {
    name,
    id,
    createdAtMicros,
    ...(owner !== '' && { owner }),
    keys: ofKeys.records,
    rows: ofRows.records,
    events: ofEvents.reduce((total, { records }) => total + eventsIn(records), 0),
    bytes: ofKeys.bytes + ofRows.bytes + ofIndexes.bytes + sum(ofEvents).bytes + sumOf(topics).bytes,
    quota: { ...quota },
  }
}

/** An event has three records, and the events of a scope have one for their state and may have one for their last compaction. */
function eventsIn(records: number): number {
  return Math.max(0, Math.floor((records - 1) / 3))
}

export function sum(usages: readonly SpaceUsage[]): SpaceUsage {
  let [records, bytes] = [0, 0]
  for (const usage of usages) {
    records += usage.records
    bytes += usage.bytes
  }
  return { records, bytes }
}

export function projectFigures(catalog: Catalog, counters: ApplyCounters, usageOf: UsageOf): ProjectFigures[] {
  counters.prune(catalog)
  return catalog.projects().map(({ id }) => ({
    ...projectUsage(catalog, catalog.projectById(id)!, usageOf),
    ...counters.of(id),
  }))
}
