import {
  encodeSets,
  encodeSingleSet,
  encodeSingleSetAscii,
  singleSetTemplate,
  type Assertion,
  type Mutation,
} from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type {
  CommitResult,
  Counter,
  Entry,
  ExtremeOptions,
  KeyValueSpace,
  NumberOptions,
  ScanOptions,
  SetOptions,
  WatchEvent,
  WatchOptions,
} from '../database.ts'
import { QuorateError } from '../errors.ts'
import { invalid, rejected, requireAmount, requireOneOf, requireSeq, requireSigned, requireTtl } from './arguments.ts'
import { textCodec } from './codecs.ts'
import { submit, type Connection } from './connection.ts'
import { KeyValueReads } from './key-value-reads.ts'
import { commitResult } from './outcome-result.ts'
import type { Space } from './space.ts'
import { ShardedCounter } from './counter.ts'
import { newestState } from './sources.ts'
import { watchDatabase } from './watch.ts'

type IncrementOptions = NumberOptions & { onOverflow?: 'reject' | 'saturate' }
type DecrementOptions = NumberOptions & { onUnderflow?: 'reject' | 'saturate' | 'ignore' }

/** `Database.kv` on a core. Every write hands its envelope to the core before it returns, so writes keep the order of the calls. */
export class CoreKeyValueSpace<K, V> implements KeyValueSpace<K, V> {
  readonly #connection: Connection
  readonly #space: Space<K, V>
  readonly #reads: KeyValueReads<K, V>
  readonly #setTemplate: Uint8Array
  readonly #hasTextKeys: boolean

  constructor(connection: Connection, space: Space<K, V>) {
    this.#connection = connection
    this.#space = space
    this.#reads = new KeyValueReads(space, newestState(connection))
    this.#setTemplate = singleSetTemplate(space.project, space.scope)
    this.#hasTextKeys = (space.keys as unknown) === textCodec
  }

  get(key: K, options?: RequestOptions): Promise<V | undefined> {
    return this.#reads.get(key, options)
  }

  getMany(keys: readonly K[], options?: RequestOptions): Promise<(V | undefined)[]> {
    return this.#reads.getMany(keys, options)
  }

  entry(key: K, options?: RequestOptions): Promise<Entry<K, V> | undefined> {
    return this.#reads.entry(key, options)
  }

  scan(options?: ScanOptions<K>): AsyncIterable<Entry<K, V>> {
    return this.#reads.scan(options)
  }

  async count(options?: RequestOptions): Promise<number> {
    const { project, scope } = this.#space
    const { result } = await newestState(this.#connection).read({ type: 'count', project, scope }, options)
    if (result.type !== 'count') throw new QuorateError('internal', `a count was answered by ${result.type}`)
    return result.keys
  }

  /** Hot path without options: one buffer, one chained promise (bench/facade). */
  set(key: K, value: V, options?: SetOptions): Promise<CommitResult> {
    try {
      if (options !== undefined) return this.#setWith(key, value, options)
      const connection = this.#connection
      return connection.core.submit(this.#encodeSet(key, value), connection.plainOptions).then(commitResult)
    } catch (error) {
      return rejected(error)
    }
  }

  #encodeSet(key: K, value: V): Uint8Array {
    const bytes = this.#space.encodeValue(value)
    if (this.#hasTextKeys && typeof key === 'string') {
      const envelope = encodeSingleSetAscii(this.#setTemplate, key, bytes)
      if (envelope !== undefined) return envelope
    }
    return encodeSingleSet(this.#setTemplate, this.#space.encodeKey(key), bytes)
  }

  #setWith(key: K, value: V, options: SetOptions): Promise<CommitResult> {
    const { ttlMs, ifSeq, ifAbsent } = options
    if (ifAbsent === true && ifSeq !== undefined && ifSeq !== 0)
      throw invalid('ifAbsent and ifSeq contradict each other')
    const expectedSeq = ifAbsent === true ? 0 : ifSeq
    const target = this.#target(key)
    const mutation: Mutation = {
      type: 'kvSet',
      ...target,
      value: this.#space.encodeValue(value),
      ...(ttlMs !== undefined && { ttlMs: requireTtl(ttlMs) }),
    }
    return this.#commit(mutation, options, expectedSeq)
  }

  /** Hot path: bench/gate. */
  setMany(entries: Iterable<readonly [K, V]>, options?: RequestOptions & { ttlMs?: number }): Promise<CommitResult> {
    try {
      const keys: Uint8Array[] = []
      const values: Uint8Array[] = []
      for (const [key, value] of entries) {
        keys.push(this.#space.encodeKey(key))
        values.push(this.#space.encodeValue(value))
      }
      if (keys.length === 0) throw invalid('setMany needs an entry')
      const connection = this.#connection
      if (options === undefined) {
        return connection.core
          .submit(encodeSets(this.#setTemplate, keys, values), connection.plainOptions)
          .then(commitResult)
      }
      const { project, scope } = this.#space
      const ttl = options.ttlMs === undefined ? {} : { ttlMs: requireTtl(options.ttlMs) }
      const mutations = keys.map((key, i): Mutation => ({
        type: 'kvSet',
        project,
        scope,
        key,
        value: values[i]!,
        ...ttl,
      }))
      return submit(connection, { mutations }, options)
    } catch (error) {
      return rejected(error)
    }
  }

  delete(key: K, options?: RequestOptions & { ifSeq?: number }): Promise<CommitResult> {
    try {
      return this.#commit({ type: 'kvDelete', ...this.#target(key) }, options, options?.ifSeq)
    } catch (error) {
      return rejected(error)
    }
  }

  async increment(key: K, by: bigint | number = 1n, options: IncrementOptions = {}): Promise<bigint> {
    const { width = 64, onMissing = 'zero', onOverflow = 'reject' } = options
    requireOneOf('onMissing', onMissing, ['zero', 'reject'])
    requireOneOf('onOverflow', onOverflow, ['reject', 'saturate'])
    const amount = requireAmount(by, width)
    const target = this.#target(key)
    const mutation = { type: 'kvIncrement', ...target, by: amount, width, onMissing, onOverflow } as const
    return numberOf(await this.#commit(mutation, options, undefined))
  }

  async decrement(key: K, by: bigint | number = 1n, options: DecrementOptions = {}): Promise<bigint> {
    const { width = 64, onMissing = 'zero', onUnderflow = 'reject' } = options
    requireOneOf('onMissing', onMissing, ['zero', 'reject'])
    requireOneOf('onUnderflow', onUnderflow, ['reject', 'saturate', 'ignore'])
    const amount = requireAmount(by, width)
    const target = this.#target(key)
    const mutation = { type: 'kvDecrement', ...target, by: amount, width, onMissing, onUnderflow } as const
    return numberOf(await this.#commit(mutation, options, undefined))
  }

  max(key: K, value: bigint | number, options?: ExtremeOptions): Promise<bigint> {
    return this.#extreme('kvMax', key, value, options)
  }

  min(key: K, value: bigint | number, options?: ExtremeOptions): Promise<bigint> {
    return this.#extreme('kvMin', key, value, options)
  }

  async #extreme(
    type: 'kvMax' | 'kvMin',
    key: K,
    value: bigint | number,
    options: ExtremeOptions = {},
  ): Promise<bigint> {
    const { width = 64, onMissing = 'set' } = options
    requireOneOf('onMissing', onMissing, ['set', 'zero', 'reject'])
    const mutation = { type, ...this.#target(key), value: requireAmount(value, width), width, onMissing }
    return numberOf(await this.#commit(mutation, options, undefined))
  }

  async addSigned(
    key: K,
    by: bigint | number,
    options: RequestOptions & { min?: bigint; max?: bigint; onMissing?: 'zero' | 'reject' } = {},
  ): Promise<bigint> {
    const { min, max, onMissing = 'zero' } = options
    requireOneOf('onMissing', onMissing, ['zero', 'reject'])
    if (min !== undefined && max !== undefined && min > max) throw invalid('min is larger than max')
    const mutation = {
      type: 'kvAddSigned',
      ...this.#target(key),
      by: requireSigned(by),
      onMissing,
      ...(min !== undefined && { min: requireSigned(min) }),
      ...(max !== undefined && { max: requireSigned(max) }),
    } as const
    return numberOf(await this.#commit(mutation, options, undefined))
  }

  async compareAndCompute(
    key: K,
    expectedSeq: number,
    op: 'set' | 'add' | 'subtract',
    operand: bigint | number,
    options: RequestOptions & { width?: 64 | 256 } = {},
  ): Promise<bigint> {
    const { width = 64 } = options
    requireOneOf('op', op, ['set', 'add', 'subtract'])
    const mutation = {
      type: 'kvMutate',
      ...this.#target(key),
      op,
      operand: requireAmount(operand, width),
      width,
      expectedSeq: requireSeq('expectedSeq', expectedSeq),
    } as const
    return numberOf(await this.#commit(mutation, options, undefined))
  }

  counter(key: K, { shards = 16 }: { shards?: number } = {}): Counter {
    return new ShardedCounter(this.#connection, this.#space, this.#space.encodeKey(key), shards)
  }

  async deleteMany(keys: Iterable<K>, options?: RequestOptions): Promise<CommitResult> {
    const mutations = Array.from(keys, (key): Mutation => ({ type: 'kvDelete', ...this.#target(key) }))
    if (mutations.length === 0) throw invalid('deleteMany needs a key')
    return submit(this.#connection, { mutations }, options)
  }

  compareAndSet(key: K, expectedSeq: number, value: V, options: SetOptions = {}): Promise<CommitResult> {
    try {
      requireSeq('expectedSeq', expectedSeq)
      if (options.ifSeq !== undefined || options.ifAbsent !== undefined) {
        throw invalid('compareAndSet has its condition already: no ifSeq, no ifAbsent')
      }
    } catch (error) {
      return rejected(error)
    }
    return this.set(key, value, { ...options, ifSeq: expectedSeq })
  }

  async *watch(options: WatchOptions & { prefix?: K } = {}): AsyncGenerator<WatchEvent, void, undefined> {
    const { project, scope } = this.#space
    const prefix = options.prefix === undefined ? {} : { prefix: this.#space.encodeKey(options.prefix) }
    yield* watchDatabase(this.#connection, { project, scope, ...prefix }, options)
  }

  #target(key: K): { project: string; scope: string; key: Uint8Array } {
    return { project: this.#space.project, scope: this.#space.scope, key: this.#space.encodeKey(key) }
  }

  #commit(
    mutation: Mutation & { key: Uint8Array },
    options: RequestOptions | undefined,
    expectedSeq: number | undefined,
  ): Promise<CommitResult> {
    const assertions: Assertion[] = []
    if (expectedSeq !== undefined) {
      const { project, scope } = this.#space
      const seq = requireSeq('the expected seq', expectedSeq)
      assertions.push({ type: 'keyVersion', project, scope, key: mutation.key, seq })
    }
    return submit(this.#connection, { assertions, mutations: [mutation] }, options)
  }
}

function numberOf(result: CommitResult): bigint {
  const number = result.results[0]
  if (typeof number !== 'bigint') throw new QuorateError('internal', 'a counter answered no number', { applied: 'yes' })
  return number
}
