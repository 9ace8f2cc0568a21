import { bytesToHex, decodeEnvelope, encodeOutcome, type PointRead } from '../../src/encoding/index.ts'
import type { ReadRequest, ReadResult } from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'
import type { ReferenceState } from './reference-state.ts'
import { seenRows } from './reference-table-watch.ts'

/** Applies the transaction to a copy and looks at the difference. */
export function answerPreflight(state: ReferenceState, bytes: Uint8Array, caller: string): ReadResult {
  const envelope = decodeEnvelope(bytes)
  const { seq } = state
  const next = state.copy()
  next.seq++
  try {
    if (bytes.length > next.settings.transactionBytesMax) throw new Refusal('transaction_too_large')
    if (envelope.mutations.length > next.settings.mutationsMax) throw new Refusal('transaction_too_large')
    const results = next.apply(envelope, caller)
    const outcome = encodeOutcome({ status: 'committed', seq, results })
    const points: PointRead[] = []
    const rows = changedRows(state, next, caller, points)
    const keys = new Set<string>()
    for (const { project, scope, key, isEvent } of next.changes) {
      if (isEvent === true || !state.allows(caller, 'kvRead', { project, scope }, key)) continue
      const id = `${project}/${scope}/${bytesToHex(key)}`
      if (!keys.has(id)) points.push({ project, scope, key, seq: state.find({ project, scope, key })?.seq ?? 0 })
      keys.add(id)
    }
    const events = next.changes.filter(({ isEvent }) => isEvent === true).length
    return { type: 'preflight', outcome, rows, keys: keys.size, events, readSet: { points } }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { code, message, detail } = error
    const why = { code, message, ...(detail !== undefined && { detail }) }
    return {
      type: 'preflight',
      outcome: encodeOutcome({ status: 'refused', seq, ...why }),
      rows: 0,
      keys: 0,
      events: 0,
    }
  }
}

function changedRows(before: ReferenceState, after: ReferenceState, caller: string, points: PointRead[]): number {
  let count = 0
  for (const [project, scopes] of before.projects) {
    for (const scope of scopes.keys()) {
      for (const { name: table } of before.tables.all(project, scope)) {
        const selector = { project, scope, table, prefix: new Uint8Array(0) }
        if (!before.allowsTable(caller, { type: 'tableRead', project, scope, table })) continue
        const [then, now] = [seenRows(before, selector, caller), seenRows(after, selector, caller)]
        for (const id of new Set([...then.keys(), ...now.keys()])) {
          const seq = then.get(id)?.seq
          if (seq === now.get(id)?.seq) continue
          count++
          points.push({ project, scope, table, key: (then.get(id) ?? now.get(id))!.key, seq: seq ?? 0 })
        }
      }
    }
  }
  return count
}

/** @throws Refusal if a place that is named is missing */
export function requirePlace(state: ReferenceState, request: Extract<ReadRequest, { type: 'jobs' }>): void {
  const { project, scope, table } = request
  if (project === undefined) return
  if (!state.projects.has(project)) throw new Refusal('project_not_found')
  if (scope !== undefined) state.records(project, scope)
  if (scope !== undefined && table !== undefined) state.tables.table({ project, scope, table })
}
