import type { DamageReport } from './errors.ts'
import { logDirectory, segmentName } from './file-names.ts'
import { isAfter } from './positions.ts'
import type { LogPosition } from './positions.ts'
import type { LogScan } from './scan.ts'

/**
 * Where a log ended when it was closed in order: `identity.json` keeps it until the directory is opened again. Without it a last frame
 * that is gone could not be told from one that was never written.
 */
export interface LogEnd extends LogPosition {
  /** Header checksum of the last frame, or of its segment's header if it has none: the end of the chain of frames. */
  readonly frame: number
}

/** What is wrong with the end of a log that was closed at `closedAt` and not used since: nothing, or one place. */
export function damageOfClosedEnd(
  scan: LogScan,
  closedAt: LogEnd | undefined,
  dataDirectory: string,
): readonly DamageReport[] {
  if (closedAt === undefined || scan.verdict.kind === 'damaged') return []
  const { end, previousFrame, verdict } = scan
  const intactEnd = { seq: scan.index.lastSeq, term: scan.index.lastTerm }
  const file = `${logDirectory(dataDirectory)}/${segmentName(end.segment)}`
  if (verdict.kind !== 'clean') {
    const path = `${logDirectory(dataDirectory)}/${segmentName(verdict.at.segment)}`
    const what = 'the log was closed in order, but its end is not whole'
    return [{ kind: 'frame', file: path, offset: verdict.at.offset, what, intactEnd }]
  }
  const isThere = end.segment === closedAt.segment && end.offset === closedAt.offset
  if (isThere && previousFrame === closedAt.frame) return []
  if (isAfter(end, closedAt)) {
    const what = `an older identity: it has the log end in segment ${closedAt.segment} at ${closedAt.offset}`
    return [{ kind: 'identity', file: `${dataDirectory}/identity.json`, offset: 0, what, intactEnd }]
  }
  const what = `the log was closed in order in segment ${closedAt.segment} at ${closedAt.offset}, but ends here`
  return [{ kind: 'frames_lost', file, offset: end.offset, what, intactEnd }]
}
