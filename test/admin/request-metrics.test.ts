import assert from 'node:assert/strict'
import { it } from 'node:test'
import { formatMetrics, requestMetrics } from '../../src/admin/index.ts'
import type { RequestReadings } from '../../src/admin/index.ts'
import { DurationHistogram } from '../../src/model/index.ts'
import type { ProjectFigures } from '../../src/model/index.ts'

const project = (id: number, bytes: number, more: Partial<ProjectFigures> = {}): ProjectFigures => ({
  name: `p${id}`,
  id,
  createdAtMicros: 1,
  keys: 1,
  rows: 0,
  events: 0,
  bytes,
  quota: {},
  committed: id,
  refused: 0,
  reads: 0,
  ...more,
})

function readings(projects: readonly ProjectFigures[]): RequestReadings {
  const [commit, apply, sync, query] = Array.from({ length: 4 }, () => new DurationHistogram()) as [
    DurationHistogram,
    DurationHistogram,
    DurationHistogram,
    DurationHistogram,
  ]
  for (let i = 1; i <= 1_000; i++) commit.record(i)
  return {
    commit,
    apply,
    sync,
    query,
    committed: 5,
    refusals: new Map([
      ['conflict', 2],
      ['assertion_failed', 3],
      ['permission_denied', 4],
    ]),
    repeated: { session: 6, idempotencyKey: 7 },
    preflights: { valid: 8, refused: 9 },
    proposals: { doubted: 10, refused: 1 },
    slow: 1,
    projects,
  }
}

it('twenty projects have lines of their own for as long as they exist, the others are one together', async () => {
  let projects = Array.from({ length: 30 }, (_, i) => project(i + 1, (i + 1) * 100))
  const source = requestMetrics(() => readings(projects))
  const lines = async (name: string): Promise<Map<string, number>> => {
    const text = formatMetrics(await source.collect())
    const found = text.matchAll(new RegExp(`^${name}\\{project="([^"]+)"\\} (\\d+)$`, 'gm'))
    return new Map([...found].map(([, label = '', value]) => [label, Number(value)]))
  }
  const first = await lines('quorate_project_committed_total')
  assert.equal(first.size, 21)
  assert.ok(first.has('p30') && first.has('p11') && !first.has('p10'))
  assert.equal(first.get('_other'), 55)
  projects = projects.map(each => (each.id === 1 ? project(1, 1e9) : each))
  assert.deepEqual(await lines('quorate_project_committed_total'), first, 'a counter does not change sides')
  projects = projects.filter(({ id }) => id !== 30)
  const later = await lines('quorate_project_bytes')
  assert.equal(later.get('p1'), 1e9, 'there is room for another one')
  assert.equal(later.get('_other'), 5_400)
})

it('a project that bears the name of the others counts among them, and quotas stand where they are set', async () => {
  const projects = [project(1, 5, { name: '_other' }), project(2, 3, { quota: { bytes: 9 } })]
  const text = formatMetrics(await requestMetrics(() => readings(projects)).collect())
  assert.match(text, /^quorate_project_bytes\{project="_other"\} 5$/m)
  assert.match(text, /^quorate_project_quota_bytes\{project="p2"\} 9$/m)
  assert.doesNotMatch(text, /quota_bytes\{project="_other"/)
  assert.doesNotMatch(text, /quota_records\{/)
  assert.match(text, /^quorate_transactions_refused_total\{code="conflict"\} 2$/m)
  assert.match(text, /^quorate_transactions_conflicts_total 5$/m)
  for (const [quantile, seconds] of [
    ['0.5', 0.5],
    ['0.9', 0.9],
    ['0.99', 0.99],
    ['0.999', 0.999],
  ] as const) {
    const [, value] = new RegExp(`^quorate_commit_duration_seconds\\{quantile="${quantile}"\\} (\\S+)$`, 'm').exec(
      text,
    )!
    assert.ok(Math.abs(Number(value) - seconds) < 0.011, `${quantile}: ${value}`)
  }
  assert.match(text, /^quorate_commit_duration_seconds_sum 500\.5$/m)
  assert.match(text, /^quorate_commit_duration_seconds_count 1000$/m)
})
