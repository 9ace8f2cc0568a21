import assert from 'node:assert/strict'
import type { Digest64 } from '../../../src/encoding/index.ts'
import { addDigest, compareBytes, digestBytes, digestRecord, zeroDigest } from '../../../src/encoding/index.ts'
import type { Files } from '../../../src/platform/index.ts'
import type {
  Keyspace,
  KeyspaceOptions,
  KeyspaceView,
  RecordView,
  SuperblockMeta,
} from '../../../src/engine/keyspace/index.ts'
import { Cold } from '../../../src/engine/keyspace/index.ts'

/** The seed of this run: QUORATE_SEED, or a fixed one. */
export const SEED: number = Number(process.env['QUORATE_SEED'] ?? 20261)

/** xorshift32; good enough to choose operations. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 2654435761) ^ 0x5bd1e995) | 0 || 1
  }

  u32(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  below(n: number): number {
    return this.u32() % n
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32() & 0xff)
  }
}

export const META: SuperblockMeta = {
  term: 3,
  entryChain: 11,
  effectChain: 12,
  leaderTimeMicros: 1_700_000_000_000_000,
  featureLevel: 1,
  membership: Uint8Array.of(1, 2, 3),
  digests: Uint8Array.of(4, 5),
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function key(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function warm<T>(answer: T | Cold): T {
  assert.ok(!(answer instanceof Cold), 'a page is not in memory')
  return answer
}

/** The sorted map that a keyspace is compared with; keys as hex, whose order is the bytes' order. */
export type Model = Map<string, RecordView>

export function sortedKeys(model: Model): string[] {
  return [...model.keys()].sort()
}

/** S of a model, computed from nothing but its records. */
export function digestOf(model: Model): Digest64 {
  const sum = zeroDigest()
  const one = zeroDigest()
  for (const [text, record] of model) {
    const bytes = Buffer.from(text, 'hex')
    digestBytes(one, record.value, 0, record.value.length)
    const value = { ...one }
    const { versionSeq, createdSeq, expiresAtMicros } = record
    digestRecord(one, bytes, 0, bytes.length, versionSeq, createdSeq, expiresAtMicros, record.value.length, value)
    addDigest(sum, one)
  }
  return sum
}

/** Keys of mixed shapes: long common prefixes, ascending numbers, noise, very long and empty ones. */
export function randomKey(dice: Dice, universe: number, maxBytes: number): Uint8Array {
  const n = dice.below(universe)
  switch (dice.below(6)) {
    case 0:
      return key(`t${String(n).padStart(8, '0')}`)
    case 1:
      return key(`users/by-name/${n.toString(36)}`)
    case 2:
      return key('p'.repeat(n % maxBytes))
    case 3:
      return key(`${'long'.repeat(Math.floor(maxBytes / 4) - 3)}${n}`.slice(0, maxBytes))
    case 4:
      return Uint8Array.of(n & 0xff, n >>> 8, 0, 0, n & 7)
    default:
      return new Dice(n).bytes(1 + (n % 20))
  }
}

/** Applies one random entry to keyspace and model alike. */
export async function randomEntry(
  keyspace: Keyspace,
  model: Model,
  dice: Dice,
  seq: number,
  options: { universe: number; maxKey: number; maxValue: number; deletesIn10: number },
): Promise<void> {
  const keys = Array.from({ length: 1 + dice.below(4) }, () => randomKey(dice, options.universe, options.maxKey))
  keyspace.writer.beginEntry(seq)
  for (;;) {
    const cold = keyspace.writer.prepare(keys)
    if (cold === undefined) break
    await keyspace.load(cold)
  }
  for (const bytes of keys) {
    const text = hex(bytes)
    const old = model.get(text)
    if (dice.below(10) < options.deletesIn10) {
      assert.equal(keyspace.writer.delete(bytes), old !== undefined, `delete of ${text} at ${seq}`)
      model.delete(text)
      continue
    }
    const value = dice.bytes(dice.chance(8) ? dice.below(options.maxValue) : dice.below(60))
    const createdSeq = old?.createdSeq ?? seq
    const expiresAtMicros = dice.chance(3) ? 1 + dice.below(1_000_000_000) * 4000 : 0
    const result = keyspace.writer.put(bytes, value, seq, createdSeq, expiresAtMicros)
    assert.equal(result.existed, old !== undefined, `put of ${text} at ${seq}`)
    assert.equal(result.oldCreatedSeq, old?.createdSeq ?? 0)
    model.set(text, { value, versionSeq: seq, createdSeq, expiresAtMicros })
  }
}

export function sameRecord(found: RecordView | undefined, wanted: RecordView | undefined, text: string): void {
  assert.equal(found === undefined, wanted === undefined, `presence of ${text}`)
  if (found === undefined || wanted === undefined) return
  assert.equal(found.versionSeq, wanted.versionSeq)
  assert.equal(found.createdSeq, wanted.createdSeq)
  assert.equal(found.expiresAtMicros, wanted.expiresAtMicros)
  assert.ok(compareBytes(found.value, wanted.value) === 0, `value of ${text}`)
}

/** Options for a keyspace in directory `pages`. */
export function optionsFor(
  files: Files,
  pageBytes: KeyspaceOptions['pageBytes'],
  more: Partial<KeyspaceOptions> = {},
): KeyspaceOptions {
  return {
    files,
    directory: 'pages',
    pageBytes,
    budgetBytes: 64 << 20,
    retention: { maxVersions: 8, maxAgeMs: 60_000, now: () => 0 },
    identity: { historyId: new Uint8Array(16).fill(7), groupId: 1, directoryId: new Uint8Array(16).fill(9) },
    spaceLength: bytes => Math.min(1, bytes.length),
    ...more,
  }
}

/** Everything that a view shows, read asynchronously, must be what the model has. */
export async function assertShows(view: KeyspaceView, model: Model): Promise<void> {
  const cursor = view.cursor()
  for (const text of sortedKeys(model)) {
    assert.equal(await view.advance(cursor), true, `a record is missing at ${text}`)
    assert.equal(hex(cursor.key), text)
    sameRecord(await view.recordOf(cursor), model.get(text), text)
  }
  assert.equal(await view.advance(cursor), false, 'a record too many')
}

/** One epoch of random entries, published; returns the new seq. */
export async function randomEpoch(
  keyspace: Keyspace,
  model: Model,
  dice: Dice,
  seq: number,
  entries: number,
  shape: Parameters<typeof randomEntry>[4],
): Promise<number> {
  keyspace.beginEpoch(dice.chance(2))
  for (let i = 0; i < entries; i++) await randomEntry(keyspace, model, dice, ++seq, shape)
  keyspace.publish(seq, META)
  return seq
}
