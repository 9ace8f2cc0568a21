import { bytesToJson, fromBase64, JSON_DATA, readRowData, toBase64, utf8Bytes } from '../encoding/index.ts'
import type { ColumnDefinition, Row, Value } from '../encoding/index.ts'
import { QuorateError, toJson } from '../model/index.ts'
import { cellOf } from './cell-text.ts'
import { formatCsv, parseCsv } from './csv.ts'
import type { CsvField } from './csv.ts'
import { fromData } from './table-commands.ts'

export type TransferFormat = 'ndjson' | 'csv'

/** A key with its value, as it travels. */
export interface KeyRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array
  /** Leader time in us; absent = never. */
  readonly expiresAtMicros?: number
}

const KEY_COLUMNS = ['key', 'value', 'encoding', 'expiresAtMicros'] as const
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Lines of an export, each with its end. */
export async function* keyLines(format: TransferFormat, records: AsyncIterable<KeyRecord>): AsyncGenerator<string> {
  if (format === 'csv') yield formatCsv(KEY_COLUMNS)
  for await (const record of records) yield format === 'csv' ? keyToCsv(record) : keyToJson(record)
}

export async function* rowLines(
  format: TransferFormat,
  columns: readonly ColumnDefinition[],
  rows: AsyncIterable<Row>,
): AsyncGenerator<string> {
  if (format === 'csv') yield formatCsv(columns.map(({ name }) => name))
  for await (const row of rows) {
    if (format === 'ndjson') yield `${toJson(bytesToJson(row))}\n`
    else yield formatCsv(columns.map(({ name }) => cellToCsv(row[name] ?? null)))
  }
}

/** The records of an import. @throws QuorateError `invalid_argument` with the number of the record */
export async function* readKeys(format: TransferFormat, chunks: AsyncIterable<string>): AsyncGenerator<KeyRecord> {
  let number = 0
  if (format === 'ndjson') {
    for await (const line of linesOf(chunks)) yield numbered(++number, () => keyFromJson(JSON.parse(line)))
    return
  }
  let columns: readonly string[] | undefined
  for await (const fields of parseCsv(chunks)) {
    if (columns === undefined) {
      columns = headerOf(fields, KEY_COLUMNS)
      if (!columns.includes('key') || !columns.includes('value')) throw invalid('the header lacks key or value')
      continue
    }
    const names = columns
    yield numbered(++number, () => keyFromCsv(fieldsByName(names, fields)))
  }
}

export async function* readRows(
  format: TransferFormat,
  columns: readonly ColumnDefinition[],
  chunks: AsyncIterable<string>,
): AsyncGenerator<Row> {
  let number = 0
  if (format === 'ndjson') {
    for await (const line of linesOf(chunks)) {
      yield numbered(++number, () => fromData(() => readRowData(JSON.parse(line), 'row', JSON_DATA)))
    }
    return
  }
  const byName = new Map(columns.map(column => [column.name, column]))
  let header: readonly string[] | undefined
  for await (const fields of parseCsv(chunks)) {
    if (header === undefined) {
      header = headerOf(fields, [...byName.keys()])
      continue
    }
    const names = header
    yield numbered(++number, () => {
      const cells = Object.entries(fieldsByName(names, fields))
      return Object.fromEntries(
        cells.map(([name, text]) => [name, text === null ? null : cellOf(byName.get(name)!, text)]),
      )
    })
  }
}

/** Lines that are not blank, without their ends. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line.trim() !== '') yield line
  }
  if (rest.trim() !== '') yield rest
}

function keyToJson({ key, value, expiresAtMicros }: KeyRecord): string {
  const plain = (bytes: Uint8Array): unknown => textOf(bytes) ?? { $b: toBase64(bytes) }
  return `${JSON.stringify({ key: plain(key), value: plain(value), ...(expiresAtMicros !== undefined && { expiresAtMicros }) })}\n`
}

function keyToCsv({ key, value, expiresAtMicros }: KeyRecord): string {
  const texts = [textOf(key), textOf(value)]
  const isText = !texts.includes(undefined)
  const fields = isText ? [...(texts as string[]), null] : [toBase64(key), toBase64(value), 'base64']
  return formatCsv([...fields, expiresAtMicros === undefined ? null : String(expiresAtMicros)])
}

function keyFromJson(data: unknown): KeyRecord {
  if (typeof data !== 'object' || data === null) throw invalid('not an object')
  const { key, value, expiresAtMicros, ...others } = data as Record<string, unknown>
  const [other] = Object.keys(others)
  if (other !== undefined) throw invalid(`an unknown field ${other}`)
  return { key: bytesOf('key', key), value: bytesOf('value', value), ...expiry(expiresAtMicros) }
}

function keyFromCsv({ key, value, encoding, expiresAtMicros }: Readonly<Record<string, CsvField>>): KeyRecord {
  if (key === undefined || key === null) throw invalid('no key')
  if (encoding !== undefined && encoding !== null && encoding !== 'base64') throw invalid(`encoding ${encoding}`)
  const decode = encoding === 'base64' ? fromBase64Text : utf8Bytes
  const time = expiresAtMicros === undefined || expiresAtMicros === null ? undefined : Number(expiresAtMicros)
  return { key: decode(key), value: decode(value ?? ''), ...expiry(time) }
}

function expiry(expiresAtMicros: unknown): { expiresAtMicros?: number } {
  if (expiresAtMicros === undefined || expiresAtMicros === null) return {}
  if (!Number.isSafeInteger(expiresAtMicros) || (expiresAtMicros as number) < 1) throw invalid('expiresAtMicros')
  return { expiresAtMicros: expiresAtMicros as number }
}

function bytesOf(name: string, data: unknown): Uint8Array {
  if (typeof data === 'string') return utf8Bytes(data)
  const base64 = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)['$b'] : undefined
  if (typeof base64 !== 'string') throw invalid(`${name} is a text or {"$b": base64}`)
  return fromBase64Text(base64)
}

function fromBase64Text(text: string): Uint8Array {
  return fromData(() => fromBase64(text))
}

/** Undefined if the bytes are no text. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return undefined
  }
}

/** The inverse of what a cell on the command line is; Null is an empty field. */
function cellToCsv(value: Value): CsvField {
  if (value === null) return null
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : String(value)
}

function headerOf(fields: readonly CsvField[], known: readonly string[]): string[] {
  const names = fields.map(field => field ?? '')
  const wrong = names.find((name, i) => !known.includes(name) || names.indexOf(name) !== i)
  if (wrong !== undefined) throw invalid(`the header has '${wrong}', unknown or twice`)
  return names
}

function fieldsByName(names: readonly string[], fields: readonly CsvField[]): Record<string, CsvField> {
  if (fields.length !== names.length) throw invalid(`${fields.length} fields under ${names.length} columns`)
  return Object.fromEntries(names.map((name, i) => [name, fields[i]!]))
}

function numbered<T>(number: number, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof QuorateError || cause instanceof SyntaxError)) throw cause
    throw new QuorateError('invalid_argument', `record ${number}: ${cause.message}`, { cause })
  }
}

function invalid(message: string): QuorateError {
  return new QuorateError('invalid_argument', message)
}
