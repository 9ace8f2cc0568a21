import { logDirectory, segmentName } from './file-names.ts'
import type { DamageReport } from './errors.ts'
import type { ChainPoint } from './positions.ts'
import type { LogScan } from './scan.ts'

/** The state of the newest superblock. */
export interface DurableState extends ChainPoint {
  /** It came from another node, without the log that leads to it: what the own log has may be of before. */
  readonly isInstalled: boolean
}

/**
 * What is wrong with a log as the one that a durable state goes on from: nothing, or one place. A superblock is written after everything
 * up to its entry is synced (docs/adr/0003-torn-or-damaged.md), so the log of its directory has that very entry, or has it as its base; that of a
 * state that was installed begins behind it at the latest. `isEndKnown`: no end that nobody can decide was found, now or earlier.
 */
export function damageBehindState(
  scan: LogScan,
  dataDirectory: string,
  state: DurableState,
  isEndKnown: boolean,
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
    if (!isEndKnown) return undefined
    const what = `the log ends here at ${index.lastSeq}, but the newest checkpoint was made after ${seq}: entries are missing`
    return { kind: 'frames_lost', file: inSegment(end.segment), offset: end.offset, what, intactEnd }
  }
  if (index.termAt(seq) === state.term && index.chainAt(seq) === state.chain) return undefined
  const { segment, offset } = index.locate(seq) ?? { segment: scan.live[0]!.segment, offset: 0 }
  const what = `entry ${seq} is not the one after which the newest checkpoint was made`
  return { kind: 'stale_frame', file: inSegment(segment), offset, what, intactEnd }
}
