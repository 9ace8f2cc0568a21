import type { SessionOwner } from '../model/index.ts'
import type { ClusterState } from './cluster-state.ts'
import type { Keyspace } from './keyspace/index.ts'
import { KeyspaceReader, loadLater } from './keyspace-store.ts'
import { ColdPages, withLoading } from './record-store.ts'
import type { Sessions } from './sessions/index.ts'

/** Where sessions are looked up: the newest published state. */
export interface SessionPlace {
  readonly keyspace: Keyspace
  readonly sessions: Sessions
  readonly state: ClusterState
  readonly leaderTimeMicros: number
}

/** The recorded outcome of (session, serial) if it is in memory. */
export function recordedOutcome(place: SessionPlace, session: number, serial: number): Uint8Array | undefined {
  using view = place.keyspace.view()
  try {
    const reader = new KeyspaceReader(view.reader, loadLater(place.keyspace))
    const found = place.sessions.find(reader, place.state, session, place.leaderTimeMicros)
    if (found === undefined) return undefined
    const slot = place.sessions.lookUp(reader, found, serial)
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
  const { sessions, state, leaderTimeMicros } = place
  const found = await withLoading(() => sessions.find(reader, state, session, leaderTimeMicros))
  return found && { caller: found.caller, nonce: found.nonce }
}
