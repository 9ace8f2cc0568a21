import { consistencyOfRead, createDatabase, PinnedView, QuorateError, ROOT_CALLER } from '../model/index.ts'
import type {
  CoreOptions,
  CoreOutcome,
  CoreRead,
  CoreView,
  CoreWatchEvent,
  Database,
  DatabaseCore,
  DatabaseStatus,
  ReadRequest,
  RequestReference,
  StateView,
} from '../model/index.ts'
import { paceOn } from '../platform/index.ts'
import type { Platform } from '../platform/index.ts'
import { openOffline } from './offline.ts'
import type { OfflineOptions, OfflineState } from './offline.ts'
import { stateAt } from './state-at.ts'

const READ_BYTES = 4 << 20

/** A directory that nobody serves as a database that can be read: every read is of what it holds, every write is refused. */
class OfflineCore implements DatabaseCore {
  readonly #state: OfflineState
  readonly time: DatabaseCore['time']

  constructor(state: OfflineState, platform: Platform) {
    this.#state = state
    this.time = paceOn(platform)
  }

  get #historyId(): string {
    return this.#state.machine.historyId
  }

  leaderTimeMicros(): number {
    return this.#state.machine.leaderTimeMicros
  }

  submit(): Promise<CoreOutcome> {
    return Promise.reject(new QuorateError('invalid_argument', 'this directory is only read'))
  }

  async read(request: ReadRequest, options: CoreOptions & { view?: CoreView }): Promise<CoreRead> {
    const caller = options.caller ?? ROOT_CALLER
    const view = options.view === undefined ? await this.#view(request, options) : (options.view as PinnedView).state
    try {
      return { result: await view.read(request, caller), seq: view.seq, historyId: this.#historyId }
    } finally {
      if (options.view === undefined) view.release()
    }
  }

  openView(options: CoreOptions): Promise<PinnedView> {
    return this.#view(undefined, options).then(view => new PinnedView(view, this.#historyId))
  }

  // Rejects where it would throw.
  async #view(request: ReadRequest | undefined, { consistency = 'local' }: CoreOptions): Promise<StateView> {
    const { machine, log } = this.#state
    const asked = request === undefined ? consistency : consistencyOfRead(request, consistency, this.#historyId)
    return await stateAt(machine, asked, fromSeq => log.read(fromSeq, READ_BYTES))
  }

  watch(): AsyncIterable<CoreWatchEvent> {
    throw new QuorateError('invalid_argument', 'in a directory that is only read nothing changes')
  }

  outcome(reference: RequestReference, options: CoreOptions): Promise<CoreOutcome | undefined> {
    return this.read({ type: 'outcome', ...reference }, options).then(({ result, historyId }) => {
      if (result.type !== 'outcome' || result.outcome === undefined) return undefined
      return { outcome: result.outcome, historyId }
    })
  }

  status(): Promise<DatabaseStatus> {
    const { machine, committedSeq } = this.#state
    return Promise.resolve({
      deployment: 'engine',
      historyId: this.#historyId,
      appliedSeq: machine.appliedSeq,
      commitSeq: committedSeq,
      term: machine.appliedTerm,
      role: 'alone',
      nodeId: machine.configuration?.members[0]?.nodeId ?? 0,
      leader: undefined,
      members: [],
    })
  }

  close(): Promise<void> {
    return this.#state.close()
  }
}

/** A database to read what a directory holds that nobody serves. @throws as `openOffline` */
export async function openForReading(
  directory: string,
  platform: Platform,
  options: OfflineOptions = {},
): Promise<Database> {
  return createDatabase(new OfflineCore(await openOffline(directory, platform, options), platform))
}
