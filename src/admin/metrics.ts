import type { DurationHistogram, LatencyHistogram } from '../model/index.ts'

/** One value of a family. `suffix` is `_bucket`, `_sum` or `_count` in a histogram, the latter two in a summary. */
export interface MetricSample {
  value: number
  labels?: Readonly<Record<string, string | number>>
  suffix?: string
}

/** Values of one meaning. Names are prefix_subsystem_name_unit; counters end in `_total`; seconds and bytes; labels are few and bounded. */
export interface MetricFamily {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary'
  samples: readonly MetricSample[]
}

/** What a part of the node counts, read when somebody asks. */
export interface MetricsSource {
  /** Reading it begins some of its figures anew: it is for one reader, which is monitoring. */
  readonly isForOneReader?: boolean
  collect(): readonly MetricFamily[] | Promise<readonly MetricFamily[]>
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const NAME = /^[a-z_:][a-z0-9_:]*$/

/**
 * Prometheus text format 0.0.4. Families of one name are written together.
 * @throws RangeError for a name that the format does not allow
 */
export function formatMetrics(families: readonly MetricFamily[]): string {
  const byName = new Map<string, MetricFamily[]>()
  for (const family of families) {
    if (!NAME.test(family.name)) throw new RangeError(`no name of a metric: ${family.name}`)
    const same = byName.get(family.name)
    if (same === undefined) byName.set(family.name, [family])
    else same.push(family)
  }
  let text = ''
  for (const [name, same] of byName) {
    const { help, type } = same[0]!
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
    for (const { samples } of same) for (const sample of samples) text += formatSample(name, sample)
  }
  return text
}

function formatSample(name: string, { value, labels = {}, suffix = '' }: MetricSample): string {
  const pairs = Object.entries(labels).map(([label, of]) => `${label}="${escapeLabel(String(of))}"`)
  return `${name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${formatNumber(value)}\n`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

export function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ value }] }
}

/** One line for each value of one label. */
export function labelled(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  label: string,
  values: readonly (readonly [of: string, value: number])[],
): MetricFamily {
  return { name, help, type, samples: values.map(([of, value]) => ({ value, labels: { [label]: of } })) }
}

export function histogram(
  name: string,
  help: string,
  parts: readonly (readonly [labels: Readonly<Record<string, string>>, of: LatencyHistogram])[],
): MetricFamily {
  const samples = parts.flatMap(([labels, of]) => [
    ...of.cumulative().map(({ boundSeconds, count }) => ({
      suffix: '_bucket',
      value: count,
      labels: { ...labels, le: boundSeconds === Number.POSITIVE_INFINITY ? '+Inf' : boundSeconds },
    })),
    { suffix: '_sum', value: of.sumSeconds, labels },
    { suffix: '_count', value: of.count, labels },
  ])
  return { name, help, type: 'histogram', samples }
}

export function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ value }] }
}

const QUANTILES = [0.5, 0.9, 0.99, 0.999] as const

/** Percentiles since the start, right to within a hundredth. */
export function summary(name: string, help: string, of: DurationHistogram): MetricFamily {
  return summaryIn(1000, name, help, of)
}

/** The same of numbers that were recorded as milliseconds. */
export function countSummary(name: string, help: string, of: DurationHistogram): MetricFamily {
  return summaryIn(1, name, help, of)
}

function summaryIn(unit: number, name: string, help: string, of: DurationHistogram): MetricFamily {
  const samples = QUANTILES.map(quantile => ({
    value: of.percentileMs(quantile * 100) / unit,
    labels: { quantile: String(quantile) },
  }))
  const totals = [
    { suffix: '_sum', value: of.sumMs / unit },
    { suffix: '_count', value: of.count },
  ]
  return { name, help, type: 'summary', samples: [...samples, ...totals] }
}
