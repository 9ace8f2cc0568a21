import { QuorateError } from '../model/index.ts'

/** A field of a record; null = nothing between the commas, which is not the empty text `""`. */
export type CsvField = string | null

const CHARACTERS_MAX = 64 << 20

/**
 * Records of a CSV text (RFC 4180: commas, quotes doubled within quotes, line ends CR LF or LF, also within quotes), as they come. Empty lines
 * are no records. A byte order mark is skipped. @throws QuorateError `invalid_argument` with the line
 */
export async function* parseCsv(chunks: AsyncIterable<string>): AsyncGenerator<CsvField[], void, undefined> {
  const parser = new CsvParser()
  for await (const chunk of chunks) yield* parser.take(chunk)
  yield* parser.end()
}

/** Before a field, in one without or within quotes, after a quote that may close it, after that and CR. */
type State = 'field' | 'plain' | 'quoted' | 'quote' | 'quoteCr'

/** One character after the other; a record may come in any number of pieces. */
class CsvParser {
  #state: State = 'field'
  #text = ''
  #record: CsvField[] = []
  #line = 1
  /** Where the last quoted field begins. */
  #quotedLine = 1
  #isFirst = true

  take(chunk: string): CsvField[][] {
    const records: CsvField[][] = []
    for (const character of this.#isFirst && chunk.startsWith('\uFEFF') ? chunk.slice(1) : chunk) {
      const record = this.#step(character)
      if (record !== undefined) records.push(record)
    }
    if (chunk !== '') this.#isFirst = false
    return records
  }

  end(): CsvField[][] {
    if (this.#state === 'quoted') throw this.#wrong('a quoted field is not closed', this.#quotedLine)
    return this.#isEmptyLine ? [] : [this.#endRecord()]
  }

  #step(character: string): CsvField[] | undefined {
    if (character === '\n') this.#line++
    switch (this.#state) {
      case 'quoted':
        if (character === '"') this.#state = 'quote'
        else this.#add(character)
        return undefined
      case 'quote':
        return this.#afterQuote(character)
      case 'quoteCr':
        if (character !== '\n') throw this.#wrong('a character follows a closed quote')
        return this.#endRecord()
      default:
        return this.#inField(character)
    }
  }

  #afterQuote(character: string): CsvField[] | undefined {
    switch (character) {
      case '"':
        this.#add('"')
        this.#state = 'quoted'
        return undefined
      case ',':
        this.#endField(this.#text)
        return undefined
      case '\r':
        this.#state = 'quoteCr'
        return undefined
      case '\n':
        return this.#endRecord()
      default:
        throw this.#wrong('a character follows a closed quote')
    }
  }

  #inField(character: string): CsvField[] | undefined {
    switch (character) {
      case '"':
        if (this.#state !== 'field') throw this.#wrong('a quote within a field that is not quoted')
        this.#state = 'quoted'
        this.#quotedLine = this.#line
        return undefined
      case ',':
        this.#endField(this.#state === 'field' ? null : this.#text)
        return undefined
      case '\n':
        if (!this.#isEmptyLine) return this.#endRecord()
        this.#text = ''
        this.#state = 'field'
        return undefined
      default:
        this.#state = 'plain'
        this.#add(character)
        return undefined
    }
  }

  get #isEmptyLine(): boolean {
    const isEmptyField = this.#state === 'field' || (this.#state === 'plain' && this.#text === '\r')
    return isEmptyField && this.#record.length === 0
  }

  #add(character: string): void {
    if (this.#text.length >= CHARACTERS_MAX) throw this.#wrong('a field is too long')
    this.#text += character
  }

  #endField(field: CsvField): void {
    this.#record.push(field)
    this.#text = ''
    this.#state = 'field'
  }

  /** The CR of a line end is no part of a field. */
  #endRecord(): CsvField[] {
    const isQuoted = this.#state === 'quote' || this.#state === 'quoteCr'
    const text = !isQuoted && this.#text.endsWith('\r') ? this.#text.slice(0, -1) : this.#text
    this.#endField(!isQuoted && text === '' ? null : text)
    const record = this.#record
    this.#record = []
    return record
  }

  #wrong(what: string, line: number = this.#line): QuorateError {
    return new QuorateError('invalid_argument', `line ${line}: ${what}`)
  }
}

/** A record as a line with its end. */
export function formatCsv(fields: readonly CsvField[]): string {
  const line = fields.map(field => {
    if (field === null) return ''
    return field === '' || /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
  })
  // A lone null would be an empty line, which is no record; nobody has a table or a file of one column without a value in it.
  return `${line.join(',')}\n`
}
