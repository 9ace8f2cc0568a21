import { utf8Bytes } from '../../encoding/index.ts'
import type { Mutation } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { Database, KeyValueSpace } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { invalid, requireTtl } from '../facade/arguments.ts'
import { jsonCodec } from '../facade/codecs.ts'
import { isMutant } from './mutants.ts'
import { requireNamespace, type LayerNamespace } from './namespace.ts'

/** What `begin` finds: nobody has begun it, somebody has and did not say that it is done, or it is done. */
export type EffectState<R> =
  | { state: 'fresh'; attempts: 1 }
  | { state: 'begun'; attempts: number }
  | { state: 'done'; result: R }

type EffectRecord<R> = { state: 'begun'; attempts: number } | { state: 'done'; result: R }

const PREFIX = '__effects/'
const RACES_MAX = 64

/**
 * Effects on the world outside (a payment, a mail) that must not happen twice: their key is noted before, their result after, together with
 * what it changes here. Between the two a crash leaves `begun`: whoever comes next asks the world outside, with the same key, what became of it.
 */
export class Effects<R = unknown> {
  readonly #database: Database
  readonly #namespace: Required<LayerNamespace>
  readonly #records: KeyValueSpace<string, EffectRecord<R>>
  readonly #keptMs: number | undefined

  /**
   * `keptMs`: how long a result is kept, by leader time; default for ever.
   * @throws QuorateError `invalid_name`, `invalid_argument`
   */
  constructor(database: Database, namespace: LayerNamespace & { keptMs?: number }) {
    this.#database = database
    this.#namespace = requireNamespace(namespace)
    this.#keptMs = namespace.keptMs === undefined ? undefined : requireTtl(namespace.keptMs)
    const { project, scope } = this.#namespace
    this.#records = database.kv(project, { scope, value: jsonCodec<EffectRecord<R>>() })
  }

  /** Notes an attempt. Of all who call it with one key exactly one ever gets `fresh`. */
  async begin(key: string, options?: RequestOptions): Promise<EffectState<R>> {
    return this.#database.transaction(async (tx): Promise<EffectState<R>> => {
      const { project, scope } = this.#namespace
      const records = tx.kv(project, { scope, value: jsonCodec<EffectRecord<R>>() })
      const record = await records.get(effectKey(key))
      if (record?.state === 'done') return record
      const attempts = (record?.attempts ?? 0) + 1
      records.set(effectKey(key), { state: 'begun', attempts })
      return attempts === 1 ? { state: 'fresh', attempts } : { state: 'begun', attempts }
    }, options)
  }

  /** Notes the result and applies the mutations, together and once; what was noted before stays. Answers the result that holds. */
  async complete(
    key: string,
    result: R,
    mutations: readonly Mutation[] = [],
    options?: RequestOptions,
  ): Promise<{ isApplied: boolean; result: R }> {
    const target = { ...this.#namespace, key: utf8Bytes(effectKey(key)) }
    const { idempotencyKey: _, ...reading } = options ?? {}
    for (let race = 0; race < RACES_MAX; race++) {
      const entry = await this.#records.entry(effectKey(key), reading)
      if (entry?.value.state === 'done') return { isApplied: false, result: entry.value.result }
      const value = jsonCodec<EffectRecord<R>>().encode({ state: 'done', result })
      const ttl = this.#keptMs === undefined ? {} : { ttlMs: this.#keptMs }
      try {
        await this.#database.commit(
          {
            assertions: isMutant('effect_completes_again')
              ? []
              : [{ type: 'keyVersion', ...target, seq: entry?.seq ?? 0 }],
            mutations: [{ type: 'kvSet', ...target, value, ...ttl }, ...mutations],
          },
          options,
        )
        return { isApplied: true, result }
      } catch (error) {
        if (!(error instanceof QuorateError) || error.code !== 'assertion_failed') throw error
      }
    }
    throw new QuorateError('conflict', `too many attempts at the effect ${key} at the same time`, { retryable: true })
  }

  /** Undefined = nobody has begun it. */
  async status(key: string, options?: RequestOptions): Promise<EffectRecord<R> | undefined> {
    return this.#records.get(effectKey(key), options)
  }
}

function effectKey(key: string): string {
  if (typeof key !== 'string' || key === '') throw invalid('an effect has a key')
  return PREFIX + key
}
