import { outFolder } from './config.ts'

interface SummaryMetric {
  readonly type: string
  readonly contains: string
  readonly values: Readonly<Record<string, number>>
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>
}

interface Summary {
  readonly metrics: Readonly<Record<string, SummaryMetric>>
  readonly state: { readonly testRunDurationMs: number }
}

const TIMES = ['med', 'p(95)', 'p(99)', 'max'] as const
const NAMED =
  /^(operation_latency|lost|duplicated|stale|retried|given_up|transfers|iterations|dropped_iterations|http_req)/

/** k6's `handleSummary`: the whole as JSON, the essence as Markdown, which is printed too. */
export function handleSummary(summary: Summary): Record<string, string> {
  const markdown = markdownOf(summary)
  return {
    [`${outFolder}/summary.json`]: JSON.stringify(summary, null, 2),
    [`${outFolder}/summary.md`]: markdown,
    stdout: `${markdown}\n`,
  }
}

function markdownOf({ metrics, state }: Summary): string {
  const named = Object.entries(metrics).filter(([name]) => NAMED.test(name))
  const trends = named.filter(([, { type }]) => type === 'trend')
  const counters = named.filter(([, { type }]) => type === 'counter' || type === 'rate')
  const bars = Object.entries(metrics).flatMap(([name, { thresholds = {} }]) =>
    Object.entries(thresholds).map(([bar, { ok }]) => `| \`${name}\` | \`${bar}\` | ${ok ? 'held' : '**broken**'} |`),
  )
  return [
    `k6, ${(state.testRunDurationMs / 1000).toFixed(0)} s`,
    '',
    `| ms | ${TIMES.join(' | ')} | count |`,
    '|---|---|---|---|---|---|',
    ...trends.map(
      ([name, { values }]) =>
        `| \`${name}\` | ${TIMES.map(time => fixed(values[time])).join(' | ')} | ${values['count'] ?? ''} |`,
    ),
    '',
    '| counter | value | a second |',
    '|---|---|---|',
    ...counters.map(
      ([name, { values }]) =>
        `| \`${name}\` | ${fixed(values['count'] ?? values['rate'])} | ${fixed(values['rate'])} |`,
    ),
    '',
    '| metric | bar | |',
    '|---|---|---|',
    ...bars,
  ].join('\n')
}

function fixed(value: number | undefined): string {
  return value === undefined ? '' : String(Math.round(value * 100) / 100)
}
