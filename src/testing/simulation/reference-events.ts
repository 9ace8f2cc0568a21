import type { EventData } from '../../model/index.ts'

interface Compaction {
  readonly seq: number
  /** Of the first event that stays. */
  readonly endNumber: number
  readonly endMicros: number
}

/**
 * The events of one scope, and which of them may be removed. When they are is the business of background steps; what a reader finds must be
 * all that comes after what was removed.
 */
export class ReferenceEvents {
  readonly all: EventData[] = []
  readonly #compactions: Compaction[] = []
  #saved: readonly [events: number, compactions: number] = [0, 0]

  begin(): void {
    this.#saved = [this.all.length, this.#compactions.length]
  }

  rollBack(): void {
    this.all.length = this.#saved[0]
    this.#compactions.length = this.#saved[1]
  }

  emit(event: EventData): void {
    this.all.push(event)
  }

  /** False: it can change nothing. Undefined: that depends on what earlier ones have removed by now. */
  compact(
    seq: number,
    timeMicros: number,
    { maxAgeMs, keepLast }: { maxAgeMs?: number; keepLast?: number },
  ): false | undefined {
    if (maxAgeMs === undefined && keepLast === undefined) return false
    const endNumber = Math.max(0, this.all.length - (keepLast ?? 0))
    const endMicros = maxAgeMs === undefined ? Number.MAX_SAFE_INTEGER : Math.max(0, timeMicros - maxAgeMs * 1000)
    const [first] = this.all
    if (first === undefined || endNumber === 0 || first.timeMicros >= endMicros) return false
    this.#compactions.push({ seq, endNumber, endMicros })
    return undefined
  }

  /** The newest seq through which everything may be removed in the state of `seq`: commits stay or go whole. */
  removableThrough(seq: number): number {
    const through = this.#compactions.filter(each => each.seq <= seq).map(compaction => this.#endOf(compaction))
    return Math.max(0, ...through)
  }

  #endOf({ endNumber, endMicros }: Compaction): number {
    const { all } = this
    const firstKept = all.findIndex((event, number) => number >= endNumber || event.timeMicros >= endMicros)
    if (firstKept < 0) return all.at(-1)?.seq ?? 0
    return all.findLast(({ seq }) => seq < all[firstKept]!.seq)?.seq ?? 0
  }

  /**
   * Why a page of events, read in the state of `seq` behind `afterSeq`, cannot be: it must have all from right behind what was removed up to
   * where the next one begins, which is between two commits.
   */
  findFault(
    page: {
      readonly events: readonly EventData[]
      readonly next: number | undefined
      readonly removedThroughSeq: number
    },
    asked: { readonly seq: number; readonly afterSeq: number; readonly topic?: string },
  ): string | undefined {
    const { events, next, removedThroughSeq } = page
    const { seq, afterSeq, topic } = asked
    const removable = this.removableThrough(seq)
    if (removedThroughSeq > removable) return `events up to ${removedThroughSeq} are removed, only ${removable} may be`
    const from = Math.max(afterSeq, removedThroughSeq)
    const through = next ?? seq
    const expected = this.all.filter(
      event => event.seq > from && event.seq <= through && (topic === undefined || event.topic === topic),
    )
    if (events.length !== expected.length) return `${events.length} events up to ${through}, not ${expected.length}`
    const wrong = events.findIndex((event, at) => !isSame(event, expected[at]))
    if (wrong < 0) return undefined
    return `number ${wrong} is ${show(events[wrong])}, not ${show(expected[wrong])}`
  }
}

function isSame(a: EventData, b: EventData | undefined): boolean {
  const isAlike = b !== undefined && a.seq === b.seq && a.timeMicros === b.timeMicros
  return isAlike && a.topic === b.topic && a.key === b.key && a.payload === b.payload
}

function show(event: EventData | undefined): string {
  return event === undefined ? 'nothing' : `${event.topic} ${event.key} of ${event.seq}`
}
