import type { DamageReport } from './errors.ts'
import { VOTES_NAME } from './file-names.ts'
import type { HardState } from './positions.ts'
import type { LogScan } from './scan.ts'
import type { VoteSlots } from './votes.ts'

export interface ResolvedVotes {
  readonly hardState: HardState
  readonly isCertain: boolean
  readonly damage: readonly DamageReport[]
}

/**
 * The hard state out of slots and frames (rule W8). Every vote is in a frame, synced before its slot is written, so bad
 * slots lose nothing while the log is whole: one bad slot is harmless if the log ends cleanly or torn, two only if it ends
 * cleanly. Otherwise a vote may have been forgotten and the directory needs a new id.
 */
export function resolveVotes(scan: LogScan, slots: VoteSlots | undefined, directory: string): ResolvedVotes {
  const file = `${directory}/${VOTES_NAME}`
  const intactEnd = { seq: scan.index.lastSeq, term: scan.index.lastTerm }
  const fromLog = scan.hardState
  const latest = slots?.latest
  const badSlots = slots?.badSlots ?? [0]
  const mayBeBad = scan.verdict.kind === 'clean' ? 2 : scan.verdict.kind === 'torn' ? 1 : 0
  const isCertain = slots !== undefined && badSlots.length <= mayBeBad
  const damage: DamageReport[] = []
  if (slots === undefined) {
    damage.push({ kind: 'votes_missing', file, offset: 0, what: 'the file of votes is missing', intactEnd })
  } else if (!isCertain) {
    damage.push({ kind: 'vote_slot', file, offset: badSlots[0]!, what: 'a vote may have been lost', intactEnd })
  }
  if (slots?.forgedSlot !== undefined) {
    const what = "the vote is not sealed with this directory's keys"
    damage.push({ kind: 'vote_slot', file, offset: slots.forgedSlot, what, intactEnd })
  }
  const isSameTerm = latest !== undefined && latest.term === fromLog.term
  const differs = isSameTerm && latest.votedFor !== fromLog.votedFor && latest.votedFor !== 0 && fromLog.votedFor !== 0
  if (slots?.isConflict === true || differs) {
    damage.push({ kind: 'votes_conflict', file, offset: 0, what: `two votes in term ${latest?.term}`, intactEnd })
  }
  return { hardState: newestHardState(fromLog, latest), isCertain, damage }
}

function newestHardState(fromLog: HardState, vote: VoteSlots['latest']): HardState {
  if (vote === undefined || vote.term < fromLog.term) return fromLog
  const votedFor = vote.term === fromLog.term && vote.votedFor === 0 ? fromLog.votedFor : vote.votedFor
  return { term: vote.term, votedFor, commitSeq: fromLog.commitSeq }
}
