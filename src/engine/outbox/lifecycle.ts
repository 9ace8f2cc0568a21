import type { LifecycleType } from '../../model/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { withJob } from '../jobs.ts'
import { SYSTEM_SCOPE_ID } from '../layers.ts'
import { lifecycleEffect } from '../lifecycle-sight.ts'
import type { LifecyclePlace } from '../lifecycle-sight.ts'
import { planCompaction } from './compaction.ts'
import { appendEvent } from './emit.ts'
import { putCompaction, readEventState } from './event-record.ts'

/** Events beyond the setting that wait for the next compaction, at the least, and as a part of the setting. */
const EXCESS_MIN = 16
const EXCESS_PART = 8

interface Details {
  /** The name before. */
  readonly from?: string
  readonly change?: string
}

/** Notes what the entry has done, or is about to do, to a project that the catalog has. Throws `ColdPages`; so do the others. */
export function noteProject(work: EntryWork, type: LifecycleType, projectId: number, details: Details = {}): void {
  note(work, type, { projectId, scopeId: 0, tableId: 0 }, details)
}

export function noteScope(work: EntryWork, type: LifecycleType, scopeId: number, details: Details = {}): void {
  const { projectId } = work.state.catalog.scopeById(scopeId)!
  note(work, type, { projectId, scopeId, tableId: 0 }, details)
}

export function noteTable(work: EntryWork, type: LifecycleType, tableId: number, details: Details = {}): void {
  const { projectId, scopeId } = work.state.catalog.tableById(tableId)!.parts
  note(work, type, { projectId, scopeId, tableId }, details)
}

function note(work: EntryWork, type: LifecycleType, place: LifecyclePlace, details: Details): void {
  if (work.state.settings.lifecycleEventsMax === 0) return
  const { catalog } = work.state
  const { projectId, scopeId, tableId } = place
  const project = catalog.projectById(projectId)!.name
  const scope = catalog.scopeById(scopeId)?.name
  const table = catalog.tableById(tableId)?.name
  const payload = objectOf([
    ['project', project],
    ['projectId', projectId],
    ...(scope === undefined
      ? []
      : ([
          ['scope', scope],
          ['scopeId', scopeId],
        ] as const)),
    ...(table === undefined
      ? []
      : ([
          ['table', table],
          ['tableId', tableId],
        ] as const)),
    ...(details.from === undefined ? [] : ([['from', details.from]] as const)),
    ...(details.change === undefined ? [] : ([['change', details.change]] as const)),
  ])
  const key = [project, scope, table].filter(name => name !== undefined).join('/')
  appendEvent(work, SYSTEM_SCOPE_ID, { topic: type, key, payload })
  work.effects.event(SYSTEM_SCOPE_ID, lifecycleEffect(type, place))
  keepBounded(work)
}

/** JSON of numbers and names, which have no character that is written in another way. */
function objectOf(fields: readonly (readonly [string, string | number])[]): string {
  const parts = fields.map(([name, value]) => `"${name}":${typeof value === 'number' ? value : `"${value}"`}`)
  return `{${parts.join(',')}}`
}

/** Has the oldest events removed in the background once there are clearly more than `lifecycleEventsMax`. */
function keepBounded(work: EntryWork): void {
  const { state, changes } = work
  const { lifecycleEventsMax } = state.settings
  const excess = Math.max(EXCESS_MIN, Math.floor(lifecycleEventsMax / EXCESS_PART))
  if (readEventState(changes, SYSTEM_SCOPE_ID).events <= lifecycleEventsMax + excess) return
  if (state.jobs.some(({ task }) => task.kind === 'compactEvents' && task.scopeId === SYSTEM_SCOPE_ID)) return
  const plan = planCompaction(work, SYSTEM_SCOPE_ID, { keepLast: lifecycleEventsMax })
  if (plan === undefined) return
  work.state = { ...state, jobs: withJob(changes, state.jobs, work.seq, plan.task) }
  putCompaction(changes, SYSTEM_SCOPE_ID, plan.compaction)
}

/** What the payload of a lifecycle event is about. */
export function placeOfPayload(payload: string): LifecyclePlace {
  const { projectId = 0, scopeId = 0, tableId = 0 } = JSON.parse(payload) as Partial<LifecyclePlace>
  return { projectId, scopeId, tableId }
}
