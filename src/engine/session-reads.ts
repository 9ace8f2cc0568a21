import type { SessionOwner } from '../model/index.ts'
import type { ClusterState } from './cluster-state.ts'
import type { Keyspace, KeyspaceView } from './keyspace/index.ts'
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

/** Looks recorded outcomes up. After an install that is asked for all requests that wait: what a session has is walked once for them. */
export class OutcomeLookup {
  /** Of `#root`, the state that was looked at last; within the least bound that copies of sessions have. */
  #sessions = new Sessions(undefined, 0)
  #root: KeyspaceView['root'] | undefined

  /** The recorded outcome of (session, serial) if it is in memory. */
  find(place: SessionPlace, session: number, serial: number): Uint8Array | undefined {
    using view = place.keyspace.view()
    if (view.root !== this.#root) {
      this.#root = view.root
      this.#sessions = new Sessions(undefined, 0)
    }
    const sessions = this.#sessions
    sessions.begin()
    try {
      const reader = new KeyspaceReader(view.reader, loadLater(place.keyspace))
      const found = sessions.find(reader, place.state, session, place.leaderTimeMicros)
      if (found === undefined) return undefined
      const slot = sessions.lookUp(reader, found, serial)
      return slot.state === 'recorded' ? slot.outcome : undefined
    } catch (error) {
      if (error instanceof ColdPages) return undefined
      throw error
    }
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
