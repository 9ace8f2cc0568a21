import { QuorateError, SYSTEM_PLACE } from '../../model/index.ts'
import type { Change, RowChangeData, ServiceWatch, StateView, WatchSink } from '../../model/index.ts'
import type { Access } from '../access/index.ts'
import type { Catalog, Scope } from '../catalog/index.ts'
import { kvKey, SYSTEM_SCOPE_ID } from '../layers.ts'
import { hearsOf, placeOfEffect } from '../lifecycle-sight.ts'
import { isMutant } from '../mutants.ts'
import { ROW_PREFIX_BYTES, rowsPrefix } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import { decodeEffects } from './effects.ts'
import type { EntryEffects, KeyEffect } from './effects.ts'
import { changesSight, keyPrefixOf, RowSight } from './row-sight.ts'

/** A sink with more than this waiting is not given more until it asks. */
const QUEUED_BYTES_MAX = 1_048_576
const NO_KEY = new Uint8Array(0)

/** Values that effects do not have, for they are large. */
type LargeValues = ReadonlyMap<KeyEffect, Uint8Array>
const NO_VALUES: LargeValues = new Map()

/** What was published in the past, as far as it is still known. */
export interface ChangeHistory {
  /** Everything after this seq is known. */
  readonly knownAfterSeq: number
  /** Groups of effects after `seq` and how far they reach; undefined if they are no longer known. */
  read(seq: number): Promise<{ bytes: Uint8Array; lastSeq: number } | undefined>
}

export interface WatchSource {
  readonly history: ChangeHistory
  /** Whether changes after `seq` that are not known any more can be made known again by `rebuild`. */
  canRebuild(seq: number): boolean
  /** False if they could not. */
  rebuild(): Promise<boolean>
  appliedSeq(): number
  catalog(): Catalog
  access(): Access
  view(): StateView
  /** A value that entry `seq` wrote under a whole key, if the key still has it. */
  valueOf(key: Uint8Array, seq: number): Promise<Uint8Array | undefined>
}

/** The rows that a watch tells of. */
interface WatchedTable {
  readonly tableId: number
  /** How their keys begin. */
  readonly prefix: Uint8Array
  /** As the caller sees them by the newest catalog and permissions that a change was delivered by. */
  sight: RowSight
}

interface Watcher {
  readonly selector: ServiceWatch
  readonly scopeId: number
  readonly projectId: number
  readonly sink: WatchSink
  /** Undefined for a watch of keys or events. */
  readonly rows: WatchedTable | undefined
  /** Everything up to here was delivered. */
  seq: number
  /** Live watchers get each publication; others read the history until they have caught up. */
  state: 'live' | 'catching-up' | 'paused' | 'closed'
}

/**
 * Delivers changes to watches: those of the past from the history, then each publication, never half an entry. A sink that
 * takes too slowly is left behind and goes on from the history; if that no longer reaches back to it, it fails.
 */
export class WatchHub {
  readonly #source: WatchSource
  readonly #watchers = new Set<Watcher>()
  #access: Access

  constructor(source: WatchSource) {
    this.#source = source
    this.#access = source.access()
  }

  /** @throws QuorateError for missing names and permissions; `unavailable` where they may be there once `fromSeq` is applied */
  open(selector: ServiceWatch, fromSeq: number | undefined, sink: WatchSink): { close(): void; resume(): void } {
    try {
      return this.#open(selector, fromSeq, sink)
    } catch (cause) {
      if (!(cause instanceof QuorateError) || (fromSeq ?? 0) <= this.#source.appliedSeq()) throw cause
      throw notYetApplied(fromSeq!, cause)
    }
  }

  #open(selector: ServiceWatch, fromSeq: number | undefined, sink: WatchSink): { close(): void; resume(): void } {
    const scope = isOfTheSystem(selector)
      ? SYSTEM_SCOPE
      : this.#source.catalog().scope(selector.project, selector.scope)
    if (scope === undefined) throw this.#noScope(selector)
    const appliedSeq = this.#source.appliedSeq()
    const watcher: Watcher = {
      selector,
      scopeId: scope.id,
      projectId: scope.projectId,
      sink,
      rows: this.#watchedTable(selector, scope),
      seq: fromSeq ?? appliedSeq,
      state: 'live',
    }
    if (!this.#mayRead(watcher)) throw denied(watcher)
    this.#watchers.add(watcher)
    if (this.#isForgotten(watcher) && !this.#source.canRebuild(watcher.seq)) this.#reset(watcher)
    else if (watcher.seq < appliedSeq) this.#startCatchingUp(watcher)
    return {
      close: () => this.#end(watcher),
      resume: () => {
        if (watcher.state === 'paused') this.#startCatchingUp(watcher)
      },
    }
  }

  /** @throws QuorateError `table_not_found`, `permission_denied`, and what is wrong with a key */
  #watchedTable({ table: name, key = {}, caller }: ServiceWatch, scope: Scope): WatchedTable | undefined {
    if (name === undefined) return undefined
    const table = this.#source.catalog().table(scope.id, name)
    if (table === undefined) throw noTable(name)
    const access = this.#source.access().of(caller)
    const { projectId } = scope
    if (!access.mayUseTable('tableRead', projectId, scope.id, table.id)) throw deniedTable()
    const bypasses = access.mayUseTable('policyBypass', projectId, scope.id, table.id)
    return { tableId: table.id, prefix: keyPrefixOf(table, key), sight: new RowSight(table, caller, bypasses) }
  }

  /** Delivers a publication: groups of effects, and the seq that they reach. */
  publish(bytes: Uint8Array, lastSeq: number): void {
    if (this.#watchers.size === 0) return
    this.#checkPermissions()
    const entries = bytes.length === 0 ? [] : decodeEffects(bytes)
    for (const watcher of this.#watchers) {
      if (watcher.state !== 'live') continue
      // Large values are in the state, whose pages may be cold.
      if (entries.some(entry => selected(watcher, entry).some(({ isLarge }) => isLarge))) this.#startCatchingUp(watcher)
      else this.#deliver(watcher, entries)
      // A watch may have begun beyond what is applied here: it stays where it is until that is reached.
      if (watcher.state === 'live') watcher.seq = Math.max(watcher.seq, lastSeq)
    }
  }

  /** Tells every watch that is up to date how far it is. */
  progress(): void {
    for (const watcher of this.#watchers) if (watcher.state === 'live') watcher.sink.progress(watcher.seq)
  }

  /** The past is no longer what the watches have seen: everybody starts from the present state. */
  resetAll(): void {
    for (const watcher of this.#watchers) this.#reset(watcher)
  }

  close(): void {
    this.failAll(new QuorateError('closed', 'the database is closed'))
  }

  failAll(error: QuorateError): void {
    for (const watcher of this.#watchers) {
      this.#end(watcher)
      watcher.sink.failed(error)
    }
  }

  #deliver(watcher: Watcher, entries: readonly EntryEffects[]): void {
    for (const entry of entries) {
      if (entry.seq < watcher.seq || (entry.seq === watcher.seq && !isMutant('watch_from_inclusive'))) continue
      if (watcher.rows === undefined) {
        const effects = this.#heard(watcher, selected(watcher, entry))
        this.#commit(
          watcher,
          entry.seq,
          effects.map(effect => changeOf(effect, entry.seq)),
        )
      } else this.#deliverRows(watcher, watcher.rows, entry, NO_VALUES)
      if (watcher.state === 'closed' || watcher.state === 'paused') return
    }
  }

  /** Of what the database itself tells the part that the caller may hear, by its types. */
  #heard({ scopeId, selector }: Watcher, effects: KeyEffect[]): KeyEffect[] {
    if (scopeId !== SYSTEM_SCOPE_ID) return effects
    const [catalog, access] = [this.#source.catalog(), this.#source.access().of(selector.caller)]
    return effects.flatMap(effect => {
      const { topic, place } = placeOfEffect(effect.key)
      return hearsOf(place, catalog, access, selector.caller) ? [{ ...effect, key: topic }] : []
    })
  }

  /** As `deliver`, with the large values. Where one is no longer known, the watch starts from the present state. */
  async #deliverWhole(watcher: Watcher, entries: readonly EntryEffects[]): Promise<void> {
    for (const entry of entries) {
      if (entry.seq <= watcher.seq) continue
      const effects = this.#heard(watcher, selected(watcher, entry))
      const large = await this.#largeValues(watcher, entry.seq, effects)
      if (watcher.state !== 'catching-up') return
      if (large === undefined) return this.#reset(watcher)
      if (watcher.rows === undefined) {
        this.#commit(
          watcher,
          entry.seq,
          effects.map(effect => changeOf(effect, entry.seq, large.get(effect))),
        )
      } else this.#deliverRows(watcher, watcher.rows, entry, large)
      if (watcher.state !== 'catching-up') return
    }
  }

  /** Undefined if one of them is not known any more. */
  async #largeValues(watcher: Watcher, seq: number, effects: readonly KeyEffect[]): Promise<LargeValues | undefined> {
    let values = NO_VALUES
    for (const effect of effects) {
      if (!effect.isLarge) continue
      const value = await this.#source.valueOf(wholeKey(watcher, effect), seq)
      if (value === undefined) return undefined
      values = new Map([...values, [effect, value]])
    }
    return values
  }

  #deliverRows(watcher: Watcher, rows: WatchedTable, entry: EntryEffects, large: LargeValues): void {
    const { caller } = watcher.selector
    const catalog = this.#source.catalog()
    const table = catalog.tableById(rows.tableId)
    if (table === undefined) return this.#fail(watcher, noTable(watcher.selector.table!))
    if (changesSight(entry.operations, catalog, table, caller)) return this.#reset(watcher)
    const sight = this.#sightOf(watcher, rows, table)
    const changes: RowChangeData[] = []
    for (const effect of selected(watcher, entry)) {
      const change = sight.changeOf(effect, large.get(effect))
      if (change === 'unknown') return this.#reset(watcher)
      if (change !== 'nothing') changes.push(change)
    }
    if (changes.length > 0) watcher.sink.rows(entry.seq, sight.rows(changes))
    this.#delivered(watcher, entry.seq)
  }

  #sightOf({ selector, projectId, scopeId }: Watcher, rows: WatchedTable, table: Table): RowSight {
    const access = this.#source.access().of(selector.caller)
    const bypasses = access.mayUseTable('policyBypass', projectId, scopeId, table.id)
    const isGoverned = table.parts.readPolicy !== undefined && !bypasses
    if (rows.sight.table !== table || rows.sight.isGoverned !== isGoverned) {
      rows.sight = new RowSight(table, selector.caller, bypasses)
    }
    return rows.sight
  }

  #commit(watcher: Watcher, seq: number, changes: readonly Change[]): void {
    if (changes.length > 0) watcher.sink.commit(seq, changes)
    this.#delivered(watcher, seq)
  }

  #delivered(watcher: Watcher, seq: number): void {
    if (watcher.state === 'closed') return
    watcher.seq = seq
    if (watcher.sink.queuedBytes > QUEUED_BYTES_MAX) watcher.state = 'paused'
  }

  #isForgotten(watcher: Watcher): boolean {
    return watcher.seq < this.#source.history.knownAfterSeq
  }

  #startCatchingUp(watcher: Watcher): void {
    watcher.state = 'catching-up'
    this.#catchUp(watcher).then(undefined, (cause: unknown) => {
      this.#fail(watcher, new QuorateError('internal', 'the changes cannot be read', { cause }))
    })
  }

  async #catchUp(watcher: Watcher): Promise<void> {
    while (watcher.state === 'catching-up') {
      if (watcher.seq >= this.#source.appliedSeq()) {
        watcher.state = 'live'
        return
      }
      if (this.#isForgotten(watcher) && this.#source.canRebuild(watcher.seq)) {
        const isKnown = await this.#source.rebuild()
        if (watcher.state !== 'catching-up') return
        if (!isKnown) return this.#reset(watcher)
      }
      const part = await this.#source.history.read(watcher.seq)
      if (watcher.state !== 'catching-up') return
      if (part === undefined) {
        this.#fail(watcher, new QuorateError('too_stale', 'the watch fell behind what is remembered of the changes'))
        return
      }
      await this.#deliverWhole(watcher, decodeEffects(part.bytes))
      if (watcher.state === 'catching-up') watcher.seq = Math.max(watcher.seq, part.lastSeq)
    }
  }

  #reset(watcher: Watcher): void {
    const view = this.#source.view()
    if (view.seq <= watcher.seq) {
      // Nothing that it has not seen lies in between.
      view.release()
      watcher.state = 'live'
      return
    }
    watcher.seq = view.seq
    watcher.state = 'live'
    watcher.sink.reset(view)
  }

  /** Watches whose caller has lost the permission, or whose scope is gone, end. */
  #checkPermissions(): void {
    const access = this.#source.access()
    const catalog = this.#source.catalog()
    const isSame = access === this.#access || isMutant('watch_outlives_permission')
    this.#access = access
    for (const watcher of this.#watchers) {
      const { rows, selector } = watcher
      if (watcher.scopeId === SYSTEM_SCOPE_ID) continue
      if (catalog.scopeById(watcher.scopeId) === undefined) this.#fail(watcher, this.#noScope(selector))
      else if (rows !== undefined && catalog.tableById(rows.tableId) === undefined) {
        this.#fail(watcher, noTable(selector.table!))
      } else if (!isSame && !this.#mayRead(watcher)) this.#fail(watcher, denied(watcher))
    }
  }

  #mayRead({ selector, projectId, scopeId, rows }: Watcher): boolean {
    if (scopeId === SYSTEM_SCOPE_ID) return true
    const access = this.#source.access().of(selector.caller)
    if (rows !== undefined) return access.mayUseTable('tableRead', projectId, scopeId, rows.tableId)
    if (selector.events === true) return access.mayReadRange(projectId, scopeId, NO_KEY, undefined)
    return access.mayUseKey('kvRead', projectId, scopeId, selector.prefix, 0, selector.prefix.length)
  }

  /** What a state says that is behind the watch's point may be otherwise once that is applied. */
  #fail(watcher: Watcher, error: QuorateError): void {
    if (watcher.state === 'closed') return
    this.#end(watcher)
    const isBehind = watcher.seq > this.#source.appliedSeq()
    watcher.sink.failed(isBehind ? notYetApplied(watcher.seq, error) : error)
  }

  #end(watcher: Watcher): void {
    watcher.state = 'closed'
    this.#watchers.delete(watcher)
  }

  #noScope({ project, scope }: ServiceWatch): QuorateError {
    const code = this.#source.catalog().project(project) === undefined ? 'project_not_found' : 'scope_not_found'
    return new QuorateError(code, `there is no scope ${scope} in a project ${project}`)
  }
}

/** Of what the database itself emits; anyone may watch it, and hears what the catalog shows. */
const SYSTEM_SCOPE: Scope = {
  id: SYSTEM_SCOPE_ID,
  name: SYSTEM_PLACE.scope,
  projectId: 0,
  owner: '',
  createdAtMicros: 0,
}

function isOfTheSystem({ project, scope, events }: ServiceWatch): boolean {
  return events === true && project === SYSTEM_PLACE.project && scope === SYSTEM_PLACE.scope
}

function selected({ scopeId, selector, rows }: Watcher, { effects }: EntryEffects): KeyEffect[] {
  if (rows !== undefined) {
    return effects.filter(effect => effect.tableId === rows.tableId && startsWith(effect.key, rows.prefix))
  }
  const ofEvents = selector.events === true
  return effects.filter(
    effect => effect.scopeId === scopeId && effect.isEvent === ofEvents && startsWith(effect.key, selector.prefix),
  )
}

function wholeKey({ scopeId, rows }: Watcher, { key }: KeyEffect): Uint8Array {
  if (rows === undefined) return kvKey(scopeId, key, 0, key.length)
  const whole = new Uint8Array(ROW_PREFIX_BYTES + key.length)
  whole.set(rowsPrefix(rows.tableId))
  whole.set(key, ROW_PREFIX_BYTES)
  return whole
}

function changeOf({ key, kind, value }: KeyEffect, seq: number, large?: Uint8Array): Change {
  return { key: key.slice(), kind, value: large ?? value?.slice(), seq }
}

function notYetApplied(seq: number, cause: QuorateError): QuorateError {
  return new QuorateError('unavailable', `seq ${seq} is not applied here yet`, { retryable: true, cause })
}

function denied({ rows }: Watcher): QuorateError {
  return rows === undefined
    ? new QuorateError('permission_denied', 'no permission to read the watched keys')
    : deniedTable()
}

function deniedTable(): QuorateError {
  return new QuorateError('permission_denied', 'no permission to read the watched table')
}

function noTable(name: string): QuorateError {
  return new QuorateError('table_not_found', `there is no table ${name.slice(0, 140)}`)
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  if (key.length < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false
  return true
}
