import type { ChaosResult } from './chaos-run.ts'
import type { FaultSpan } from './nemesis.ts'

const WIDTHS = [30, 6, 8, 10, 16]

/** The table of a run: what happened how often, and what the writers felt of it. */
export function formatReport({ history, spans, recoveriesMs, hasSmallDisk }: ChaosResult): string {
  const byName = new Map<string, FaultSpan[]>()
  for (const span of spans) byName.set(span.name, [...(byName.get(span.name) ?? []), span])
  const lines = [line(['fault', 'times', 'seconds', 'writes', 'longest gap, ms']), line(WIDTHS.map(w => '-'.repeat(w)))]
  for (const [name, some] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const seconds = some.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / 1_000
    const writes = some.reduce((sum, { fromMs, toMs }) => sum + history.acknowledgedBetween(fromMs, toMs), 0)
    const gapMs = Math.max(...some.map(({ fromMs, toMs }) => history.longestGapMs(fromMs, toMs)))
    lines.push(line([name, String(some.length), seconds.toFixed(0), String(writes), gapMs.toFixed(0)]))
  }
  if (!hasSmallDisk) lines.push('full disk: did not run, for it needs root and the right to mount a tmpfs')
  const { writes, reads, weakReads, unknown, refused, watched, checked, steps } = history.totals
  const sorted = [...recoveriesMs].sort((a, b) => a - b)
  lines.push(
    '',
    `${writes} writes acknowledged, ${refused} refused by their condition, ${unknown} of unknown outcome`,
    `${reads} linearizable reads, ${weakReads} weaker ones, ${watched} commits watched`,
    `${checked} operations judged in ${steps} steps`,
    `write again after all faults ended: median ${at(sorted, 0.5)} ms, longest ${at(sorted, 1)} ms of ${sorted.length} rounds`,
    `errors that callers met: ${[...history.errors].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'}`,
  )
  return lines.join('\n')
}

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[i]!) : cell.padStart(WIDTHS[i]!)))
  return `| ${padded.join(' | ')} |`
}

function at(sorted: readonly number[], share: number): string {
  return (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(0)
}
