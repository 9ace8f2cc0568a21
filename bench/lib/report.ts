/** A measured figure beside what it is held against. */
export interface Row {
  section: string
  what: string
  /** As printed, with its unit. */
  figure: string
  /** The bar, as printed; empty where there is none. */
  target: string
  /** Whether the bar is met; undefined where there is none. */
  isMet: boolean | undefined
}

export function atMost(section: string, what: string, value: number, bound: number, unit: string): Row {
  return {
    section,
    what,
    figure: `${format(value)} ${unit}`,
    target: `<= ${format(bound)} ${unit}`,
    isMet: value <= bound,
  }
}

export function atLeast(section: string, what: string, value: number, bound: number, unit: string): Row {
  return {
    section,
    what,
    figure: `${format(value)} ${unit}`,
    target: `>= ${format(bound)} ${unit}`,
    isMet: value >= bound,
  }
}

export function plain(section: string, what: string, value: number, unit: string): Row {
  return { section, what, figure: `${format(value)} ${unit}`, target: '', isMet: undefined }
}

function format(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits })
}

/** The rows as a Markdown table. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map(row => [row.section, row.what, row.figure, row.target, verdict(row)])
  const head = ['section', 'what', 'figure', 'target', '']
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map(line => line[column]!.length)))
  const line = (fields: readonly string[]): string =>
    `| ${fields.map((text, i) => text.padEnd(widths[i]!)).join(' | ')} |`
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...cells.map(line)].join('\n')
}

function verdict(row: Row): string {
  if (row.isMet === undefined) return ''
  return row.isMet ? 'met' : 'MISSED'
}

/** The value below which a share `q` of the sorted values lies. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  return sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!
}

export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}
