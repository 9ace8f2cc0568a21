import { utf8Bytes } from '../../encoding/index.ts'
import type { Assertion, Mutation } from '../../encoding/index.ts'
import type { Database } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { bytesCodec } from '../facade/codecs.ts'

/** Keys that begin so are notes of how far something is. */
export const NOTE_PREFIX = '\0quorate:import:'

/** Where the note is, and how records become commits. */
export interface NotedCommitsOptions<R> {
  readonly project: string
  readonly scope: string
  /** The same for the same records in the same order. */
  readonly id: string
  /** Records in one commit. */
  readonly batch: number
  /** The writes of some records at a leader time, and how many have none because their time is over. */
  readonly mutationsOf: (
    records: readonly R[],
    nowMicros: number,
  ) => { mutations: readonly Mutation[]; expired: number }
  /** Of a record, more or less. */
  readonly bytesOf: (record: R) => number
  /** After each commit of records: how many are done. */
  readonly onProgress?: ((records: number) => void) | undefined
}

/** A commit ends with the record that brings it above this many bytes, more or less. */
const BATCH_BYTES_MAX = 1_048_576
const utf8 = new TextDecoder()

/**
 * Writes records in the order given, each commit together with a note of how many are done: a key of the scope, which `finish` removes.
 * Whatever ends it, another run with the same id and records goes on behind the last commit, so each record is written once. Of two runs at
 * the same time one fails with `conflict`.
 */
export class NotedCommits<R> {
  readonly #target: Database
  readonly #options: NotedCommitsOptions<R>
  readonly #note: { readonly project: string; readonly scope: string; readonly key: Uint8Array }
  /** Of the note; 0 = there is none. */
  #version = 0
  #taken = 0
  #skipped = 0
  #expired = 0
  #waiting: R[] = []
  #waitingBytes = 0

  constructor(target: Database, options: NotedCommitsOptions<R>) {
    const { project, scope, id } = options
    this.#target = target
    this.#options = options
    this.#note = { project, scope, key: utf8Bytes(`${NOTE_PREFIX}${id}`) }
  }

  /** Whether an earlier run has begun. */
  get isResumed(): boolean {
    return this.#version > 0
  }

  /** Records that were given. */
  get taken(): number {
    return this.#taken
  }

  /** What an earlier run had done. */
  get skipped(): number {
    return this.#skipped
  }

  /** Records whose time was over. */
  get expired(): number {
    return this.#expired
  }

  /** Looks for the note of an earlier run. The scope is there. */
  async find(): Promise<void> {
    const { project, scope, key } = this.#note
    const found = await this.#target.kv<Uint8Array>(project, { scope, key: bytesCodec }).entry(key)
    if (found === undefined) return
    this.#version = found.seq
    this.#skipped = Number(utf8.decode(found.value))
  }

  /** The first commit, which makes the place of the note, too. */
  async begin(mutations: readonly Mutation[]): Promise<void> {
    await this.#commit([], mutations)
  }

  async take(record: R): Promise<void> {
    if (++this.#taken <= this.#skipped) return
    this.#waiting.push(record)
    this.#waitingBytes += this.#options.bytesOf(record)
    if (this.#waiting.length >= this.#options.batch || this.#waitingBytes > BATCH_BYTES_MAX) await this.flush()
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return
    const { mutations, expired } = this.#options.mutationsOf(this.#waiting, this.#target.leaderTimeMicros())
    await this.#commit([{ type: 'keyVersion', ...this.#note, seq: this.#version }], mutations)
    this.#expired += expired
    this.#waiting = []
    this.#waitingBytes = 0
    this.#options.onProgress?.(this.#taken)
  }

  /** Everything is done: the note goes. */
  async finish(): Promise<void> {
    if (this.#version === 0) return
    const { project, scope, key } = this.#note
    await this.#target.kv<Uint8Array>(project, { scope, key: bytesCodec }).delete(key, { ifSeq: this.#version })
  }

  async #commit(assertions: readonly Assertion[], mutations: readonly Mutation[]): Promise<void> {
    const progress: Mutation = { type: 'kvSet', ...this.#note, value: utf8Bytes(String(this.#taken)) }
    const commit = this.#target.commit({ assertions, mutations: [...mutations, progress] })
    this.#version = (await commit.catch(describeFailure)).seq
  }
}

/** What is left of a time; `isOver` if nothing is. */
export function timeLeft(
  expiresAtMicros: number | undefined,
  nowMicros: number,
): { readonly ttlMs?: number; readonly isOver: boolean } {
  if (expiresAtMicros === undefined) return { isOver: false }
  const ttlMs = Math.ceil((expiresAtMicros - nowMicros) / 1_000)
  return ttlMs < 1 ? { isOver: true } : { ttlMs, isOver: false }
}

/** Of a row, or a key and its value, more or less. */
export function bytesOfFields(fields: object): number {
  let bytes = 0
  for (const field of Object.values(fields) as unknown[]) {
    bytes += typeof field === 'string' || field instanceof Uint8Array ? field.length : 8
  }
  return bytes
}

function describeFailure(error: unknown): never {
  if (error instanceof QuorateError && error.code === 'assertion_failed') {
    throw new QuorateError('conflict', 'another run of the same is under way', { cause: error })
  }
  throw error
}
