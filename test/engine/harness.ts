import assert from 'node:assert/strict'
import {
  decodeOutcome,
  encodeEntry,
  encodeEnvelope,
  encodeRequest,
  encodeSessionOpening,
  encodeTick,
  EntryKind,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import type { EntryBatch, Mutation, Outcome, SessionOpening, TransactionEnvelope } from '../../src/encoding/index.ts'
import { openStateMachine } from '../../src/engine/index.ts'
import type { EngineStateMachine } from '../../src/engine/index.ts'
import type { EntryOutcome, ReadResult } from '../../src/model/index.ts'
import type { Files } from '../../src/platform/index.ts'
import { SimulatedDisk } from '../../src/platform/simulated/index.ts'

export const bytes = utf8Bytes
export const SECOND = 1_000_000

export interface HarnessOptions {
  pageBytes?: 4096 | 8192 | 16384 | 32768
  budgetBytes?: number
  monotonicMs?: () => number
  endOfTurn?: (task: () => void) => void
  digestInterval?: number
}

export interface RequestParts {
  caller?: string
  session?: number
  serial?: number
  acknowledgedThrough?: number
  notAfterMicros?: number
}

/** One state machine on a simulated disk, with the log that it was driven by in memory. */
export class Harness {
  readonly core: EngineStateMachine
  readonly entries: Uint8Array[] = []
  /** Of the next entry. */
  timeMicros: number = 1_000 * SECOND
  term = 1

  readonly #disk: SimulatedDisk
  readonly #options: HarnessOptions

  private constructor(core: EngineStateMachine, disk: SimulatedDisk, options: HarnessOptions) {
    this.core = core
    this.#disk = disk
    this.#options = options
  }

  static async create(options: HarnessOptions = {}): Promise<Harness> {
    const disk = new SimulatedDisk({ seed: 1 })
    return new Harness(await open(disk, options), disk, options)
  }

  /** The disk as another process sees it. */
  files(): Files {
    return this.#disk.files()
  }

  checkpoint(): Promise<{ seq: number }> {
    return this.core.checkpoint(() => Promise.resolve(this.core.appliedSeq))
  }

  /** The state of the last checkpoint, as after a restart; the log is as it was. */
  async reopen({ withoutChanges = false } = {}): Promise<Harness> {
    await this.core.close()
    if (withoutChanges) await this.#disk.files().removeTree('/data/changes')
    const harness = new Harness(await open(this.#disk, this.#options), this.#disk, this.#options)
    harness.entries.push(...this.entries)
    harness.timeMicros = this.timeMicros
    harness.term = this.term
    return harness
  }

  /** With a project `p` (scopes `app` and `other`). */
  static async withProject(options: HarnessOptions = {}): Promise<Harness> {
    const harness = await Harness.create(options)
    const created = await harness.commit({
      mutations: [
        { type: 'ddl', operation: { type: 'createProject', project: 'p' } },
        { type: 'ddl', operation: { type: 'createScope', project: 'p', scope: 'other' } },
      ],
    })
    assert.equal(created.status, 'committed')
    return harness
  }

  get nextSeq(): number {
    return this.entries.length + 1
  }

  /** Adds an entry to the log without applying it. */
  append(kind: EntryKind, payload: Uint8Array): number {
    const seq = this.nextSeq
    this.entries.push(encodeEntry({ kind, seq, term: this.term, leaderTimeMicros: this.timeMicros }, payload))
    return seq
  }

  batch(firstSeq: number, lastSeq: number = this.entries.length): EntryBatch {
    return { firstSeq, lastSeq, bytes: Buffer.concat(this.entries.slice(firstSeq - 1, lastSeq)) }
  }

  /** Applies everything that is in the log, in batches of at most `entriesMax`. */
  async applyAll(entriesMax: number = 64): Promise<EntryOutcome[]> {
    const outcomes: EntryOutcome[] = []
    while (this.core.appliedSeq < this.entries.length) {
      const first = this.core.appliedSeq + 1
      const batch = this.batch(first, Math.min(this.entries.length, first + entriesMax - 1))
      const result = this.core.apply(batch, () => false)
      outcomes.push(...result.outcomes)
      await result.cold
    }
    return outcomes
  }

  async applyOne(kind: EntryKind, payload: Uint8Array): Promise<EntryOutcome | undefined> {
    this.append(kind, payload)
    const outcomes = await this.applyAll()
    return outcomes.at(-1)
  }

  async submit(envelope: TransactionEnvelope, parts: RequestParts = {}): Promise<EntryOutcome> {
    const outcome = await this.applyOne(EntryKind.transaction, request(envelope, parts))
    assert.ok(outcome !== undefined)
    return outcome
  }

  async commit(envelope: TransactionEnvelope, parts: RequestParts = {}): Promise<Outcome> {
    const { outcome } = await this.submit(envelope, parts)
    return decodeOutcome(outcome)
  }

  /** The code of the refusal that the envelope meets. */
  async refusal(envelope: TransactionEnvelope, parts: RequestParts = {}): Promise<string> {
    const outcome = await this.commit(envelope, parts)
    assert.equal(outcome.status, 'refused')
    return outcome.status === 'refused' ? outcome.code : ''
  }

  async openSession(opening: Partial<SessionOpening> = {}): Promise<EntryOutcome> {
    const payload = encodeSessionOpening({
      caller: 'root',
      kind: 'client',
      nonce: nonce(this.nextSeq),
      notAfterMicros: 0,
      ...opening,
    })
    const outcome = await this.applyOne(EntryKind.openSession, payload)
    assert.ok(outcome !== undefined)
    return outcome
  }

  async tick(keysMax = 1_000): Promise<void> {
    await this.applyOne(EntryKind.tick, encodeTick(keysMax))
  }

  get(key: string, scope = 'app', caller = 'root'): string | undefined {
    const result = this.read({ type: 'get', project: 'p', scope, keys: [bytes(key)] }, caller)
    assert.equal(result.type, 'get')
    const value = result.type === 'get' ? result.entries[0]?.value : undefined
    return value === undefined ? undefined : Buffer.from(value).toString()
  }

  read(request: Parameters<ReturnType<EngineStateMachine['view']>['readSync']>[0], caller = 'root'): ReadResult {
    const view = this.core.view()
    try {
      return view.readSync(request, caller)
    } finally {
      view.release()
    }
  }

  /** S and effect chain, to be compared between replicas. */
  digest(): string {
    return JSON.stringify(this.core.digest)
  }
}

async function open(disk: SimulatedDisk, options: HarnessOptions): Promise<EngineStateMachine> {
  const { machine } = await openStateMachine({
    files: disk.files(),
    directory: '/data',
    directoryId: '0'.repeat(32),
    groupId: 1,
    pageBytes: options.pageBytes ?? 8192,
    budgetBytes: options.budgetBytes ?? 16 << 20,
    clock: { monotonicMs: options.monotonicMs ?? ((): number => 0), wallMicros: () => 0 },
    timers: { endOfTurn: options.endOfTurn ?? setImmediate },
    ...(options.digestInterval !== undefined && { tuning: { digestInterval: options.digestInterval } }),
  })
  return machine
}

export function nonce(number: number): Uint8Array {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setFloat64(0, number)
  return bytes
}

export function request(envelope: TransactionEnvelope, parts: RequestParts = {}): Uint8Array {
  const header = { caller: 'root', session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0, ...parts }
  return encodeRequest(header, encodeEnvelope(envelope))
}

export function at(key: string, scope?: string): { project: string; scope?: string; key: Uint8Array } {
  return { project: 'p', ...(scope !== undefined && { scope }), key: bytes(key) }
}

export function set(key: string, value: string, ttlMs?: number): Mutation {
  return { type: 'kvSet', ...at(key), value: bytes(value), ...(ttlMs !== undefined && { ttlMs }) }
}

export function remove(key: string): Mutation {
  return { type: 'kvDelete', ...at(key) }
}
