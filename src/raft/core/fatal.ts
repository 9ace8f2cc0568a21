import type { FatalCode } from './effect.ts'
import { becomeFollower } from './roles.ts'
import type { RaftState } from './state.ts'
import { NO_NODE, type Seq } from './types.ts'

/** Stops this core for good: gives up any leadership, tells the driver why, ignores every later input. */
export function stopWith(state: RaftState, code: FatalCode, seq: Seq, detail: string): void {
  if (state.stopped) return
  becomeFollower(state, state.term, NO_NODE)
  state.stopped = true
  state.storage.outbox = []
  state.storage.held = []
  state.effects.push({ type: 'fatal', code, seq, detail })
}
