import {
  ByteReader,
  ByteWriter,
  copyWords,
  crc32,
  dataViewOf,
  digestBytes,
  RecentView,
  WORD_COPY_BYTES_MAX,
  WORD_COPY_BYTES_MIN,
  writeU32,
  zeroDigest,
} from '../../encoding/index.ts'
import type { Change } from '../../model/index.ts'
import { KV_PREFIX_BYTES } from '../layers.ts'

/**
 * Effects of entries in their one binary form (docs/formats/changes.md). Per entry that changed something: u64 seq, u32 count,
 * then per effect
 *
 *   0 u8 kind   1 u8 flags (1 = large value, 2 = a row, 4 = an event, 8 = with the row before)   2 u16 key length
 *   4 u32 scope id, of a row table id   8 u32 value length
 *   12 key, then the value, or the two lanes of its digest if it is large; then the row before: u32 length (0 = there was none,
 *   FFFFFFFF = it is large) and its bytes
 */
export const EffectKind = { put: 1, delete: 2, expire: 3, catalog: 4 } as const
/** A value above this is represented by its length and digest. The same on all nodes: it decides the effect chain. */
export const EFFECT_INLINE_BYTES = 4_194_304
const IS_LARGE = 1
const IS_ROW = 2
const IS_EVENT = 4
const HAS_BEFORE = 8
const LARGE_LENGTH = 0xffffffff
const GROUP_HEADER_BYTES = 12

/**
 * The effects of the entries of one epoch. `beginEntry` and `endEntry` enclose an entry; `drop` forgets what the present one
 * has given so far.
 */
export class EffectLog {
  readonly #writer = new ByteWriter(65536)
  #groupStart = 0
  #count = 0
  #chained = 0
  #chain = 0
  readonly #digest = zeroDigest()
  readonly #view = new RecentView()

  /** Effect chain up to the last `endEntry`. */
  get chain(): number {
    if (this.#chained < this.#groupStart) {
      this.#chain = crc32(this.#view.of(this.#writer.buffer, this.#chained, this.#groupStart), this.#chain)
      this.#chained = this.#groupStart
    }
    return this.#chain
  }

  /** The groups of the epoch, one after the other; valid until the next epoch begins. */
  get bytes(): Uint8Array {
    return this.#view.of(this.#writer.buffer, 0, this.#groupStart)
  }

  beginEpoch(chain: number): void {
    this.#writer.reset()
    this.#groupStart = 0
    this.#chained = 0
    this.#chain = chain
    this.#count = 0
  }

  beginEntry(seq: number): void {
    this.#writer.reset()
    this.#writer.reserve(this.#groupStart)
    this.#count = 0
    this.#writer.u64(seq)
    this.#writer.u32(0)
  }

  /** Forgets the effects of the present entry. */
  drop(): void {
    this.#writer.reset()
    this.#writer.reserve(this.#groupStart + GROUP_HEADER_BYTES)
    this.#count = 0
  }

  endEntry(): void {
    if (this.#count === 0) return
    writeU32(this.#writer.buffer, this.#groupStart + 8, this.#count)
    this.#groupStart = this.#writer.length
  }

  /** hot path (bench/apply). `key` is the full KV key, `source[start, end)` the value. */
  put(scopeId: number, key: Uint8Array, source: Uint8Array, start: number, end: number): void {
    this.#put(0, scopeId, key, source, start, end)
  }

  /**
   * hot path (bench/apply). `key` is the row's full key, `value` its bytes. `before` are those that it takes the place of, empty = none:
   * given where a read policy decides who may hear of the change.
   */
  rowPut(tableId: number, key: Uint8Array, value: Uint8Array, before: Uint8Array | undefined): void {
    this.#put(before === undefined ? IS_ROW : IS_ROW | HAS_BEFORE, tableId, key, value, 0, value.length)
    if (before !== undefined) this.#before(before)
  }

  #put(flags: number, id: number, key: Uint8Array, source: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length <= EFFECT_INLINE_BYTES) {
      this.#head(EffectKind.put, flags, id, key, length)
      const at = this.#writer.reserve(length)
      const { buffer } = this.#writer
      if (length === source.length) buffer.set(source, at)
      else if (length < WORD_COPY_BYTES_MIN) for (let i = 0; i < length; i++) buffer[at + i] = source[start + i]!
      else if (length > WORD_COPY_BYTES_MAX) buffer.set(source.subarray(start, end), at)
      else copyWords(dataViewOf(buffer), at, dataViewOf(source), start, length)
      return
    }
    this.#head(EffectKind.put, flags | IS_LARGE, id, key, length)
    digestBytes(this.#digest, source, start, end)
    this.#writer.u32(this.#digest.lo)
    this.#writer.u32(this.#digest.hi)
  }

  delete(scopeId: number, key: Uint8Array): void {
    this.#head(EffectKind.delete, 0, scopeId, key, 0)
  }

  expire(scopeId: number, key: Uint8Array): void {
    this.#head(EffectKind.expire, 0, scopeId, key, 0)
  }

  rowDelete(tableId: number, key: Uint8Array, before: Uint8Array | undefined): void {
    this.#rowGone(EffectKind.delete, tableId, key, before)
  }

  rowExpire(tableId: number, key: Uint8Array, before: Uint8Array | undefined): void {
    this.#rowGone(EffectKind.expire, tableId, key, before)
  }

  #rowGone(kind: number, tableId: number, key: Uint8Array, before: Uint8Array | undefined): void {
    this.#head(kind, before === undefined ? IS_ROW : IS_ROW | HAS_BEFORE, tableId, key, 0)
    if (before !== undefined) this.#before(before)
  }

  #before(bytes: Uint8Array): void {
    const isLarge = bytes.length > EFFECT_INLINE_BYTES
    this.#writer.u32(isLarge ? LARGE_LENGTH : bytes.length)
    if (!isLarge) this.#writer.raw(bytes)
  }

  /** An event of the topic was emitted; the event itself is in the state. */
  event(scopeId: number, topic: Uint8Array): void {
    const key = new Uint8Array(KV_PREFIX_BYTES + topic.length)
    key.set(topic, KV_PREFIX_BYTES)
    this.#head(EffectKind.put, IS_EVENT, scopeId, key, 0)
  }

  /** A change of catalog, permissions or settings, as the operation's own bytes. */
  catalog(operation: Uint8Array): void {
    this.#head(EffectKind.catalog, 0, 0, NO_KEY, operation.length)
    this.#writer.raw(operation)
  }

  #head(kind: number, flags: number, id: number, key: Uint8Array, length: number): void {
    const writer = this.#writer
    const keyLength = key.length - KV_PREFIX_BYTES
    const at = writer.reserve(12 + keyLength)
    const bytes = writer.buffer
    bytes[at] = kind
    bytes[at + 1] = flags
    bytes[at + 2] = keyLength
    bytes[at + 3] = keyLength >>> 8
    writeU32(bytes, at + 4, id)
    writeU32(bytes, at + 8, length)
    for (let i = 0; i < keyLength; i++) bytes[at + 12 + i] = key[KV_PREFIX_BYTES + i]!
    this.#count++
  }
}

const NO_KEY = new Uint8Array(KV_PREFIX_BYTES)
const KINDS = { [EffectKind.put]: 'put', [EffectKind.delete]: 'delete', [EffectKind.expire]: 'expire' } as const

/** A change of a key or a row as it stands in a group of effects. */
export interface KeyEffect {
  /** 0 for a row. */
  scopeId: number
  /** 0 for a key. The key of a row is its primary key as an ordered key, its value the row's bytes. */
  tableId: number
  key: Uint8Array
  kind: Change['kind']
  /** `key` is the topic of an event, `value` is empty. */
  isEvent: boolean
  /** Undefined for a large value: it is in the state after its entry. */
  value: Uint8Array | undefined
  isLarge: boolean
  /** The row before, as far as its table had a read policy then. */
  before: RowBefore | undefined
}

/** The bytes of a row that was there, or why there are none. */
export type RowBefore = Uint8Array | 'none' | 'large'

/** One entry's changes of keys and rows. */
export interface EntryEffects {
  seq: number
  effects: KeyEffect[]
  /** Bodies of changes of catalog, permissions and settings. */
  operations: Uint8Array[]
}

/** Reads groups of effects; keys and values are views of `bytes`. */
export function decodeEffects(bytes: Uint8Array): EntryEffects[] {
  const reader = new ByteReader(bytes)
  const entries: EntryEffects[] = []
  while (reader.remaining > 0) {
    const seq = reader.u64()
    const count = reader.u32()
    const entry: EntryEffects = { seq, effects: [], operations: [] }
    for (let i = 0; i < count; i++) readEffect(reader, entry)
    entries.push(entry)
  }
  return entries
}

function readEffect(reader: ByteReader, { effects, operations }: EntryEffects): void {
  const kind = reader.u8()
  const flags = reader.u8()
  const isLarge = (flags & IS_LARGE) !== 0
  const isRow = (flags & IS_ROW) !== 0
  const isEvent = (flags & IS_EVENT) !== 0
  const keyLength = reader.u16()
  const id = reader.u32()
  const length = reader.u32()
  const key = reader.raw(keyLength)
  const body = reader.raw(isLarge ? 8 : length)
  const before = (flags & HAS_BEFORE) === 0 ? undefined : readBefore(reader)
  if (kind === EffectKind.catalog) operations.push(body)
  if (kind !== EffectKind.put && kind !== EffectKind.delete && kind !== EffectKind.expire) return
  const value = kind === EffectKind.put && !isLarge ? body : undefined
  const [scopeId, tableId] = isRow ? [0, id] : [id, 0]
  effects.push({ scopeId, tableId, key, kind: KINDS[kind], isEvent, value, isLarge, before })
}

function readBefore(reader: ByteReader): RowBefore {
  const length = reader.u32()
  if (length === LARGE_LENGTH) return 'large'
  return length === 0 ? 'none' : reader.raw(length)
}
