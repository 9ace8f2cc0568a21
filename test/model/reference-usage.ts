import type { ProjectUsage } from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'
import type { ReferenceState } from './reference-state.ts'

/** What a project holds, counted one by one; the bytes are those of keys only. */
export function usageOf(state: ReferenceState, project: string): ProjectUsage {
  const scopes = state.projects.get(project)
  if (scopes === undefined) throw new Refusal('project_not_found', project)
  let [keys, rows, bytes] = [0, 0, 0]
  for (const [scope, records] of scopes) {
    for (const { key, value } of records.values()) {
      keys++
      bytes += key.length + value.length
    }
    for (const table of state.tables.all(project, scope)) rows += table.rows.size
  }
  return {
    name: project,
    id: 0,
    createdAtMicros: state.created.get(project)!,
    keys,
    rows,
    events: 0,
    bytes,
    quota: state.quotas.get(project) ?? {},
  }
}

/** @throws Refusal `quota_exceeded` where a project holds more than before and more than it may */
export function checkQuotas(before: ReadonlyMap<string, ProjectUsage>, after: ReferenceState): void {
  for (const [project, quota] of after.quotas) {
    const was = before.get(project)
    if (!after.projects.has(project)) continue
    const is = usageOf(after, project)
    const records = [(was?.keys ?? 0) + (was?.rows ?? 0), is.keys + is.rows] as const
    for (const [limit, old, now] of [
      [quota.records, ...records],
      [quota.bytes, was?.bytes ?? 0, is.bytes],
    ] as const) {
      if (limit !== undefined && now > old && now > limit) throw new Refusal('quota_exceeded', project)
    }
  }
}
