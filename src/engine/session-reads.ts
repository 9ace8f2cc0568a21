import type { SessionOwner } from '../model/index.ts'
import type { ClusterState } from './cluster-state.ts'
import type { Keyspace } from './keyspace/index.ts'
import { KeyspaceReader, loadLater } from './keyspace-store.ts'
import { ColdPages, withLoading } from './record-store.ts'
import { Sessions } from './sessions/index.ts'

/**
 * Where sessions are looked up: the newest published state. The copies that apply keeps have no part in it: what is read while entries are
 * applied is soon old, and apply would go by it.
 */
export interface SessionPlace {
  readonly keyspace: Keyspace
  readonly state: ClusterState
  readonly leaderTimeMicros: number
}

/** The recorded outcome of (session, serial) if it is in memory. */
export function recordedOutcome(place: SessionPlace, session: number, serial: number): Uint8Array | undefined {
  using view = place.keyspace.view()
  try {
    const reader = new KeyspaceReader(view.reader, loadLater(place.keyspace))
    const sessions = new Sessions()
    const found = sessions.find(reader, place.state, session, place.leaderTimeMicros)
    if (found === undefined) return undefined
    const slot = sessions.lookUp(reader, found, serial)
    return slot.state === 'recorded' ? slot.outcome : undefined
  } catch (error) {
    if (error instanceof ColdPages) return undefined
    throw error
  }
}

/** Who opened a session, with which nonce; undefined if there is none, or not any more. */
export async function sessionOwner(place: SessionPlace, session: number): Promise<SessionOwner | undefined> {
  using view = place.keyspace.view()
  const reader = new KeyspaceReader(view.reader, loadLater(place.keyspace))
  const { state, leaderTimeMicros } = place
  const found = await withLoading(() => new Sessions().find(reader, state, session, leaderTimeMicros))
  return found && { caller: found.caller, nonce: found.nonce }
}
