import { DEFAULT_SCOPE, utf8Bytes } from '../encoding/index.ts'
import type { KvEntry, QueryData, QueryPlan, QueryResult, ReadResult, StateView } from '../model/index.ts'

export interface LocalScan {
  /** Inclusive. */
  start?: Uint8Array
  /** Exclusive. */
  end?: Uint8Array
  reverse?: boolean
  limit: number
}

/** The keys of one scope in a pinned state. */
export interface LocalKeys {
  get(key: string | Uint8Array): Uint8Array | undefined
  entry(key: string | Uint8Array): KvEntry | undefined
  scan(options: LocalScan): readonly KvEntry[]
}

/**
 * A pinned state of an embedded database, read on the caller's thread: a key in memory costs no promise; a cold page is read from the
 * file while the thread waits. Hold it briefly, and dispose of it: it pins pages.
 */
export class LocalView implements Disposable {
  readonly #state: StateView
  readonly #caller: string

  constructor(state: StateView, caller: string) {
    this.#state = state
    this.#caller = caller
  }

  get seq(): number {
    return this.#state.seq
  }

  /** @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied` at the reads */
  kv(project: string, { scope = DEFAULT_SCOPE }: { scope?: string } = {}): LocalKeys {
    const entry = (key: string | Uint8Array): KvEntry | undefined => {
      const keys = [typeof key === 'string' ? utf8Bytes(key) : key]
      return this.#read('get', { type: 'get', project, scope, keys }).entries[0]
    }
    return {
      entry,
      get: key => entry(key)?.value,
      scan: options => this.#read('scan', { type: 'scan', project, scope, ...options }).entries,
    }
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
