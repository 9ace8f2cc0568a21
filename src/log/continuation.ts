import { logDirectory, segmentName } from './file-names.ts'
import type { DamageReport } from './errors.ts'
import type { ChainPoint } from './positions.ts'
import type { LogScan } from './scan.ts'

/** The state of the newest superblock. */
export interface DurableState extends ChainPoint {
  /** It came from another node, without the log that leads to it: what the own log has may be of before. */
  readonly isInstalled: boolean
}

/** Whether a log ends where it was written to, so that what it does not say was never said: nothing is damaged, no end undecided, now or earlier. */
export function isEndKnown({ verdict }: LogScan, damage: readonly DamageReport[], undecided: number): boolean {
  return damage.length === 0 && verdict.kind !== 'suspect' && undecided === 0
}

/**
 * What is wrong with a log as the one that a durable state goes on from: nothing, or one place. A superblock is written after everything
 * up to its entry is synced (docs/adr/0003-torn-or-damaged.md), so the log of its directory has that very entry, or has it as its base; that of a
 * state that was installed begins behind it at the latest. `isWhole`: see `isEndKnown`.
 */
export function damageBehindState(
  scan: LogScan,
  dataDirectory: string,
  state: DurableState,
  isWhole: boolean,
): DamageReport | undefined {
  if (scan.live.length === 0 || scan.verdict.kind === 'damaged') return undefined
  const { index, end } = scan
  const { seq } = state
  const intactEnd = { seq: index.lastSeq, term: index.lastTerm }
  const inSegment = (segment: number): string => `${logDirectory(dataDirectory)}/${segmentName(segment)}`
  if (seq < index.base.seq) {
    const first = scan.live[0]!.segment
    const what = `a segment before ${first} is missing: the newest checkpoint is at ${seq}, the log begins after ${index.base.seq}`
    return { kind: 'segment_missing', file: inSegment(first - 1), offset: 0, what, intactEnd }
  }
  if (state.isInstalled) return undefined
  if (seq > index.lastSeq) {
    // An end that nobody can decide is asked for from other members, with what it must reach.
    if (!isWhole) return undefined
    const what = `the log ends here at ${index.lastSeq}, but the newest checkpoint was made after ${seq}: entries are missing`
    return { kind: 'frames_lost', file: inSegment(end.segment), offset: end.offset, what, intactEnd }
  }
  if (index.termAt(seq) === state.term && index.chainAt(seq) === state.chain) return undefined
  const { segment, offset } = index.locate(seq) ?? { segment: scan.live[0]!.segment, offset: 0 }
  const what = `entry ${seq} is not the one after which the newest checkpoint was made`
  return { kind: 'stale_frame', file: inSegment(segment), offset, what, intactEnd }
}
