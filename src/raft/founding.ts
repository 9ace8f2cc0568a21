import { readU32 } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { PeerIdentity, PeerRefusal, PeerTransport } from '../model/index.ts'
import { acceptFirstEntry, nextBootstrapStep } from './bootstrap.ts'
import type { EntryBatch, RaftCore } from './core/index.ts'
import { activeConfiguration } from './core/index.ts'
import type { MemberNames } from './member-names.ts'
import { isMutant } from './mutants.ts'
import type { ReplicaOptions } from './options.ts'
import type { Peers } from './peers.ts'

export interface FoundingOptions {
  core: RaftCore
  replica: ReplicaOptions
  transport: PeerTransport
  peers: Peers
  names: MemberNames
  /** Entry 1, made here or taken from a holder. */
  onFirstEntry: (batch: EntryBatch) => void
}

/** How often it is looked at. */
const EVERY_MS = 50

/** The way of an empty node into its group, and of entry 1 to the other empty ones (DESIGN 8). */
export class Founding {
  readonly #options: FoundingOptions
  #lastMs = Number.NEGATIVE_INFINITY
  #unjoined: string | undefined

  constructor(options: FoundingOptions) {
    this.#options = options
  }

  /** Why this node belongs to no cluster, if it does not. */
  get unjoinedReason(): string | undefined {
    return this.#unjoined
  }

  /** Why nothing is answered here: an empty state is not that of the group. */
  get error(): QuorateError | undefined {
    const isJoined = activeConfiguration(this.#options.core.state) !== undefined
    if (isJoined || isMutant('unjoined_answers')) return undefined
    const message = `this node belongs to no cluster${this.#unjoined === undefined ? ' yet' : `: ${this.#unjoined}`}`
    return new QuorateError('unjoined', message, { retryable: true })
  }

  /** Why nothing is taken in here: what has no group and will not be given one would keep it for nothing. */
  get lastingError(): QuorateError | undefined {
    return this.#unjoined === undefined ? undefined : this.error
  }

  turn(nowMs: number): void {
    if (nowMs - this.#lastMs < EVERY_MS) return
    this.#lastMs = nowMs
    if (activeConfiguration(this.#options.core.state) === undefined) this.#seek()
    else this.#handOn()
  }

  #seek(): void {
    const { replica, transport, onFirstEntry } = this.#options
    const { name, directoryId, members, random } = replica
    const identityOf = (peer: string): PeerIdentity | undefined => transport.identityOf(peer)
    const step = nextBootstrapStep({ name, directoryId, members, random, identityOf })
    if (step.kind === 'unjoined') this.#unjoined = `${step.holder} belongs to a cluster`
    if (step.kind === 'found') onFirstEntry(step.batch)
  }

  /** Entry 1 came from a holder. @throws MalformedBytes */
  accept(entry: Uint8Array): void {
    const { core, replica, onFirstEntry } = this.#options
    if (activeConfiguration(core.state) !== undefined || replica.log.lastSeq > 0) return
    const batch = acceptFirstEntry(entry, replica.directoryId)
    if (batch === undefined) this.#unjoined = 'the cluster lists another directory under this name'
    else {
      this.#unjoined = undefined
      onFirstEntry(batch)
    }
  }

  /** A link was refused, here or by the peer. Who has no group refuses nobody for the directory: it is the peer that knows another one. */
  refusal(peer: string, reason: PeerRefusal, detail: string): void {
    this.#options.replica.onRefusal?.(peer, reason, detail)
    if (reason !== 'directory' || activeConfiguration(this.#options.core.state) !== undefined) return
    this.#unjoined = `${peer} knows another directory under this name`
  }

  /** A member says that this node is none. */
  refused(configurationSeq: number): void {
    this.#unjoined = `no member of the cluster as of its configuration ${configurationSeq}`
  }

  /** Hands entry 1, once it is durable here, to the empty nodes that it lists: they need it to vote. */
  #handOn(): void {
    const { core, replica, transport, peers, names } = this.#options
    const { log, members, name: own } = replica
    const { id, term, storage } = core.state
    if (log.base.seq > 0 || storage.durableSeq < 1) return
    for (const { name } of members) {
      const identity = name === own ? undefined : transport.identityOf(name)
      if (identity === undefined || identity.historyId !== undefined) continue
      const first = log.readCached(1, 1)
      const to = names.idOf(name)
      if (first === undefined || to === undefined) return
      const entry = first.bytes.subarray(0, readU32(first.bytes, 0))
      peers.send({ type: 'bootstrap', from: id, to, term, entry })
    }
  }
}
