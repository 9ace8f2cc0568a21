import { toJson } from '../model/index.ts'

/** How results are printed: tables for people, one JSON document for programs. */
export type OutputFormat = 'table' | 'json'

/** Numbers of all sizes stand to the right. */
export type PrintedCell = string | number | bigint

export interface Output {
  readonly format: OutputFormat
  /** One line. */
  line(text: string): void
  /** Bytes as they are; followed by a line end on a terminal only. */
  raw(bytes: Uint8Array): void
  /** The JSON document, in JSON format; otherwise what `people` prints. */
  result(value: unknown, people: () => void): void
  table(rows: readonly Readonly<Record<string, PrintedCell>>[]): void
}

/** Where the program writes; a test gives its own. */
export interface Terminal {
  readonly isTerminal: boolean
  /** Characters in a line of the terminal. */
  readonly columns: number
  write(text: string | Uint8Array): void
  writeError(text: string): void
  /** Everything on standard input. */
  readInput(): Promise<Uint8Array>
}

export function createOutput(terminal: Terminal, format: OutputFormat): Output {
  const line = (text: string): void => terminal.write(`${text}\n`)
  return {
    format,
    line,
    raw(bytes) {
      terminal.write(bytes)
      if (terminal.isTerminal) terminal.write('\n')
    },
    result(value, people) {
      if (format === 'json') line(toJson(value))
      else people()
    },
    table(rows) {
      for (const text of formatTable(rows)) line(text)
    },
  }
}

/** Columns as wide as their widest cell, numbers to the right. */
export function formatTable(rows: readonly Readonly<Record<string, PrintedCell>>[]): string[] {
  const columns = Object.keys(rows[0] ?? {})
  const widths = columns.map(name => Math.max(name.length, ...rows.map(row => String(row[name] ?? '').length)))
  const render = (cells: readonly PrintedCell[]): string =>
    cells
      .map((cell, i) => (typeof cell === 'string' ? cell.padEnd(widths[i]!) : String(cell).padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [
    render(columns.map(name => name.toUpperCase())),
    ...rows.map(row => render(columns.map(name => row[name] ?? ''))),
  ]
}

/** Bytes as text where they are printable UTF-8, as hexadecimal digits otherwise. */
export function printable(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (!/\p{Cc}/u.test(text)) return text
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
  return `0x${Buffer.from(bytes).toString('hex')}`
}
