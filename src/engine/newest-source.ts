import type { Access } from './access/index.ts'
import type { Catalog } from './catalog/index.ts'
import type { ClusterState } from './cluster-state.ts'
import type { Keyspace, KeyspaceView } from './keyspace/index.ts'
import { loadNow } from './keyspace-store.ts'
import type { OnCold } from './keyspace-store.ts'
import type { LocalSource, RecordsInPlace } from './local-keys.ts'

/** What a state machine tells of itself. */
export interface NewestState {
  /** Throws where nothing may be read any more. */
  requireOpen(): void
  published(): ClusterState
  timeMicros(): number
  /** What is shown while another state is being installed. */
  beforeInstall(): KeyspaceView | undefined
}

/** The newest published state, read without a view: a read on the caller's thread is over before anything else can be published. */
export class NewestSource implements LocalSource {
  readonly #keyspace: Keyspace
  readonly #state: NewestState
  readonly onCold: OnCold

  constructor(keyspace: Keyspace, state: NewestState) {
    this.#keyspace = keyspace
    this.#state = state
    this.onCold = loadNow(keyspace)
  }

  records(): RecordsInPlace {
    this.#state.requireOpen()
    const before = this.#state.beforeInstall()
    return before === undefined ? this.#keyspace.newest : before.inPlace
  }

  get catalog(): Catalog {
    return this.#state.published().catalog
  }

  get access(): Access {
    return this.#state.published().access
  }

  get timeMicros(): number {
    return this.#state.timeMicros()
  }

  done(): void {
    this.#keyspace.rest()
  }
}
