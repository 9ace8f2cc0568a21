import { DEFAULT_SCOPE } from '../encoding/index.ts'
import { InvariantError } from '../model/index.ts'
import type { QueryData, QueryDiagnostics, QueryPlan, QueryResult, ReadResult, StateView } from '../model/index.ts'
import type { EngineView } from './engine-view.ts'
import { SourceKeys } from './local-keys.ts'
import type { LocalKeys, LocalSource } from './local-keys.ts'

/**
 * A pinned state of an embedded database, read on the caller's thread: a key in memory costs no promise; a cold page is read from the
 * file while the thread waits. Hold it briefly, and dispose of it: it pins pages.
 */
export class LocalView implements Disposable {
  readonly #state: EngineView
  readonly #caller: string

  constructor(state: EngineView, caller: string) {
    this.#state = state
    this.#caller = caller
  }

  get seq(): number {
    return this.#state.seq
  }

  /** @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied` at the reads */
  kv(project: string, { scope = DEFAULT_SCOPE }: { scope?: string } = {}): LocalKeys {
    const { source } = this.#state
    if (source === undefined) throw new InvariantError('the newest state has a source of keys')
    return new SourceKeys(source, project, scope, this.#caller)
  }

  /**
   * A page of a query, of this state. A cursor of it is good for this view, and for any door that reads the seq of this view again.
   * @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found`, `column_not_found`, `index_not_found`,
   * `permission_denied`, `type_mismatch`, `invalid_query`, `invalid_cursor`, `scan_bound_exceeded`, `materialization_budget_exceeded`,
   * `overflow`
   */
  query(query: QueryData): QueryResult {
    return this.#read('query', { type: 'query', query }).result
  }

  /** How a query would be run. @throws QuorateError as `query` does before it reads */
  explain(query: QueryData): QueryPlan {
    return this.#read('explain', { type: 'explain', query }).plan
  }

  /** A page of a query, as `query` gives it, and what each stage did for it. @throws QuorateError as `query` does */
  diagnose(query: QueryData): { result: QueryResult; diagnostics: QueryDiagnostics } {
    const { result, diagnostics } = this.#read('query', { type: 'query', query, diagnostics: true })
    if (diagnostics === undefined) throw new InvariantError('a query with diagnostics answered without')
    return { result, diagnostics }
  }

  #read<T extends ReadResult['type']>(
    type: T,
    request: Parameters<StateView['readSync']>[0],
  ): Extract<ReadResult, { type: T }> {
    const result = this.#state.readSync(request, this.#caller)
    if (result.type !== type) throw new Error(`a read of ${type} answered ${result.type}`)
    return result as Extract<ReadResult, { type: T }>
  }

  [Symbol.dispose](): void {
    this.#state.release()
  }
}

/** The newest state at each read, on the caller's thread: nothing is pinned, so there is nothing to dispose of. */
export class LocalReads {
  readonly #source: LocalSource
  readonly #caller: string

  constructor(source: LocalSource, caller: string) {
    this.#source = source
    this.#caller = caller
  }

  /**
   * Keep the result for the reads of a scope: it remembers what the names mean.
   * @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied`, `closed` at the reads
   */
  kv(project: string, { scope = DEFAULT_SCOPE }: { scope?: string } = {}): LocalKeys {
    return new SourceKeys(this.#source, project, scope, this.#caller)
  }
}
