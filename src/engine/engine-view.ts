import { QuorateError } from '../model/index.ts'
import type { ReadRequest, ReadResult, StateView } from '../model/index.ts'
import type { Access } from './access/index.ts'
import type { ClusterState } from './cluster-state.ts'
import { readKeys, Scan } from './kv/index.ts'
import type { ReadContext } from './kv/index.ts'
import { ColdPages, withLoading } from './record-store.ts'
import type { RecordReader } from './record-store.ts'
import { Sessions } from './sessions/index.ts'

/** What a view is made of. */
export interface ViewParts {
  seq: number
  leaderTimeMicros: number
  /** Of this seq: names mean what they meant then. */
  state: ClusterState
  /** The newest permissions: they are never read from the past. */
  access: () => Access
  /** Throws `ColdPages` where pages are not in memory. */
  reader: RecordReader
  /** Reads missing pages on this thread. */
  readerSync: RecordReader
  release: () => void
}

/** A pinned state. A released view refuses reads. */
export class EngineView implements StateView {
  readonly seq: number
  readonly leaderTimeMicros: number
  readonly #parts: ViewParts
  #isReleased = false

  constructor(parts: ViewParts) {
    this.seq = parts.seq
    this.leaderTimeMicros = parts.leaderTimeMicros
    this.#parts = parts
  }

  read(request: ReadRequest, caller: string): ReadResult | Promise<ReadResult> {
    const step = this.#prepare(request, caller, this.#parts.reader)
    try {
      return step()
    } catch (error) {
      if (!(error instanceof ColdPages)) throw error
      return this.#readCold(error, step)
    }
  }

  readSync(request: ReadRequest, caller: string): ReadResult {
    return this.#prepare(request, caller, this.#parts.readerSync)()
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#parts.release()
  }

  async #readCold(cold: ColdPages, step: () => ReadResult): Promise<ReadResult> {
    await cold.load()
    return withLoading(() => {
      this.#requireOpen()
      return step()
    })
  }

  #requireOpen(): void {
    if (this.#isReleased) throw new QuorateError('view_expired', 'the view is closed')
  }

  /** The read as work that can be begun again after a cold page. */
  #prepare(request: ReadRequest, caller: string, reader: RecordReader): () => ReadResult {
    this.#requireOpen()
    const { state, leaderTimeMicros } = this.#parts
    const { catalog, settings } = state
    const access = this.#parts.access().of(caller)
    const context: ReadContext = { reader, catalog, access, timeMicros: leaderTimeMicros }
    switch (request.type) {
      case 'get':
        return () => readKeys(context, request)
      case 'scan': {
        const scan = new Scan(context, request)
        return () => scan.step()
      }
      case 'projects':
        return () => ({ type: 'projects', projects: catalog.projects() })
      case 'scopes':
        return () => readScopes(state, request.project)
      case 'settings':
        return () => ({ type: 'settings', settings: { ...settings } })
      case 'grants':
        if (!access.isAdmin && request.caller !== caller) {
          throw new QuorateError('permission_denied', 'the permissions of others need the admin permission')
        }
        return () => ({ type: 'grants', grants: this.#parts.access().list(catalog, request.caller) })
      case 'outcome':
        return () => this.#readOutcome(request, caller, reader)
      default:
        throw new QuorateError('unsupported_version', `${request.type} is not served by this version`)
    }
  }

  #readOutcome(
    { session: id, serial }: Extract<ReadRequest, { type: 'outcome' }>,
    caller: string,
    reader: RecordReader,
  ): ReadResult {
    const { state, leaderTimeMicros } = this.#parts
    const sessions = new Sessions()
    const session = sessions.find(reader, state, id, leaderTimeMicros)
    if (session === undefined) return { type: 'outcome', outcome: undefined, sessionEnded: true }
    if (session.caller !== caller && !this.#parts.access().of(caller).isAdmin) {
      throw new QuorateError('permission_denied', 'the session belongs to another caller')
    }
    const slot = sessions.lookUp(reader, session, serial)
    const outcome = slot.state === 'recorded' ? slot.outcome : undefined
    return { type: 'outcome', outcome, sessionEnded: false }
  }
}

function readScopes({ catalog }: ClusterState, name: string): ReadResult {
  const project = catalog.project(name)
  if (project === undefined) throw new QuorateError('project_not_found', `there is no project ${name}`)
  return { type: 'scopes', scopes: catalog.scopes(project) }
}
