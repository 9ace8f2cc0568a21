import { checkedDdl, type Ddl, type Mutation, type TransactionEnvelope } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { CoreRead, CoreView, KeyValueOptions, Transaction, TransactionKeyValue } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { ReadRequest } from '../reads.ts'
import { requireOptions } from './arguments.ts'
import { checked, type Budget, type Connection } from './connection.ts'
import { mapKey, OwnWrites, type OwnWrite } from './own-writes.ts'
import { ReadSetRecorder } from './read-set.ts'
import { Space } from './space.ts'
import { CoreTransactionKeyValue, type TransactionState } from './transaction-key-value.ts'

/** One run of a transaction's body: its view, what it has read and what it wants to write. */
export class TransactionAttempt implements Transaction, TransactionState {
  readonly attempt: number
  readonly signal: AbortSignal
  readonly seq: number
  readonly readSet: ReadSetRecorder = new ReadSetRecorder()
  readonly #connection: Connection
  readonly #view: CoreView
  readonly #budget: Budget
  readonly #writes = new Map<string, OwnWrites>()
  /** In the order given; a write that a later one of the same key replaces leaves a hole. */
  readonly #mutations: (Mutation | undefined)[] = []
  #isOpen = true
  #viewLost: QuorateError | undefined

  constructor(connection: Connection, view: CoreView, budget: Budget, signal: AbortSignal, attempt: number) {
    this.#connection = connection
    this.#view = view
    this.#budget = budget
    this.signal = signal
    this.attempt = attempt
    this.seq = view.seq
  }

  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): TransactionKeyValue<K, V> {
    return new CoreTransactionKeyValue(this, new Space(project, options))
  }

  ddl(operation: Ddl): void {
    this.#requireOpen()
    for (const checkedOperation of checked(checkedDdl, operation)) {
      this.#mutations.push({ type: 'ddl', operation: checkedOperation })
    }
  }

  /** Set when a read failed because the view could not be kept: the body cannot go on, but another run can. */
  get viewLost(): QuorateError | undefined {
    return this.#viewLost
  }

  /** From now on every use of the transaction is refused: its body is over. */
  end(): void {
    this.#isOpen = false
  }

  async read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead> {
    this.#requireOpen()
    if (options !== undefined) requireOptions(options)
    try {
      return await this.#connection.core.read(request, {
        ...this.#budget.next(),
        signal: this.signal,
        view: this.#view,
      })
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'view_expired') this.#viewLost = error
      throw error
    }
  }

  ownWrites(project: string, scope: string): OwnWrites {
    this.#requireOpen()
    const id = `${project}/${scope}`
    let writes = this.#writes.get(id)
    if (writes === undefined) {
      writes = new OwnWrites()
      this.#writes.set(id, writes)
    }
    return writes
  }

  write(project: string, scope: string, write: Omit<OwnWrite, 'position'>): void {
    this.#requireOpen()
    const { key, value, ttlMs } = write
    const writes = this.ownWrites(project, scope)
    const id = mapKey(key)
    const earlier = writes.find(id)
    if (earlier !== undefined) this.#mutations[earlier.position] = undefined
    writes.put(id, { key, value, ttlMs, position: this.#mutations.length })
    const target = { project, scope, key }
    this.#mutations.push(
      value === undefined
        ? { type: 'kvDelete', ...target }
        : { type: 'kvSet', ...target, value, ...(ttlMs !== undefined && { ttlMs }) },
    )
  }

  /** What is to be committed; undefined if nothing was written. */
  toEnvelope(): TransactionEnvelope | undefined {
    const mutations = this.#mutations.filter(mutation => mutation !== undefined)
    return mutations.length === 0 ? undefined : { readSet: this.readSet.toReadSet(), mutations }
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new QuorateError('closed', 'the transaction is over')
  }
}
