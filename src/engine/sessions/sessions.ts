import { ByteReader, ByteWriter, readU64, writeU64, zeroDigest } from '../../encoding/index.ts'
import type { SessionOpening } from '../../encoding/index.ts'
import { changedCounters, putCounters } from '../catalog/index.ts'
import { changedState } from '../cluster-state.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { EntryWork } from '../entry-work.ts'
import {
  outcomeChunkKey,
  outcomeChunksPrefix,
  outcomeKey,
  outcomesPrefix,
  readU64BE,
  sessionExpiryKey,
  sessionKey,
  sessionNonceKey,
  SESSION_EXPIRY_PREFIX,
} from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader, RecordStore } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import {
  CHUNK_BYTES,
  chunkOf,
  chunkTime,
  digestSlot,
  lastSerialOf,
  outcomeOfSlot,
  SlotKind,
  slotKind,
  slotOffset,
  SLOT_BYTES,
  SLOTS_PER_CHUNK,
  writeSlot,
} from './chunk.ts'
import { UnwrittenSlots } from './unwritten-slots.ts'
import type { Chunk } from './unwritten-slots.ts'

/** Sessions kept in memory; others are read when used. */
const CACHED_SESSIONS_MAX = 20_000
/** Chunks kept in memory per session. */
const CACHED_CHUNKS_MAX = 64
/** Forgotten chunks whose memory is kept for new ones, and how much of the bound they may take. */
const SPARE_CHUNKS_MAX = 64
const SPARE_SHARE = 1 / 8
/** What a session and a copy of a chunk take in memory, as measured on a heap of 64 bits. */
const SESSION_BYTES = 700
const CACHED_CHUNK_BYTES = CHUNK_BYTES + 330
/** In any case one session with the chunk that it is in and the next one. */
const CACHE_BYTES_MIN = SESSION_BYTES + 2 * CACHED_CHUNK_BYTES
/** How far copies are brought down once they are beyond their bound. */
const SHRUNK_SHARE = 3 / 4
/** Up to so many chunks are forgotten one by one; more by walking over those that exist. */
const TRIM_BY_KEY_MAX = 4
const NO_VALUE = new Uint8Array(0)

/** A session as it is used: its record, and what its chunks say. Kept in step with the records by `settle`. */
export interface Session {
  readonly id: number
  readonly caller: string
  readonly kind: 'client' | 'node'
  readonly openedAtMicros: number
  readonly nonce: Uint8Array
  /** Serials of earlier chunks are forgotten. */
  firstChunk: number
  /** The largest that has an outcome; 0 = none has. */
  lastSerial: number
  lastUseMicros: number
  /** Copies of some chunks. */
  readonly chunks: Map<number, Chunk>
  /** The chunk that was used last, and its number; -1 = none. */
  recent: Chunk | undefined
  recentNumber: number
  /** Used since copies were last dropped. */
  isWarm: boolean
}

/** Where a request stands in its session. */
export type SlotState =
  | { state: 'new' }
  | { state: 'recorded'; outcome: Uint8Array }
  | { state: 'refused'; refusal: Refusal }

const NEW: SlotState = { state: 'new' }

/**
 * The sessions layer: who opened a session, which serials were answered with what. The cache holds only what the records say; an
 * entry's own changes reach it in `settle`, when they are written.
 */
export class Sessions {
  readonly #cache = new Map<number, Session>()
  readonly #slot = new Uint8Array(SLOT_BYTES)
  readonly #delta = zeroDigest()
  // What the present entry will have changed once it is written.
  #pending: Session | undefined
  #pendingNumber = 0
  #pendingSerial = 0
  #pendingChunk: Chunk | undefined
  #isChunkNew = false
  #pendingAt = 0
  #pendingFirst = 0
  #pendingTime = 0
  #pendingSeq = 0
  readonly #ended: number[] = []
  /** Memory of chunks that were forgotten, which nobody else has. */
  readonly #spare: Uint8Array[] = []
  /** Undefined: every slot is written with its entry. */
  readonly #unwritten: UnwrittenSlots | undefined

  /** Copies of chunks, and all copies together may take so much. */
  #cachedChunks = 0
  readonly #bytesMax: number

  /** With `gathering`, the store of the entries to come, slots wait for `writeSlots`, or for whatever needs them in their records. */
  constructor(gathering?: RecordStore, bytesMax: number = Number.POSITIVE_INFINITY) {
    this.#unwritten = gathering && new UnwrittenSlots(gathering)
    this.#bytesMax = Math.max(bytesMax, CACHE_BYTES_MIN)
  }

  /** What copies of sessions and of their chunks take in memory. */
  get memoryBytes(): number {
    return this.#cache.size * SESSION_BYTES + (this.#cachedChunks + this.#spare.length) * CACHED_CHUNK_BYTES
  }

  /** What of that stays when nothing is under way. */
  get lastingBytes(): number {
    if (this.#bytesMax > CACHE_BYTES_MIN) return this.memoryBytes
    return this.#cache.size * (SESSION_BYTES + CACHED_CHUNK_BYTES)
  }

  /** Nothing is under way: a bound that has no room for copies is kept to. */
  rest(): void {
    if (this.#bytesMax > CACHE_BYTES_MIN || this.#cache.size === 0) return
    // Not what is in use: a small budget would have to read it again for each request.
    for (const session of this.#cache.values()) {
      if (session.chunks.size < 2) continue
      for (const number of session.chunks.keys()) if (number !== session.recentNumber) this.#drop(session, number)
    }
    this.#spare.length = 0
  }

  /** Drops copies that were not used lately, until they are well within their bound: what is needed is read again. */
  #shrink(): void {
    const bytes = this.#bytesMax * SHRUNK_SHARE
    this.#spare.length = 0
    for (let pass = 0; pass < 2 && this.memoryBytes > bytes; pass++) {
      for (const [id, session] of this.#cache) {
        if (this.memoryBytes <= bytes) return
        if (session.isWarm && pass === 0) {
          session.isWarm = false
          // Of a session in use only the chunk that it is in.
          for (const number of session.chunks.keys()) if (number !== session.recentNumber) this.#drop(session, number)
        } else {
          this.#cachedChunks -= session.chunks.size
          this.#cache.delete(id)
        }
      }
    }
  }

  #forgetEnded(): void {
    for (const id of this.#ended) {
      this.#cachedChunks -= this.#cache.get(id)?.chunks.size ?? 0
      this.#cache.delete(id)
    }
  }

  #drop(session: Session, number: number): void {
    if (session.chunks.delete(number)) this.#cachedChunks--
    if (session.recentNumber !== number) return
    session.recentNumber = -1
    session.recent = undefined
  }

  #forgetAll(): void {
    this.#cache.clear()
    this.#cachedChunks = 0
    this.#spare.length = 0
  }

  /** Writes the slots that wait; before S is looked at and before a publication. */
  writeSlots(): void {
    this.#unwritten?.write()
  }

  /** Forgets everything cached: another root is in place. */
  clear(): void {
    this.#forgetAll()
    this.begin()
  }

  /** Forgets what the present entry had in mind. */
  begin(): void {
    this.#pending = undefined
    if (this.memoryBytes > this.#bytesMax) this.#shrink()
    if (this.#ended.length > 0) this.#ended.length = 0
  }

  /** hot path (bench/apply): the session, if it is there and has not ended at `timeMicros`. Throws `ColdPages`. */
  find(reader: RecordReader, state: ClusterState, id: number, timeMicros: number): Session | undefined {
    const session = this.#cache.get(id) ?? this.#load(reader, id)
    if (session === undefined || timeMicros > endOf(session, state)) return undefined
    session.isWarm = true
    return session
  }

  /** Looks a request up in its session's window. Throws `ColdPages`. */
  lookUp(reader: RecordReader, session: Session, serial: number): SlotState {
    if (serial < 1) return { state: 'refused', refusal: refuse('malformed_request', 'serials begin at 1') }
    const chunk = chunkOf(serial)
    if (chunk < session.firstChunk) {
      return { state: 'refused', refusal: refuse('serial_out_of_window', 'the outcome of this serial is forgotten') }
    }
    const bytes = this.#chunk(reader, session, chunk)?.bytes
    const at = slotOffset(serial)
    if (bytes === undefined || slotKind(bytes, at) === SlotKind.unused) return NEW
    const outcome = outcomeOfSlot(bytes, at) ?? reader.get(outcomeKey(session.id, serial))?.value
    if (outcome === undefined) throw new RangeError(`session ${session.id}: the outcome of serial ${serial} is missing`)
    return { state: 'recorded', outcome }
  }

  /**
   * Whether a later serial of the client has an outcome already. What it issued before and has not heard of comes too late then: what one
   * client issues is applied in the order of issue, or not at all. Requests of a node's session are of many, and have no order.
   * hot path (bench/apply)
   */
  isOvertaken(session: Session, serial: number): boolean {
    return session.kind === 'client' && serial < session.lastSerial && !isMutant('overtaken_serials_applied')
  }

  /**
   * Records an outcome in the slot of `serial`, and forgets what was acknowledged or has left the window. Returns nothing; the
   * change is part of the entry. Throws `ColdPages`.
   */
  record(
    work: EntryWork,
    session: Session,
    serial: number,
    acknowledgedThrough: number,
    kind: number,
    seq: number,
    result: bigint,
  ): void {
    const { changes, timeMicros } = work
    const number = chunkOf(serial)
    const at = slotOffset(serial)
    const slot = this.#slot
    writeSlot(slot, kind, seq, result, timeMicros)
    let chunk = this.#chunk(changes, session, number)
    this.#isChunkNew = chunk === undefined
    if (chunk === undefined) {
      chunk = { key: outcomeChunkKey(session.id, number), bytes: this.#blank() }
      chunk.bytes.set(slot, at)
      changes.put(chunk.key, chunk.bytes)
    } else {
      digestSlot(this.#delta, chunk.key, at, slot, 0)
      const unwritten = this.#unwritten
      if (unwritten === undefined) changes.patch(chunk.key, at, slot, this.#delta)
      else if (!unwritten.areOf(chunk)) {
        unwritten.write()
        changes.prepare(chunk.key)
      }
    }
    this.#pendingChunk = chunk
    this.#pending = session
    this.#pendingNumber = number
    this.#pendingSerial = serial
    this.#pendingAt = at
    this.#pendingTime = timeMicros
    this.#pendingSeq = work.seq
    this.#pendingFirst = this.#trim(work, session, serial, acknowledgedThrough)
  }

  /** The entry was written: the cache follows. */
  settle(): void {
    if (this.#ended.length > 0) this.#forgetEnded()
    const session = this.#pending
    if (session === undefined) return
    session.lastUseMicros = this.#pendingTime
    if (this.#pendingSerial > session.lastSerial) session.lastSerial = this.#pendingSerial
    const chunk = this.#pendingChunk!
    if (this.#isChunkNew) this.#keep(session, this.#pendingNumber, chunk)
    else {
      for (let i = 0; i < SLOT_BYTES; i++) chunk.bytes[this.#pendingAt + i] = this.#slot[i]!
      this.#unwritten?.add(chunk, this.#pendingAt, this.#pendingSeq, this.#delta)
    }
    if (this.#pendingFirst !== session.firstChunk) {
      session.firstChunk = this.#pendingFirst
      for (const [number, forgotten] of session.chunks) {
        if (number >= session.firstChunk) continue
        this.#drop(session, number)
        const spareBytes = (this.#spare.length + 1) * CACHED_CHUNK_BYTES
        if (this.#spare.length < SPARE_CHUNKS_MAX && spareBytes <= this.#bytesMax * SPARE_SHARE) {
          this.#spare.push(forgotten.bytes)
        }
      }
    }
  }

  /** Zeros for a new chunk: mostly those of one that was forgotten, because so much memory is dear to allocate. */
  #blank(): Uint8Array {
    const bytes = this.#spare.pop()
    if (bytes === undefined) return new Uint8Array(CHUNK_BYTES)
    return bytes.fill(0)
  }

  /** Opens a session; its id is the entry's seq. A copy of the opening finds the session that the first one opened. */
  open(work: EntryWork, opening: SessionOpening): number | Refusal {
    const { changes, state, seq, timeMicros } = work
    const nonceKey = sessionNonceKey(opening.nonce)
    const known = changes.get(nonceKey)
    if (known !== undefined) {
      const session = this.find(changes, state, readU64(known.value, 0), timeMicros)
      if (session?.caller === opening.caller) return session.id
      return refuse('session_ended', 'the session of this nonce has ended')
    }
    if (opening.notAfterMicros !== 0 && timeMicros > opening.notAfterMicros) return refuse('expired', 'too late')
    const { sessionsMax, sessionLifetimeMs } = state.settings
    if (state.counters.sessions >= sessionsMax) return refuse('session_limit', `there are ${sessionsMax} sessions`)
    const session: Session = {
      id: seq,
      caller: opening.caller,
      kind: opening.kind,
      openedAtMicros: timeMicros,
      nonce: opening.nonce,
      firstChunk: 0,
      lastSerial: 0,
      lastUseMicros: timeMicros,
      chunks: new Map(),
      recent: undefined,
      recentNumber: -1,
      isWarm: true,
    }
    changes.put(sessionKey(seq), encodeSession(session))
    const id = new Uint8Array(8)
    writeU64(id, 0, seq)
    changes.put(nonceKey, id)
    const due = Math.max(timeMicros + sessionLifetimeMs * 1000, state.sessionFloorMicros) + 1
    changes.put(sessionExpiryKey(due, seq), NO_VALUE)
    work.earliestExpiryMicros = Math.min(work.earliestExpiryMicros, due)
    setSessionCount(work, state.counters.sessions + 1)
    return seq
  }

  /** Ends sessions whose time has come, at most `rowsMax`; those used since are looked at again later. */
  expire(work: EntryWork, rowsMax: number): { rows: number; nextMicros: number; ended: number } {
    const { changes, timeMicros } = work
    this.writeSlots()
    const due: number[] = []
    let nextMicros = Number.POSITIVE_INFINITY
    changes.walk(SESSION_EXPIRY_PREFIX, prefixEnd(SESSION_EXPIRY_PREFIX), false, row => {
      const at = readU64BE(row, 2)
      if (at > timeMicros || due.length >= rowsMax * 2) {
        nextMicros = at
        return false
      }
      due.push(at, readU64BE(row, 10))
      return true
    })
    const before = this.#ended.length
    for (let i = 0; i < due.length; i += 2) {
      changes.delete(sessionExpiryKey(due[i]!, due[i + 1]!))
      const again = this.#endOrKeep(work, due[i + 1]!)
      if (again !== undefined) nextMicros = Math.min(nextMicros, again)
    }
    return { rows: due.length / 2, nextMicros, ended: this.#ended.length - before }
  }

  #endOrKeep(work: EntryWork, id: number): number | undefined {
    const { changes, state, timeMicros } = work
    const session = this.#cache.get(id) ?? this.#load(changes, id)
    if (session === undefined) return undefined
    const end = endOf(session, state)
    if (timeMicros <= end) {
      changes.put(sessionExpiryKey(end + 1, id), NO_VALUE)
      return end + 1
    }
    changes.delete(sessionKey(id))
    changes.delete(sessionNonceKey(session.nonce))
    for (const prefix of [outcomeChunksPrefix(id), outcomesPrefix(id)]) {
      changes.walk(prefix, prefixEnd(prefix), false, key => {
        changes.delete(key.slice())
        return true
      })
    }
    this.#ended.push(id)
    setSessionCount(work, state.counters.sessions - 1)
    return undefined
  }

  /** The first chunk that stays; the earlier ones and the outcomes they point at are removed. */
  #trim(work: EntryWork, session: Session, serial: number, acknowledgedThrough: number): number {
    const { settings } = work.state
    const window = session.kind === 'node' ? settings.nodeSessionWindow : settings.sessionWindow
    const forgotten = Math.max(Math.min(acknowledgedThrough, serial - 1), serial - window)
    const early = isMutant('outcomes_forgotten_early') ? SLOTS_PER_CHUNK : 0
    const first = Math.max(session.firstChunk, chunkOf(Math.min(forgotten + 1 + early, serial)))
    return first <= session.firstChunk ? session.firstChunk : this.#forgetBefore(work, session, first)
  }

  /** Removes the chunks before `first`. Apart from `#trim`, which mostly has none: its closure would cost every entry. */
  #forgetBefore(work: EntryWork, session: Session, first: number): number {
    // No slot of these chunks waits: what waits is of the chunk of `serial`, the others were written when that was looked for.
    if (first - session.firstChunk <= TRIM_BY_KEY_MAX) {
      for (let chunk = session.firstChunk; chunk < first; chunk++) {
        const found = this.#chunk(work.changes, session, chunk)
        if (found !== undefined) forgetChunk(work, session.id, chunk, found.bytes)
      }
    } else {
      const from = outcomeChunkKey(session.id, session.firstChunk)
      work.changes.walk(from, outcomeChunkKey(session.id, first), false, (key, _, value) => {
        forgetChunk(work, session.id, readU64BE(key, 10), value())
        return true
      })
    }
    const { changes } = work
    const key = sessionKey(session.id)
    changes.put(key, encodeSession({ ...session, firstChunk: first }), changes.metadata(key)?.createdSeq)
    return first
  }

  #chunk(reader: RecordReader, session: Session, number: number): Chunk | undefined {
    if (session.recentNumber === number) return session.recent
    const cached = session.chunks.get(number)
    if (cached !== undefined) return use(session, number, cached)
    const key = outcomeChunkKey(session.id, number)
    this.writeSlots()
    const bytes = reader.get(key)?.value
    return bytes === undefined ? undefined : this.#keep(session, number, { key, bytes })
  }

  #load(reader: RecordReader, id: number): Session | undefined {
    this.writeSlots()
    const record = reader.get(sessionKey(id))
    if (record === undefined) return undefined
    const session = decodeSession(id, record.value)
    const chunks = outcomeChunksPrefix(id)
    reader.walk(chunks, prefixEnd(chunks), false, (key, _metadata, value) => {
      const bytes = value()
      session.lastUseMicros = Math.max(session.lastUseMicros, chunkTime(bytes))
      session.lastSerial = lastSerialOf(readU64BE(key, 10), bytes)
      return true
    })
    if (this.#cache.size >= CACHED_SESSIONS_MAX) this.#forgetAll()
    this.#cache.set(id, session)
    return session
  }

  #keep(session: Session, number: number, chunk: Chunk): Chunk {
    if (!session.chunks.has(number)) this.#cachedChunks++
    session.chunks.set(number, chunk)
    if (session.chunks.size > CACHED_CHUNKS_MAX) {
      for (const oldest of session.chunks.keys()) {
        this.#drop(session, oldest)
        break
      }
    }
    return use(session, number, chunk)
  }
}

function use(session: Session, number: number, chunk: Chunk): Chunk {
  session.recentNumber = number
  session.recent = chunk
  return chunk
}

function forgetChunk({ changes }: EntryWork, session: number, chunk: number, bytes: Uint8Array): void {
  changes.delete(outcomeChunkKey(session, chunk))
  for (let i = 0; i < SLOTS_PER_CHUNK; i++) {
    if (bytes[i * SLOT_BYTES] !== SlotKind.record) continue
    changes.delete(outcomeKey(session, chunk * SLOTS_PER_CHUNK + i))
  }
}

/** A session ends after this leader time (us). */
function endOf(session: Session, state: ClusterState): number {
  return Math.max(session.lastUseMicros + state.settings.sessionLifetimeMs * 1000, state.sessionFloorMicros)
}

function setSessionCount(work: EntryWork, sessions: number): void {
  const counters = changedCounters(work.state.counters, { sessions })
  putCounters(work.changes, counters)
  work.state = changedState(work.state, { counters })
}

function encodeSession(session: Session): Uint8Array {
  const writer = new ByteWriter(64)
  writer.u8(1)
  writer.u8(session.kind === 'node' ? 1 : 0)
  writer.u64(session.openedAtMicros)
  writer.u64(session.firstChunk)
  writer.raw(session.nonce)
  writer.text16(session.caller)
  return writer.finish()
}

/** What the record of a session says. @throws MalformedBytes */
export function decodeSession(id: number, bytes: Uint8Array): Session {
  const reader = new ByteReader(bytes)
  reader.u8()
  const kind = reader.u8() === 1 ? 'node' : 'client'
  const openedAtMicros = reader.u64()
  const firstChunk = reader.u64()
  const nonce = reader.raw(16).slice()
  const caller = reader.text16()
  return {
    id,
    caller,
    kind,
    openedAtMicros,
    nonce,
    firstChunk,
    lastSerial: 0,
    lastUseMicros: openedAtMicros,
    chunks: new Map(),
    recent: undefined,
    recentNumber: -1,
    isWarm: true,
  }
}
