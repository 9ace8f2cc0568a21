import assert from 'node:assert/strict'
import type { QuorateError, StateView, WatchedRows, WatchSink } from '../../src/model/index.ts'

/** By seq and caller: the rows that the caller sees, by key. */
export type Shown = ReadonlyMap<number, ReadonlyMap<string, ReadonlyMap<string, string>>>

interface Told {
  seq: number
  /** When it was told. */
  appliedSeq: number
  rows?: WatchedRows
  isReset?: boolean
}

/** What happens meanwhile. */
export interface Watched {
  readonly shown: Shown
  /** Where policies or permissions were changed. */
  readonly sightChanges: readonly number[]
  readonly appliedSeq: () => number
}

/** Keeps what it is told in step, and compares it with what its caller sees, seq by seq. */
export class RowJudge implements WatchSink {
  readonly queuedBytes = 0
  told = 0
  readonly #name: string
  readonly #shown: Shown
  readonly #sightChanges: readonly number[]
  readonly #appliedSeq: () => number
  readonly #caller: string
  readonly #part: string | undefined
  #rows: Map<string, string>
  readonly #events: Told[] = []
  /** Compared up to here. */
  #seq: number

  constructor(name: string, watched: Watched, caller: string, part: string | undefined, from: number) {
    this.#name = name
    this.#shown = watched.shown
    this.#sightChanges = watched.sightChanges
    this.#appliedSeq = watched.appliedSeq
    this.#caller = caller
    this.#part = part
    this.#seq = from
    this.#rows = this.#seen(from)
  }

  commit(): void {
    assert.fail(`${this.#name} is told of keys`)
  }

  rows(seq: number, rows: WatchedRows): void {
    this.#events.push({ seq, rows, appliedSeq: this.#appliedSeq() })
  }

  progress(seq: number): void {
    this.#events.push({ seq, appliedSeq: this.#appliedSeq() })
  }

  reset(view: StateView): void {
    this.#events.push({ seq: view.seq, isReset: true, appliedSeq: view.seq })
    view.release()
  }

  failed(error: QuorateError): void {
    // Closing the state machine ends what is not judged any more.
    if (error.code !== 'closed') throw error
  }

  /** Goes through what it was told, which must reach `seq`. */
  judge(seq: number): void {
    const events = this.#events.splice(0)
    for (const [i, event] of events.entries()) {
      if (event.isReset !== true && this.#isBeforeReset(events, i)) continue
      if (event.rows !== undefined) this.#take(event.seq, event.rows)
      else if (event.isReset !== true) this.#requireUpTo(event.seq)
      else {
        assert.ok(event.seq > this.#seq, `${this.#name} at ${this.#seq} is reset to ${event.seq}`)
        this.#rows = this.#seen(event.seq)
        this.#seq = event.seq
      }
    }
    assert.equal(this.#seq, seq, `${this.#name} has not come to the end`)
  }

  /** Whether it was told when the sight had changed already: by the new one, until the watch comes to that change and begins anew. */
  #isBeforeReset(events: readonly Told[], i: number): boolean {
    const later = events.slice(i)
    const reset = later.findIndex(event => event.isReset === true)
    const between = later.slice(0, Math.max(0, reset))
    return this.#sightChanges.some(
      seq => reset > 0 && seq <= events[i]!.appliedSeq && between.every(event => event.seq < seq),
    )
  }

  #take(seq: number, { columns, keyColumns, changes }: WatchedRows): void {
    assert.deepEqual([columns.length, keyColumns], [4, ['part', 'id']])
    assert.ok(changes.length > 0 && seq > this.#seq, `${this.#name} at ${this.#seq} is told of ${seq}`)
    this.#requireUpTo(seq - 1)
    for (const { kind, cells } of changes) {
      const key = cells.slice(0, 2).join(' ')
      if (kind === 'put') this.#rows.set(key, cells.join(' '))
      else assert.ok(this.#rows.delete(key), `${this.#name} is told at ${seq} that ${key} is gone, which it never saw`)
      this.told++
    }
    this.#compare(seq)
    this.#seq = seq
  }

  /** Nothing that was not told has changed up to `seq`. */
  #requireUpTo(seq: number): void {
    while (this.#seq < seq) {
      this.#seq++
      this.#compare(this.#seq)
    }
  }

  #compare(seq: number): void {
    assert.deepEqual(this.#rows, this.#seen(seq), `${this.#name} at ${seq}`)
  }

  #seen(seq: number): Map<string, string> {
    const rows = this.#shown.get(seq)!.get(this.#caller)!
    return new Map([...rows].filter(([key]) => this.#part === undefined || key.startsWith(`${this.#part} `)))
  }
}
