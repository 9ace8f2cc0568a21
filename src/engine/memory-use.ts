import { EnvelopeCursor, MalformedBytes, Op, readDdl, requestCopy, requestEnvelopeStart } from '../encoding/index.ts'
import type { Ddl, TableAlteration } from '../encoding/index.ts'
import type { RequestRefusal } from '../model/index.ts'
import type { ClusterState } from './cluster-state.ts'
import type { Keyspace } from './keyspace/index.ts'
import { isMutant } from './mutants.ts'
import type { Sessions } from './sessions/index.ts'

/** Of the budget, what the catalog may take before it is held from growing. */
const CATALOG_SHARE = 1 / 2
/** Of the budget, what copies of sessions may take. */
const SESSION_SHARE = 1 / 16

/** How much of the budget copies of sessions may take, bytes. */
export function sessionBytesOf(budgetBytes: number): number {
  return budgetBytes * SESSION_SHARE
}

/** Operations, and alterations of a table, after which the catalog takes more memory: a dropped column leaves a layout too. */
const GROWING: ReadonlySet<string> = new Set<Ddl['type'] | TableAlteration['type']>([
  'createProject',
  'createScope',
  'createTable',
  'createIndex',
  'addColumn',
  'dropColumn',
  'addCheck',
  'addForeignKey',
  'setReadPolicy',
  'grant',
])

function grows(operation: Ddl): boolean {
  return GROWING.has(operation.type === 'alterTable' ? operation.alteration.type : operation.type)
}

/**
 * What a state machine holds in memory beside its pages: the catalog with the permissions, and copies of sessions. Both are taken from the
 * budget of the pages, down to a quarter of it. The catalog cannot leave memory: beyond half of the budget it does not grow any more, which
 * is refused before anything is logged (DESIGN 7: what is committed is applied).
 */
export class MemoryUse {
  readonly #keyspace: Keyspace
  readonly #sessions: Sessions
  readonly #budgetBytes: number
  readonly #cursor = new EnvelopeCursor()
  #counted: Pick<ClusterState, 'catalog' | 'access'> | undefined
  #catalogBytes = 0

  constructor(keyspace: Keyspace, sessions: Sessions, budgetBytes: number, state: ClusterState) {
    this.#keyspace = keyspace
    this.#sessions = sessions
    this.#budgetBytes = budgetBytes
    this.settle(state)
  }

  get catalogBytes(): number {
    return this.#catalogBytes
  }

  get sessionBytes(): number {
    return this.#sessions.memoryBytes
  }

  /** A state was published. hot path (bench/apply) */
  settle({ catalog, access }: ClusterState): void {
    if (this.#counted?.catalog !== catalog || this.#counted.access !== access) {
      this.#counted = { catalog, access }
      this.#catalogBytes = isMutant('catalog_not_counted') ? 0 : catalog.memoryBytes + access.memoryBytes
    }
    this.#keyspace.reserve(this.#catalogBytes + this.#sessions.lastingBytes)
  }

  /** Nothing is under way. */
  rest(): void {
    this.#sessions.rest()
    this.#keyspace.reserve(this.#catalogBytes + this.#sessions.lastingBytes)
    this.#keyspace.rest()
  }

  /** Refuses what would make a catalog grow that takes its share already. A copy may have been applied before: the log decides. */
  refusalOf(request: Uint8Array, at: number): RequestRefusal | undefined {
    const bytesMax = this.#budgetBytes * CATALOG_SHARE
    if (this.#catalogBytes <= bytesMax || requestCopy(request, at) !== 0) return undefined
    const index = this.#firstGrowing(request, at)
    if (index < 0) return undefined
    const message = `the catalog takes ${this.#catalogBytes} bytes of memory, which is more than ${bytesMax}, half of the budget`
    return { code: 'memory_budget_exceeded', message, detail: { index, actualSeq: 0 } }
  }

  /** Which mutation; -1 = none. */
  #firstGrowing(request: Uint8Array, at: number): number {
    const cursor = this.#cursor
    try {
      cursor.open(request, requestEnvelopeStart(request, at, request.length), request.length)
      for (let mutation = -1; cursor.next();) {
        if (cursor.op < Op.kvSet) continue
        mutation++
        if (cursor.op === Op.ddl && grows(readDdl(cursor))) return mutation
      }
    } catch (error) {
      // What is malformed is refused as such.
      if (!(error instanceof MalformedBytes)) throw error
    }
    return -1
  }
}
