import { utf8Bytes } from '../../encoding/index.ts'
import type { Assertion, Mutation } from '../../encoding/index.ts'
import type { CommitResult } from '../commit-result.ts'
import type { RequestOptions } from '../consistency.ts'
import type { Database, KeyValueSpace } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { invalid, requireTtl } from '../facade/arguments.ts'
import { textCodec } from '../facade/codecs.ts'
import { isMutant } from './mutants.ts'
import { requireNamespace, type LayerNamespace } from './namespace.ts'

/** The right to act as `name`, until it is released or its time is over. */
export interface Lease {
  readonly name: string
  readonly owner: string
  /** Rises with every acquisition of the name, and stays over renewals: what is guarded by it may refuse smaller ones. */
  readonly fencingToken: number
  /** Of the last renewal. */
  readonly seq: number
}

export interface LeaseStatus {
  owner: string
  fencingToken: number
  /** Leader time in us from which it no longer holds. */
  expiresAtMicros: number
}

const PREFIX = '__leases/'
/** Renewals that may come between the reading of a lease and a commit under it. */
const RENEWALS_MAX = 16

/**
 * Leases: at most one holder of a name at a time, by leader time, whatever the clocks of the holders say. A lease is a key that expires;
 * its creation is the fencing token.
 */
export class Leases {
  readonly #database: Database
  readonly #namespace: Required<LayerNamespace>
  readonly #leases: KeyValueSpace<string, string>

  /** @throws QuorateError `invalid_name` */
  constructor(database: Database, namespace: LayerNamespace) {
    this.#database = database
    this.#namespace = requireNamespace(namespace)
    const { project, scope } = this.#namespace
    this.#leases = database.kv(project, { scope, value: textCodec })
  }

  /** The lease, for `ttlMs` of leader time; undefined if somebody holds it, this owner included. */
  async acquire(name: string, owner: string, ttlMs: number, options?: RequestOptions): Promise<Lease | undefined> {
    requireTtl(ttlMs)
    const result = await this.#unlessRefused(
      this.#leases.set(leaseKey(name), owner, { ...options, ttlMs, ifAbsent: true }),
    )
    return result === undefined ? undefined : { name, owner, fencingToken: result.seq, seq: result.seq }
  }

  /** The same lease for `ttlMs` from now; undefined if it is lost. */
  async renew(lease: Lease, ttlMs: number, options?: RequestOptions): Promise<Lease | undefined> {
    requireTtl(ttlMs)
    const { name, owner } = lease
    for (let seq: number | undefined = lease.seq, tries = 0; seq !== undefined && tries < RENEWALS_MAX; tries++) {
      const write = this.#leases.set(leaseKey(name), owner, { ...options, ttlMs, ifSeq: seq })
      const result = await this.#unlessRefused(write)
      if (result !== undefined) return { ...lease, seq: result.seq }
      seq = await this.#seqNow(lease, options)
    }
    return undefined
  }

  /** Whether it was still held. */
  async release(lease: Lease, options?: RequestOptions): Promise<boolean> {
    for (let seq: number | undefined = lease.seq, tries = 0; seq !== undefined && tries < RENEWALS_MAX; tries++) {
      const result = await this.#unlessRefused(this.#leases.delete(leaseKey(lease.name), { ...options, ifSeq: seq }))
      if (result !== undefined) return true
      seq = await this.#seqNow(lease, options)
    }
    return false
  }

  /** Applies the mutations if the lease is held at that moment; undefined if it is lost, and then nothing has changed. */
  async commit(
    lease: Lease,
    mutations: readonly Mutation[],
    options?: RequestOptions & { assertions?: readonly Assertion[] },
  ): Promise<CommitResult | undefined> {
    const { assertions = [], ...requestOptions } = options ?? {}
    for (let seq: number | undefined = lease.seq, tries = 0; seq !== undefined && tries < RENEWALS_MAX; tries++) {
      const held: Assertion = { type: 'keyVersion', ...this.#namespace, key: utf8Bytes(leaseKey(lease.name)), seq }
      const guards = isMutant('lease_commits_unguarded') ? assertions : [held, ...assertions]
      const work = this.#database.commit({ assertions: guards, mutations }, requestOptions)
      const result = await this.#unlessRefused(work, 0)
      if (result !== undefined) return result
      seq = await this.#seqNow(lease, requestOptions)
    }
    return undefined
  }

  /** Who holds it; undefined = nobody. */
  async status(name: string, options?: RequestOptions): Promise<LeaseStatus | undefined> {
    const entry = await this.#leases.entry(leaseKey(name), options)
    if (entry === undefined) return undefined
    const { value: owner, createdSeq: fencingToken, expiresAtMicros = Infinity } = entry
    return { owner, fencingToken, expiresAtMicros }
  }

  /** The version of the lease, which a renewal whose answer was lost may have changed; undefined if it is lost. */
  async #seqNow(lease: Lease, options: RequestOptions | undefined): Promise<number | undefined> {
    const { idempotencyKey: _, ...reading } = options ?? {}
    const entry = await this.#leases.entry(leaseKey(lease.name), reading)
    return entry?.createdSeq === lease.fencingToken ? entry.seq : undefined
  }

  /** Undefined if the assertion that the lease is held fails; `index` is its number. */
  async #unlessRefused(work: Promise<CommitResult>, index: number = 0): Promise<CommitResult | undefined> {
    try {
      return await work
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'assertion_failed' && error.detail?.index === index) {
        return undefined
      }
      throw error
    }
  }
}

function leaseKey(name: string): string {
  if (typeof name !== 'string' || name === '') throw invalid('a lease has a name')
  return PREFIX + name
}
