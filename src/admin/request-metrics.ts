import { CONFLICT_CODES } from '../model/index.ts'
import type { DurationHistogram, ProjectFigures } from '../model/index.ts'
import { counter, gauge, labelled, summary } from './metrics.ts'
import type { MetricFamily, MetricsSource } from './metrics.ts'

/** Projects that have lines of their own. */
const PROJECTS_MAX = 20
const OTHER = '_other'

/** What a node has done since it began. */
export interface RequestReadings {
  readonly commit: DurationHistogram
  readonly apply: DurationHistogram
  readonly sync: DurationHistogram
  readonly query: DurationHistogram
  /** Transactions applied here. */
  readonly committed: number
  readonly refusals: ReadonlyMap<string, number>
  /** Transactions that had been applied before, by how that was found. */
  readonly repeated: { readonly session: number; readonly idempotencyKey: number }
  /** Asked for by callers. */
  readonly preflights: { readonly valid: number; readonly refused: number }
  /** The leader's own, before it logs a request: looked at again after a round, and refused then. */
  readonly proposals: { readonly doubted: number; readonly refused: number }
  readonly slow: number
  readonly projects: readonly ProjectFigures[]
}

/** How long things take, what is refused, and what is done for which project. */
export function requestMetrics(read: () => RequestReadings): MetricsSource {
  const named = new NamedProjects()
  return {
    collect: () => {
      const { commit, apply, sync, query, committed, refusals, slow, projects, ...rest } = read()
      return [
        summary('quorate_commit_duration_seconds', 'From the arrival of a commit on this node to its outcome', commit),
        summary('quorate_sync_duration_seconds', 'From the append of a frame to its being synced', sync),
        summary('quorate_apply_duration_seconds', 'Applying a batch of entries', apply),
        summary('quorate_query_duration_seconds', 'From the arrival of a query to its answer', query),
        counter('quorate_transactions_committed_total', 'Transactions applied here and committed', committed),
        labelled('counter', 'quorate_transactions_refused_total', 'Transactions applied here and refused', 'code', [
          ...refusals,
        ]),
        counter(
          'quorate_transactions_conflicts_total',
          'Of the refused: something read had changed, or an assertion did not hold',
          conflictsOf(refusals),
        ),
        ...preflightFamilies(rest),
        counter('quorate_requests_slow_total', 'Requests that took longer than the threshold', slow),
        gauge('quorate_projects', 'Projects', projects.length),
        ...projectFamilies(named.divide(projects)),
      ]
    },
  }
}

function preflightFamilies({
  repeated,
  preflights,
  proposals,
}: Pick<RequestReadings, 'repeated' | 'preflights' | 'proposals'>): MetricFamily[] {
  return [
    labelled(
      'counter',
      'quorate_transactions_repeated_total',
      'Transactions that had been applied before, and were answered by their session or idempotency key',
      'by',
      [
        ['session', repeated.session],
        ['idempotency_key', repeated.idempotencyKey],
      ],
    ),
    labelled('counter', 'quorate_preflights_total', 'Preflights that callers have asked this node for', 'result', [
      ['valid', preflights.valid],
      ['refused', preflights.refused],
    ]),
    counter(
      'quorate_proposals_doubted_total',
      'Requests that the leader looked at again before it logged them: its state seemed to refuse them',
      proposals.doubted,
    ),
    counter('quorate_proposals_refused_total', 'Of those, the ones that it refused', proposals.refused),
  ]
}

function conflictsOf(refusals: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const code of CONFLICT_CODES) sum += refusals.get(code) ?? 0
  return sum
}

/**
 * Which projects have lines of their own: those that hold most when there is room, for as long as they exist, so that a counter does not change
 * sides; the others are one line together.
 */
class NamedProjects {
  #named: ReadonlySet<number> = new Set()

  divide(projects: readonly ProjectFigures[]): { named: readonly ProjectFigures[]; others: readonly ProjectFigures[] } {
    const kept = projects.filter(({ id, name }) => this.#named.has(id) && name !== OTHER)
    const rest = projects.filter(({ id, name }) => !this.#named.has(id) && name !== OTHER)
    const added = rest.toSorted((a, b) => b.bytes - a.bytes).slice(0, PROJECTS_MAX - kept.length)
    const named = [...kept, ...added]
    this.#named = new Set(named.map(({ id }) => id))
    return { named, others: projects.filter(({ id }) => !this.#named.has(id)) }
  }
}

function projectFamilies({ named, others }: ReturnType<NamedProjects['divide']>): MetricFamily[] {
  const lines = (valueOf: (project: ProjectFigures) => number): (readonly [string, number])[] => {
    const own = named.map(project => [project.name, valueOf(project)] as const)
    if (others.length === 0) return own
    return [...own, [OTHER, others.reduce((sum, project) => sum + valueOf(project), 0)]]
  }
  const limits = (limitOf: (project: ProjectFigures) => number | undefined): (readonly [string, number])[] =>
    named.flatMap(project => {
      const limit = limitOf(project)
      return limit === undefined ? [] : [[project.name, limit] as const]
    })
  const gauges = [
    ['quorate_project_keys', 'Keys of a project', (project: ProjectFigures) => project.keys],
    ['quorate_project_rows', 'Rows of a project', (project: ProjectFigures) => project.rows],
    ['quorate_project_events', 'Events of a project that are kept', (project: ProjectFigures) => project.events],
    ['quorate_project_bytes', 'Bytes that a project holds', (project: ProjectFigures) => project.bytes],
  ] as const
  const counters = [
    ['quorate_project_committed_total', 'Transactions of a project', (project: ProjectFigures) => project.committed],
    ['quorate_project_refused_total', 'Refused ones', (project: ProjectFigures) => project.refused],
    ['quorate_project_reads_total', 'Reads of a project on this node', (project: ProjectFigures) => project.reads],
  ] as const
  return [
    ...gauges.map(([name, help, valueOf]) => labelled('gauge', name, help, 'project', lines(valueOf))),
    ...counters.map(([name, help, valueOf]) => labelled('counter', name, help, 'project', lines(valueOf))),
    labelled(
      'gauge',
      'quorate_project_quota_bytes',
      'Bytes that a project may hold, where that is bounded',
      'project',
      limits(({ quota }) => quota.bytes),
    ),
    labelled(
      'gauge',
      'quorate_project_quota_records',
      'Keys and rows that a project may hold, where that is bounded',
      'project',
      limits(({ quota }) => quota.records),
    ),
  ]
}
