import { DEFAULT_SCOPE, RangeDigest, type PointRead, type RangeRead, type ReadSet } from '../../encoding/index.ts'
import { mapKey } from './own-writes.ts'
import { isEmptyRange, keyAfter, type ScanRange } from './scan-range.ts'

/**
 * What a scan of a transaction has seen of the view, exactly: apply reads the same range again and must find the same keys and
 * versions, and nothing that the reader did not come to see counts. A reader that stopped after its n-th record of the view has
 * seen "the first n records of the range"; one that stopped at a key of its own writes has seen the range up to that key; one
 * that came to the end has seen all of it.
 */
export class RangeTracker {
  readonly #project: string
  readonly #scope: string
  readonly #range: ScanRange
  readonly #digest = new RangeDigest()
  #stoppedAt: 'record' | 'end' | Uint8Array = 'record'

  constructor(project: string, scope: string, range: ScanRange) {
    this.#project = project
    this.#scope = scope
    this.#range = range
  }

  /** The reader saw this record of the view, or an own write in its place. */
  sawRecord(key: Uint8Array, seq: number): void {
    this.#digest.add(key, 0, key.length, seq)
    this.#stoppedAt = 'record'
  }

  /** The reader saw an own write at `key`, and so that the view has nothing else before it. */
  sawOwnWrite(key: Uint8Array): void {
    this.#stoppedAt = key
  }

  sawEnd(): void {
    this.#stoppedAt = 'end'
  }

  /** The read-set item; undefined if nothing of the view was seen. */
  toRangeRead(): RangeRead | undefined {
    const { start, end, reverse } = this.#range
    if (this.#stoppedAt === 'end') return this.#item(start, end, 0)
    if (this.#stoppedAt === 'record') {
      // Limit 0 would mean all of the range.
      return this.#digest.records === 0 ? undefined : this.#item(start, end, this.#digest.records)
    }
    const seenStart = reverse ? keyAfter(this.#stoppedAt) : start
    const seenEnd = reverse ? end : this.#stoppedAt
    return isEmptyRange(seenStart, seenEnd) ? undefined : this.#item(seenStart, seenEnd, 0)
  }

  #item(start: Uint8Array | undefined, end: Uint8Array | undefined, limit: number): RangeRead {
    return {
      project: this.#project,
      scope: this.#scope,
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end }),
      reverse: this.#range.reverse,
      limit,
      digest: this.#digest.toHex(),
    }
  }
}

/** Collects what a transaction reads of its view. */
export class ReadSetRecorder {
  readonly #points = new Map<string, PointRead>()
  readonly #ranges: RangeTracker[] = []
  readonly #tableRanges: RangeRead[] = []

  /** `seq` is the version found; 0 = absent. All reads are of one view, so a key is noted once. */
  point(project: string, scope: string, key: Uint8Array, seq: number): void {
    // Names have no slash.
    const id = `${project}/${scope}//${mapKey(key)}`
    if (!this.#points.has(id)) this.#points.set(id, { project, scope, key, seq })
  }

  range(project: string, scope: string, range: ScanRange): RangeTracker {
    const tracker = new RangeTracker(project, scope, range)
    this.#ranges.push(tracker)
    return tracker
  }

  /** What the reader of a table has noted of rows and index entries. */
  add({ points = [], ranges = [] }: ReadSet): void {
    for (const point of points) {
      const { project, scope = DEFAULT_SCOPE, table = '', key } = point
      const id = `${project}/${scope}/${table}/${mapKey(key)}`
      if (!this.#points.has(id)) this.#points.set(id, point)
    }
    this.#tableRanges.push(...ranges)
  }

  toReadSet(): ReadSet {
    const ranges: RangeRead[] = [...this.#tableRanges]
    for (const tracker of this.#ranges) {
      const range = tracker.toRangeRead()
      if (range !== undefined) ranges.push(range)
    }
    return { points: [...this.#points.values()], ranges }
  }
}
