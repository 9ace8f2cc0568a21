import {
  encodeConfiguration,
  encodeEntry,
  encodeEnvelope,
  encodeRequest,
  EntryKind,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import type { EntryBatch, Mutation } from '../../src/encoding/index.ts'
import { DIGEST_INTERVAL, openStateMachine } from '../../src/engine/index.ts'
import type { EngineStateMachine } from '../../src/engine/index.ts'
import { nodeClock, nodeFiles } from '../../src/platform/node/index.ts'

const DIRECTORY_ID = '0'.repeat(32)
const MUTATIONS = 64

/** What a state is made of: so many keys of 22 bytes with values of `valueBytes`. */
export interface Shape {
  readonly keys: number
  readonly valueBytes: number
}

/** The bytes of keys and values. */
export function shapeBytes({ keys, valueBytes }: Shape): number {
  return keys * (KEY_BYTES + valueBytes)
}

const KEY_BYTES = 22

export async function openMachine(directory: string, budgetBytes: number): Promise<EngineStateMachine> {
  const { machine } = await openStateMachine({
    files: nodeFiles(),
    directory,
    directoryId: DIRECTORY_ID,
    groupId: 1,
    pageBytes: 8192,
    budgetBytes,
    clock: nodeClock(),
    timers: { endOfTurn: setImmediate },
  })
  return machine
}

function member(nodeId: number): { nodeId: number; name: string; peerAddress: string; clientAddress: string } {
  return { nodeId, name: `n${nodeId}`, peerAddress: `h${nodeId}:7410`, clientAddress: `h${nodeId}:7400` }
}

/** Applies entries that are the same in every process: two machines that were told the same are the same. */
export class Author {
  readonly #machine: EngineStateMachine
  #random = 1

  constructor(machine: EngineStateMachine) {
    this.#machine = machine
  }

  async begin(): Promise<void> {
    const members = [1, 2].map(nodeId => ({ ...member(nodeId), directoryId: DIRECTORY_ID }))
    const lists = { voters: [1, 2], outgoing: [], learners: [], learnersNext: [] }
    await this.#apply(EntryKind.configuration, encodeConfiguration({ historyId: 'a'.repeat(32), members, ...lists }))
    await this.#commit([{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }])
  }

  /** Writes the keys [from, from + count), in order. */
  async write(from: number, count: number, valueBytes: number): Promise<void> {
    for (let key = from; key < from + count;) {
      const mutations: Mutation[] = []
      for (; mutations.length < MUTATIONS && key < from + count; key++) {
        const text = `user/${String(key).padStart(KEY_BYTES - 5, '0')}`
        mutations.push({ type: 'kvSet', project: 'p', key: utf8Bytes(text), value: this.#value(valueBytes) })
      }
      await this.#commit(mutations)
    }
  }

  /** Goes on to the next seq at which digests are recorded. */
  async reachDigest(): Promise<void> {
    this.#random = 1
    do await this.write(0, 1, 10)
    while (this.#machine.appliedSeq % DIGEST_INTERVAL !== 0)
  }

  async checkpoint(): Promise<void> {
    await this.#machine.checkpoint(() => Promise.resolve(this.#machine.appliedSeq))
  }

  #value(bytes: number): Uint8Array {
    const value = new Uint8Array(bytes)
    for (let i = 0; i + 4 <= bytes; i += 4) {
      this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) | 0
      value[i] = this.#random >>> 24
      value[i + 1] = this.#random >>> 16
      value[i + 2] = this.#random >>> 8
    }
    return value
  }

  #commit(mutations: Mutation[]): Promise<void> {
    const header = { caller: 'root', session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
    return this.#apply(EntryKind.transaction, encodeRequest(header, encodeEnvelope({ mutations })))
  }

  async #apply(kind: EntryKind, payload: Uint8Array): Promise<void> {
    const machine = this.#machine
    const seq = machine.appliedSeq + 1
    const bytes = encodeEntry({ kind, seq, term: 1, leaderTimeMicros: 1_000_000 }, payload)
    const batch: EntryBatch = { firstSeq: seq, lastSeq: seq, bytes }
    while (machine.appliedSeq < seq) await machine.apply(batch, () => false).cold
    if (machine.isBusy) await this.checkpoint()
  }
}
