import { bigEndianToBigint, counterShardKey } from '../../encoding/index.ts'
import type { CommitResult } from '../commit-result.ts'
import type { RequestOptions } from '../consistency.ts'
import type { Counter } from '../database.ts'
import { invalid, requireAmount } from './arguments.ts'
import { bytesCodec } from './codecs.ts'
import { submit, type Connection } from './connection.ts'
import { KeyValueReads } from './key-value-reads.ts'
import { Space } from './space.ts'
import { newestState } from './sources.ts'

const SHARDS_MAX = 4_096

/** A number that is the sum of others: whoever adds picks one of them, so that many who add at the same time seldom meet. */
export class ShardedCounter implements Counter {
  readonly #connection: Connection
  readonly #target: { readonly project: string; readonly scope: string; readonly key: Uint8Array }
  readonly #shards: number
  readonly #reads: KeyValueReads<Uint8Array, Uint8Array>

  /** @throws QuorateError `invalid_argument` */
  constructor(connection: Connection, space: Space<unknown, unknown>, key: Uint8Array, shards: number) {
    if (!Number.isSafeInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
      throw invalid(`a counter has 1 to ${SHARDS_MAX} shards, not ${String(shards)}`)
    }
    const { project, scope } = space
    this.#connection = connection
    this.#target = { project, scope, key }
    this.#shards = shards
    const bytes = new Space<Uint8Array, Uint8Array>(project, { scope, key: bytesCodec, value: bytesCodec })
    this.#reads = new KeyValueReads(bytes, newestState(connection))
  }

  async add(by: bigint | number = 1n, options?: RequestOptions): Promise<CommitResult> {
    const amount = requireAmount(by, 64)
    const shards = this.#shards
    const shard = Math.floor(this.#connection.core.time.random() * shards)
    const mutation = { type: 'counterAdd', ...this.#target, by: amount, shards, shard } as const
    return submit(this.#connection, { mutations: [mutation] }, options)
  }

  async value(options?: RequestOptions): Promise<bigint> {
    let sum = 0n
    const prefix = counterShardKey(this.#target.key)
    for await (const { value } of this.#reads.scan({ ...options, prefix })) sum += bigEndianToBigint(value)
    return sum
  }
}
