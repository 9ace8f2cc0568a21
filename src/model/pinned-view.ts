import type { CoreView } from './database.ts'
import type { StateView } from './state-view.ts'

/** A pinned state of this process, as a database hands it out. */
export class PinnedView implements CoreView {
  readonly state: StateView
  readonly historyId: string

  constructor(state: StateView, historyId: string) {
    this.state = state
    this.historyId = historyId
  }

  get seq(): number {
    return this.state.seq
  }

  close(): Promise<void> {
    this.state.release()
    return Promise.resolve()
  }
}
