import { resetEntries } from './durability.ts'
import { stopWith } from './fatal.ts'
import { noteLeaderContact } from './follower.ts'
import { chainAt, termAt } from './log-view.ts'
import { forgetOldConfigurations } from './membership.ts'
import type { SnapshotOffer } from './message.ts'
import { isMutant } from './mutants.ts'
import { becomeFollower } from './roles.ts'
import { NO_NODE, type SnapshotMeta } from './types.ts'
import type { RaftState } from './state.ts'

/** A follower's side of snapshots (Raft thesis 5; rules S1-S7, S11, E9). The bytes are the driver's business. */

/** The current leader offers a snapshot: take it if it brings this node forward. */
export function onSnapshotOffer(state: RaftState, message: SnapshotOffer): void {
  noteLeaderContact(state)
  const meta = message.meta
  const refusal = findSnapshotObstacle(state, meta)
  if (refusal !== undefined) {
    state.effects.push({ type: 'event', event: { name: 'snapshotRefused', from: message.from, reason: refusal } })
    if (refusal === COMMITTED_HERE) acknowledgeCommitted(state)
    return
  }
  state.pendingInstall = meta
  state.effects.push({ type: 'installSnapshot', from: message.from, meta })
}

/**
 * S6: a leader that offers what is committed here missed the acknowledgement, or never had one: an install that ended in a
 * restart gives none. It sends nothing else until it has, so it is told again. As in L5, its log has all that is committed.
 */
function acknowledgeCommitted(state: RaftState): void {
  if (isMutant('offer of what is committed not answered')) return
  state.ack.verifiedSeq = Math.max(state.ack.verifiedSeq, state.commit)
  state.ack.isOwed = true
}

const COMMITTED_HERE = 'already committed here'

function findSnapshotObstacle(state: RaftState, meta: SnapshotMeta): string | undefined {
  if (state.pendingInstall !== null) return 'another install is under way' // S4
  if (!meta.configuration.members.some(member => member.id === state.id)) return 'not in its configuration' // S11
  if (meta.seq > state.commit) return undefined // S5: any snapshot that brings us forward
  const ours = termAt(state.log, meta.seq)
  if (ours !== undefined && (ours !== meta.term || chainAt(state.log, meta.seq) !== meta.chain)) {
    return 'it names another entry at a committed seq' // S2
  }
  const isWanted = state.rebuildFrom !== null && meta.seq >= state.rebuildFrom
  return isWanted ? undefined : COMMITTED_HERE
}

/**
 * The snapshot is installed and durable. S1: if the log has the snapshot's very entry it stays and only the commit
 * index moves; otherwise ALL of it goes, whatever lies above. The driver decides by the same rule (DESIGN 5).
 */
export function onSnapshotInstalled(state: RaftState, meta: SnapshotMeta): void {
  state.pendingInstall = null
  state.rebuildFrom = null
  // S5: it may be newer than its offer, of a term that this node has not heard of.
  if (meta.term > state.term) becomeFollower(state, meta.term, NO_NODE)
  if (meta.seq <= state.commit) {
    const term = termAt(state.log, meta.seq)
    if (term !== undefined && term !== meta.term) {
      stopWith(state, 'foreignSnapshot', meta.seq, `installed a snapshot of term ${meta.term}, committed is ${term}`)
    }
    return
  }
  const isSameEntry = termAt(state.log, meta.seq) === meta.term && chainAt(state.log, meta.seq) === meta.chain
  if (!isSameEntry && !(isMutant('keep log on conflicting snapshot') && state.log.lastSeq >= meta.seq)) {
    resetEntries(state, { seq: meta.seq, term: meta.term, chain: meta.chain })
  }
  adoptConfiguration(state, meta)
  state.commit = meta.seq
  forgetOldConfigurations(state)
  if (state.role !== 'follower') becomeFollower(state, state.term, NO_NODE)
  // Tell the leader: what a snapshot of a committed seq covers is its log too (S6).
  state.ack.verifiedSeq = Math.max(state.ack.verifiedSeq, meta.seq)
  state.ack.isOwed = true
}

/** S7: the snapshot's configuration replaces what it covers, and everything if the log went. */
function adoptConfiguration(state: RaftState, meta: SnapshotMeta): void {
  if (isMutant('config kept after snapshot')) return
  const later = state.configurations.filter(entry => entry.seq > meta.seq && entry.seq <= state.log.lastSeq)
  state.configurations = [{ seq: meta.seq, configuration: meta.configuration }, ...later]
  const { seq, configuration } = state.configurations[state.configurations.length - 1]!
  state.effects.push({ type: 'event', event: { name: 'configuration', seq, configuration } })
}
