import type { CoreRead } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { KvEntry, ReadRequest, ReadResult } from '../reads.ts'
import { keyAfter, type ScanRange } from './scan-range.ts'

/** Records asked for at once. */
export const PAGE_RECORDS = 512

export type ScanRequest = Extract<ReadRequest, { type: 'scan' }>
type ScanResult = Extract<ReadResult, { type: 'scan' }>

export function scanRequest(project: string, scope: string, range: ScanRange, limit: number): ScanRequest {
  const { start, end, reverse } = range
  return {
    type: 'scan',
    project,
    scope,
    limit,
    reverse,
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
  }
}

export function scanResult(read: CoreRead): ScanResult {
  if (read.result.type !== 'scan') throw new QuorateError('internal', `a scan was answered by ${read.result.type}`)
  return read.result
}

/**
 * Walks the records of a range, page by page, all read through `readPage`, which sees one state. `take` answers from the page at
 * hand, so that a record costs no promise; when it has none, `fill` reads the next page.
 */
export class RecordCursor {
  readonly #readPage: (request: ScanRequest) => Promise<CoreRead>
  readonly #pageRecords: number
  #request: ScanRequest
  #left: number
  #page: readonly KvEntry[] = []
  #at = 0

  constructor(
    readPage: (request: ScanRequest) => Promise<CoreRead>,
    project: string,
    scope: string,
    range: ScanRange,
    pageRecords: number = PAGE_RECORDS,
  ) {
    this.#readPage = readPage
    this.#pageRecords = pageRecords
    this.#request = scanRequest(project, scope, range, pageRecords)
    this.#left = range.limit
  }

  take(): KvEntry | undefined {
    return this.#at < this.#page.length ? this.#page[this.#at++] : undefined
  }

  /** Reads the next page; false when the range has been read to its end or limit. */
  async fill(): Promise<boolean> {
    if (this.#left <= 0) return false
    const limit = Math.min(this.#left, this.#pageRecords)
    const { entries, more } = scanResult(await this.#readPage({ ...this.#request, limit }))
    const last = entries.at(-1)
    if (last === undefined) {
      if (more) throw new QuorateError('internal', 'an empty page of a scan that has more')
      this.#left = 0
      return false
    }
    this.#page = entries
    this.#at = 0
    this.#left = more ? this.#left - entries.length : 0
    const rest = this.#request.reverse === true ? { end: last.key } : { start: keyAfter(last.key) }
    this.#request = { ...this.#request, ...rest }
    return true
  }
}
