import { readU64 } from '../../encoding/index.ts'
import { AUDIT_COUNT_KEY, AUDIT_PREFIX, eventsPrefix, KV_PREFIX_BYTES } from '../layers.ts'
import { kvPrefix, Layer, readU32BE, topicCountsPrefix } from '../layers.ts'
import { prefixEnd, withLoading } from '../record-store.ts'
import { compareUsage, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/** Records belong to something: a scope, a table, an index, or what a job is removing. Keys and events are as many as is counted. */
export async function checkSpaces(inspected: Inspected): Promise<void> {
  const { reader, state, findings } = inspected
  const known = knownSpaces(inspected)
  let from: Uint8Array = Uint8Array.of(Layer.kv)
  for (;;) {
    const space = await withLoading(() => firstSpace(inspected, from))
    if (space === undefined) break
    const [layer, id] = [space[0]!, readU32BE(space, 1)]
    if (known[layer]?.has(id) !== true)
      findings.add('orphan', `${NAMES[layer] ?? 'records'} of nothing that is there`, {}, space)
    from = prefixEnd(space)
  }
  await checkAudit(inspected)
  for (const layer of LAYERS) {
    const space = Uint8Array.of(layer)
    compareUsage(inspected, space, await walkRecords(reader, space, () => undefined), {})
  }
  for (const project of state.catalog.projectsById.values()) {
    for (const scope of project.scopes.values()) {
      const place = { project: project.name, scope: scope.name }
      for (const space of [kvPrefix(scope.id), eventsPrefix(scope.id), topicCountsPrefix(scope.id)]) {
        compareUsage(inspected, space, await walkRecords(reader, space, () => undefined), place)
      }
    }
  }
}

/** Layers that are one space each. */
const LAYERS: readonly number[] = Object.values(Layer).filter(layer => layer < Layer.kv)

async function checkAudit({ reader, findings }: Inspected): Promise<void> {
  const head = await withLoading(() => reader.get(AUDIT_COUNT_KEY))
  const counted = head === undefined ? 0 : readU64(head.value, 0)
  const { records } = await walkRecords(reader, AUDIT_PREFIX, () => undefined)
  if (records === counted) return
  findings.add('audit', `${counted} rows are counted, ${records} are there`, {}, AUDIT_COUNT_KEY)
}

const NAMES: Readonly<Record<number, string>> = {
  [Layer.kv]: 'keys',
  [Layer.rows]: 'rows',
  [Layer.indexes]: 'index entries',
  [Layer.events]: 'events',
  [Layer.topics]: 'counts of events',
}

/** The prefix of the first space at or behind `from`. Throws `ColdPages`. */
function firstSpace({ reader }: Inspected, from: Uint8Array): Uint8Array | undefined {
  let space: Uint8Array | undefined
  reader.walk(from, undefined, false, key => {
    space = key.slice(0, KV_PREFIX_BYTES)
    return false
  })
  return space
}

function knownSpaces({ state }: Inspected): Readonly<Record<number, Set<number>>> {
  const [kv, rows, indexes, events] = [new Set<number>(), new Set<number>(), new Set<number>(), new Set<number>()]
  for (const project of state.catalog.projectsById.values()) {
    for (const { id } of project.scopes.values()) {
      kv.add(id)
      events.add(id)
      for (const table of state.catalog.tables(id)) {
        rows.add(table.id)
        for (const index of table.parts.indexes) indexes.add(index.id)
      }
    }
  }
  for (const { task } of state.jobs) {
    if (task.kind === 'removeScope') kv.add(task.scopeId)
    else if (task.kind === 'removeEvents') events.add(task.scopeId)
    else if (task.kind === 'removeRows') rows.add(task.tableId)
    else if (task.kind === 'removeIndex') indexes.add(task.indexId)
  }
  return {
    [Layer.kv]: kv,
    [Layer.rows]: rows,
    [Layer.indexes]: indexes,
    [Layer.events]: events,
    [Layer.topics]: events,
  }
}
