import { BARS } from './bars.ts'
import type { Bar } from './bars.ts'
import type { Figure, Outcome } from './outcome.ts'

/** Of several rounds the best of each figure, for those that have a bar, and the last of the others; an assertion counts if it held once. */
export function bestOf(rounds: readonly (readonly Outcome[])[]): Outcome[] {
  const last = rounds.at(-1) ?? []
  return last.map((outcome, index) => {
    const same = rounds.map(round => round[index]!)
    const bars = BARS[outcome.benchmark]
    return {
      benchmark: outcome.benchmark,
      figures: outcome.figures.map((figure, at) => {
        const values = same.map(one => one.figures[at]!.value)
        const bar = bars?.get(figure.name)
        if (bar === undefined) return figure
        return { ...figure, value: bar.isMoreBetter ? Math.max(...values) : Math.min(...values) }
      }),
      checks: outcome.checks.map((check, at) => same.map(one => one.checks[at]!).find(one => one.isMet) ?? check),
    }
  })
}

/** A table in Markdown: each figure beside the bar. */
export function renderOutcomes(outcomes: readonly Outcome[]): string {
  const head = ['benchmark', 'figure', 'here', 'aedb median', 'aedb best', 'here : median', '']
  const lines = outcomes.flatMap(({ benchmark, figures }) => figures.map(figure => lineOf(benchmark, figure)))
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map(line => line[column]!.length)))
  const render = (fields: readonly string[]): string =>
    `| ${fields.map((text, i) => (i < 2 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(' | ')} |`
  return [render(head), render(widths.map(width => '-'.repeat(width))), ...lines.map(render)].join('\n')
}

function lineOf(benchmark: string, figure: Figure): string[] {
  const bar = BARS[benchmark]?.get(figure.name)
  const here = `${format(figure.value)} ${figure.unit}`.trim()
  if (bar === undefined) return [benchmark, figure.name, here, '', '', '', '']
  const ratio = bar.median === 0 ? '' : (figure.value / bar.median).toFixed(2)
  return [benchmark, figure.name, here, format(bar.median), format(bar.best), ratio, verdict(figure.value, bar)]
}

function verdict(value: number, { median, best, isMoreBetter }: Bar): string {
  const beats = (bound: number): boolean => (isMoreBetter ? value >= bound : value <= bound)
  return beats(best) ? 'best passed' : beats(median) ? 'median passed' : 'missed'
}

function format(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits })
}
