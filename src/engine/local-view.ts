import { DEFAULT_SCOPE, utf8Bytes } from '../encoding/index.ts'
import type { KvEntry, ReadResult, StateView } from '../model/index.ts'

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
