import { isMutant } from './mutants.ts'
import type { AppendSlice, Effect } from './effect.ts'
import type { RaftState } from './state.ts'
import { appendToLog, createLogView, truncateLog } from './log-view.ts'
import type { EntryBatch, LogBase, Seq } from './types.ts'

/**
 * The storage lane: collects what one turn changes into one frame, follows completions, and holds promises back until
 * everything they rest on is synced (D1-D4).
 */

/** Term, or vote, changed. */
export function markHardState(state: RaftState, isTermChange: boolean): void {
  state.storage.isHardStateDirty = true
  if (isTermChange) state.storage.isTermDirty = true
}

/** Appends entries of a batch from `fromSeq` on to the log and to this turn's frame. */
export function appendEntries(state: RaftState, batch: EntryBatch, fromSeq: Seq): void {
  appendToLog(state.log, batch, fromSeq)
  const chains = fromSeq === batch.firstSeq ? batch.chains : batch.chains.subarray(fromSeq - batch.firstSeq)
  const slice: AppendSlice = { firstSeq: fromSeq, lastSeq: batch.lastSeq, chains, ref: batch.ref }
  state.storage.append.push(slice)
}

/** Drops entries from `fromSeq` on; completions of frames under way no longer prove them durable (D4). */
export function truncateEntries(state: RaftState, fromSeq: Seq): void {
  const storage = state.storage
  const writtenSeq = (storage.append[0]?.firstSeq ?? state.log.lastSeq + 1) - 1
  truncateLog(state.log, fromSeq)
  storage.durableSeq = Math.min(storage.durableSeq, fromSeq - 1)
  if (!isMutant('completion of overwritten entries counted')) {
    for (const frame of storage.pending) frame.lastSeq = Math.min(frame.lastSeq, fromSeq - 1)
  }
  // What this turn appended itself may be cut before it was ever written.
  const kept: AppendSlice[] = []
  for (const slice of storage.append) {
    if (slice.firstSeq >= fromSeq) continue
    kept.push(slice.lastSeq < fromSeq ? slice : { ...slice, lastSeq: fromSeq - 1 })
  }
  storage.append = kept
  if (fromSeq > writtenSeq && !isMutant('truncation of what was never written')) return
  storage.truncateFrom = storage.truncateFrom === null ? fromSeq : Math.min(storage.truncateFrom, fromSeq)
}

/** Replaces the whole log by an empty one after `base` (S1). */
export function resetEntries(state: RaftState, base: LogBase): void {
  const storage = state.storage
  state.log = createLogView(base)
  storage.append = []
  storage.truncateFrom = null
  storage.resetTo = base
  // The snapshot itself is durable (both superblocks) before snapshotInstalled is said.
  storage.durableSeq = base.seq
  for (const frame of storage.pending) frame.lastSeq = 0
}

/** Takes a cumulative completion. */
export function onPersisted(state: RaftState, ioSeq: number): void {
  const storage = state.storage
  if (ioSeq > storage.issued) throw new Error(`persisted ${ioSeq}, but only ${storage.issued} was issued`)
  if (ioSeq <= storage.done) return
  storage.done = ioSeq
  let finished = 0
  for (const frame of storage.pending) {
    if (frame.ioSeq > ioSeq) break
    storage.durableSeq = Math.max(storage.durableSeq, frame.lastSeq)
    finished++
  }
  for (; finished > 0; finished--) storage.pending.shift()
}

/** Seals this turn's changes into one persist effect, if there are any (D5: a new commit alone is not one). */
export function sealFrame(state: RaftState): Effect | undefined {
  const storage = state.storage
  const hasEntries = storage.append.length > 0 || storage.truncateFrom !== null || storage.resetTo !== null
  if (!storage.isHardStateDirty && !hasEntries) return undefined
  const ioSeq = ++storage.issued
  if (storage.isTermDirty) storage.termIo = ioSeq
  if (storage.isHardStateDirty) storage.voteIo = ioSeq
  const effect: Effect = {
    type: 'persist',
    ioSeq,
    // Every frame carries the hard state: the commit hint rides for free (D5), term and entries cannot part (D2, D7).
    hardState: { term: state.term, vote: state.vote, commit: state.commit },
    resetTo: storage.resetTo,
    truncateFrom: storage.truncateFrom,
    append: storage.append,
  }
  storage.pending.push({ ioSeq, lastSeq: state.log.lastSeq })
  storage.isHardStateDirty = false
  storage.isTermDirty = false
  storage.resetTo = null
  storage.truncateFrom = null
  storage.append = []
  return effect
}

/** True once the current term is on disk. */
export function isTermDurable(state: RaftState): boolean {
  return !state.storage.isTermDirty && state.storage.done >= state.storage.termIo
}

/** True once the current vote (and with it the term) is on disk. */
export function isVoteDurable(state: RaftState): boolean {
  return !state.storage.isHardStateDirty && state.storage.done >= state.storage.voteIo
}

/** Moves what may leave now from the outbox and the held messages into effects. Call after `sealFrame`. */
export function releaseMessages(state: RaftState, effects: Effect[]): void {
  const storage = state.storage
  let released = 0
  for (const held of storage.held) {
    if (held.after > storage.done) break
    released++
    // A promise of an older term binds nobody; saying it late would only confuse.
    if (held.message.term === state.term) effects.push({ type: 'send', to: held.message.to, message: held.message })
  }
  if (released > 0) storage.held.splice(0, released)
  for (const { gate, message } of storage.outbox) {
    const after = gate === 'now' ? 0 : gate === 'termSynced' ? storage.termIo : storage.issued
    if (after <= storage.done) effects.push({ type: 'send', to: message.to, message })
    else holdMessage(state, after, message)
  }
  storage.outbox = []
}

function holdMessage(state: RaftState, after: number, message: RaftState['storage']['held'][number]['message']): void {
  const held = state.storage.held
  let at = held.length
  while (at > 0 && held[at - 1]!.after > after) at--
  held.splice(at, 0, { after, message })
}
