import { isCommittedOutcome } from '../encoding/index.ts'
import { cancelled, InvariantError, projectOf, QuorateError } from '../model/index.ts'
import type { ProjectUsage, ReadRequest, ReadResult, StateView, StopFlag } from '../model/index.ts'
import { auditPage } from './audit.ts'
import type { ApplyCounters } from './apply-counters.ts'
import type { Access, CallerAccess } from './access/index.ts'
import type { Catalog, Project } from './catalog/index.ts'
import type { ClusterState } from './cluster-state.ts'
import type { SpaceUsage } from './keyspace/index.ts'
import { KeyCount, readKeys, Scan } from './kv/index.ts'
import type { ReadContext } from './kv/index.ts'
import { isMutant } from './mutants.ts'
import type { OnCold } from './keyspace-store.ts'
import type { LocalSource, RecordsInPlace } from './local-keys.ts'
import { EventScan, summarizeEvents } from './outbox/index.ts'
import { projectUsage } from './project-usage.ts'
import { COLD_PATIENCE, ColdPages } from './record-store.ts'
import type { RecordReader } from './record-store.ts'
import { Sessions } from './sessions/index.ts'
import type { Slice } from './slice.ts'
import { readJobs } from './job-reads.ts'
import { preflight } from './preflight.ts'
import { visibleProjects, visibleScopes } from './place-reads.ts'
import { describeTables, explainQuery, prepareQuery, prepareRows } from './table-reads.ts'
import type { ReadStep, TableReadContext } from './table-reads.ts'

/** What a view is made of. */
export interface ViewParts {
  seq: number
  leaderTimeMicros: number
  /** Of this seq: names mean what they meant then. */
  state: ClusterState
  /** The newest permissions: they are never read from the past. */
  access: () => Access
  /** Of the newest state: read policies are not read from the past either. */
  newestCatalog: () => Catalog
  /** Throws `ColdPages` where pages are not in memory. */
  reader: RecordReader
  /** Reads missing pages on this thread. */
  readerSync: RecordReader
  /** As `readerSync`, without a copy; a state that is kept apart in memory has none. */
  inPlace?: { records: RecordsInPlace; onCold: OnCold }
  /** Signs cursors of queries. */
  signCursor: (bytes: Uint8Array) => Uint8Array
  /** Where reads are counted. */
  counters: ApplyCounters
  /** For reads that work for long. */
  newSlice: () => Slice
  release: () => void
}

/** Keys of a pinned state. A class, so that all have one shape (see `PageWithMore`). */
class ViewSource implements LocalSource {
  readonly catalog: Catalog
  readonly timeMicros: number
  readonly onCold: OnCold
  readonly #records: RecordsInPlace
  readonly #access: () => Access
  readonly #requireOpen: () => void

  constructor(parts: ViewParts, { records, onCold }: NonNullable<ViewParts['inPlace']>, requireOpen: () => void) {
    this.catalog = parts.state.catalog
    this.timeMicros = parts.leaderTimeMicros
    this.onCold = onCold
    this.#records = records
    this.#access = parts.access
    this.#requireOpen = requireOpen
  }

  records(): RecordsInPlace {
    this.#requireOpen()
    return this.#records
  }

  get access(): Access {
    return this.#access()
  }

  done(): void {}
}

/** Who counts views. */
export interface ViewHolder {
  released(view: EngineView): void
}

/** Reads that go on where a cold page has stopped them; all others begin anew. */
const GOES_ON: ReadonlySet<ReadRequest['type']> = new Set(['scan', 'count', 'events', 'query', 'rows'])

/** A pinned state. A released view refuses reads. */
export class EngineView implements StateView {
  readonly seq: number
  readonly leaderTimeMicros: number
  readonly #parts: ViewParts
  /** Why it is released. */
  #released: string | undefined
  #holder: ViewHolder | undefined

  constructor(parts: ViewParts) {
    this.seq = parts.seq
    this.leaderTimeMicros = parts.leaderTimeMicros
    this.#parts = parts
  }

  read(request: ReadRequest, caller: string, stop?: StopFlag): ReadResult | Promise<ReadResult> {
    const step = this.#prepare(request, caller, this.#parts.reader)
    let cold: ColdPages | undefined
    try {
      const result = step()
      if (result !== undefined) return result
    } catch (error) {
      if (!(error instanceof ColdPages)) throw error
      cold = error
    }
    return this.#goOn(step, cold, stop, !GOES_ON.has(request.type))
  }

  readSync(request: ReadRequest, caller: string): ReadResult {
    const step = this.#prepare(request, caller, this.#parts.readerSync)
    for (;;) {
      const result = step()
      if (result !== undefined) return result
    }
  }

  /** Reads keys on this thread without a request. A state of its own in memory, made for an older seq, has no such source. */
  get source(): LocalSource | undefined {
    const { inPlace } = this.#parts
    return inPlace === undefined ? undefined : new ViewSource(this.#parts, inPlace, () => this.#requireOpen())
  }

  /** `reason` is what reads of it are told from then on. */
  release(reason: string = 'the view is closed'): void {
    if (this.#released !== undefined) return
    this.#released = reason
    this.#parts.release()
    this.#holder?.released(this)
  }

  /** `holder` is told when it is released. */
  heldBy(holder: ViewHolder): void {
    this.#holder = holder
  }

  /** Step by step, loading what is cold and giving the loop back between slices. */
  async #goOn(
    step: ReadStep,
    firstCold: ColdPages | undefined,
    stop: StopFlag | undefined,
    isBegunAnew: boolean,
  ): Promise<ReadResult> {
    const slice = this.#parts.newSlice()
    let cold = firstCold
    for (let loads = 0; ; loads++) {
      if (cold !== undefined) await cold.load()
      if (slice.isOver) await slice.next()
      this.#requireOpen()
      if (stop?.isCancelled === true) throw cancelled()
      const last = cold
      cold = undefined
      try {
        const result = isBegunAnew && loads >= COLD_PATIENCE && last !== undefined ? last.insist(step) : step()
        if (result !== undefined) return result
      } catch (error) {
        if (!(error instanceof ColdPages)) throw error
        cold = error
      }
    }
  }

  #requireOpen(): void {
    if (this.#released !== undefined) throw new QuorateError('view_expired', this.#released)
  }

  /** The read as work that goes on after a cold page. */
  #prepare(request: ReadRequest, caller: string, reader: RecordReader): ReadStep {
    this.#requireOpen()
    const { state, leaderTimeMicros } = this.#parts
    const { catalog, settings } = state
    const project = projectOf(request)
    const read = project === undefined ? undefined : catalog.project(project)
    if (read !== undefined) this.#parts.counters.of(read.id).reads++
    const newest = isMutant('permissions_of_the_view') ? state.access : this.#parts.access()
    const access = newest.of(caller)
    const context: ReadContext = { reader, catalog, access, timeMicros: leaderTimeMicros }
    switch (request.type) {
      case 'get':
        return () => readKeys(context, request)
      case 'scan': {
        const scan = new Scan(context, request)
        return () => scan.step()
      }
      case 'projects':
        return () => ({ type: 'projects', projects: visibleProjects(catalog, access, caller) })
      case 'scopes':
        return () => ({ type: 'scopes', scopes: visibleScopes(catalog, access, caller, request.project) })
      case 'count': {
        const count = new KeyCount(context, request)
        return () => count.step()
      }
      case 'usage':
        return () => this.#readUsage(request.project, access, caller, reader)
      case 'settings':
        return () => ({ type: 'settings', settings: { ...settings } })
      case 'grants':
        if (!access.isAdmin && request.caller !== caller) {
          throw new QuorateError('permission_denied', 'the permissions of others need the admin permission')
        }
        return () => ({ type: 'grants', grants: this.#parts.access().list(catalog, request.caller) })
      case 'events': {
        const scan = new EventScan(context, request, caller, settings.queryRowsMax)
        return () => scan.step()
      }
      case 'eventSummary':
        return () => summarizeEvents(context, request)
      case 'audit':
        if (!access.isAdmin) throw new QuorateError('permission_denied', 'the audit needs the admin permission')
        return () => ({ type: 'audit', ...auditPage(reader, request) })
      case 'outcome':
        return () => this.#readOutcome(request, caller, reader)
      case 'query':
        return prepareQuery(this.#tableContext(caller, reader), request)
      case 'rows':
        return prepareRows(this.#tableContext(caller, reader), request)
      case 'explain':
        return () => explainQuery(this.#tableContext(caller, reader), request)
      case 'jobs':
        return () => readJobs(this.#tableContext(caller, reader), request)
      case 'preflight':
        return () => this.#preflight(this.#tableContext(caller, reader), request)
      case 'tables':
        return () => describeTables(this.#tableContext(caller, reader), request)
      default:
        throw new QuorateError('malformed_request', `no such read: ${String(request satisfies never)}`)
    }
  }

  #readUsage(name: string | undefined, access: CallerAccess, caller: string, reader: RecordReader): ReadResult {
    const { catalog } = this.#parts.state
    const maySee = (project: Project): boolean => access.administersProject(project.id) || project.owner === caller
    const describe = (project: Project): ProjectUsage => projectUsage(catalog, project, space => usageOf(reader, space))
    if (name === undefined) {
      const projects = catalog.projects().map(place => catalog.projectById(place.id)!)
      return { type: 'usage', projects: projects.filter(maySee).map(describe) }
    }
    const project = catalog.project(name)
    if (project === undefined) throw new QuorateError('project_not_found', `there is no project ${name}`)
    if (!maySee(project))
      throw new QuorateError('permission_denied', 'what a project holds is told to who administers it')
    return { type: 'usage', projects: [describe(project)] }
  }

  #preflight(context: TableReadContext, request: Extract<ReadRequest, { type: 'preflight' }>): ReadResult {
    const found = preflight(context, request)
    const { preflights } = this.#parts.counters
    if (isCommittedOutcome(found.outcome)) preflights.valid++
    else preflights.refused++
    return found
  }

  #tableContext(caller: string, reader: RecordReader): TableReadContext {
    const { state, leaderTimeMicros: timeMicros, signCursor, newestCatalog } = this.#parts
    const access = this.#parts.access().of(caller)
    return {
      reader,
      state,
      newestCatalog,
      access,
      caller,
      seq: this.seq,
      timeMicros,
      signCursor,
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

function usageOf(reader: RecordReader, space: Uint8Array): SpaceUsage {
  const usage = reader.usage?.(space)
  if (usage === undefined) throw new InvariantError('a view that does not know what its spaces hold')
  return usage
}
