/**
 * The layers of the keyspace and their keys (docs/formats/layers.md). A key is a layer byte, numeric ids in big-endian order and
 * the rest; ids come from replicated counters and are never reused.
 */
export const Layer = {
  /** Counters, the session floor and the cluster settings. */
  cluster: 1,
  /** Projects, scopes and tables by id; names are resolved in memory. */
  catalog: 2,
  audit: 3,
  grants: 4,
  sessions: 5,
  sessionOutcomes: 6,
  idempotency: 7,
  /** What to look at when a leader time is reached. */
  expiry: 8,
  jobs: 9,
  /**
   * Events of the database itself, as `events` and `topics` of users. In front of what is of users: keys that are added at the end of all
   * fill their pages.
   */
  systemEvents: 10,
  systemTopics: 11,
  kv: 16,
  /** Rows by table id and primary key. */
  rows: 17,
  /** Index entries by index id, indexed cells and primary key. */
  indexes: 18,
  /** Events by scope id: their state, themselves by seq, and by topic and by key. */
  events: 19,
  /** How many events a topic has, by scope id: a space apart, so that what the space of events counts tells how many there are. */
  topics: 20,
} as const

/** Bytes of a KV key in front of the user's key: layer, scope id. */
export const KV_PREFIX_BYTES = 5
/** Bytes of an expiry row's key in front of the user's key: layer, kind, time, scope id. */
export const KV_EXPIRY_PREFIX_BYTES = 14

/** The scope of the events that the database itself emits: ids of users' scopes begin with 1. */
export const SYSTEM_SCOPE_ID = 0

const TWO_32 = 4294967296

/** How many leading bytes of a key name its space (digests are kept per space). */
export function spaceLength(key: Uint8Array): number {
  return isOfUsers(key) ? KV_PREFIX_BYTES : 1
}

/** Whether a record belongs to a project: a key, a row, an entry of an index or an event. */
export function isOfUsers(key: Uint8Array): boolean {
  return key[0]! >= Layer.kv
}

export function readU32BE(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

export function readU64BE(bytes: Uint8Array, at: number): number {
  return readU32BE(bytes, at) * TWO_32 + readU32BE(bytes, at + 4)
}

function writeU32BE(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function writeU64BE(bytes: Uint8Array, at: number, value: number): void {
  writeU32BE(bytes, at, Math.floor(value / TWO_32))
  writeU32BE(bytes, at + 4, value >>> 0)
}

/** Layer byte, kind byte, then each number as eight bytes. */
function numbered(layer: number, kind: number, ...numbers: number[]): Uint8Array {
  const key = new Uint8Array(2 + numbers.length * 8)
  key[0] = layer
  key[1] = kind
  numbers.forEach((number, i) => writeU64BE(key, 2 + i * 8, number))
  return key
}

function named(layer: number, kind: number, name: Uint8Array): Uint8Array {
  const key = new Uint8Array(2 + name.length)
  key[0] = layer
  key[1] = kind
  key.set(name, 2)
  return key
}

export const COUNTERS_KEY: Uint8Array = Uint8Array.of(Layer.cluster, 1)
export const SESSION_FLOOR_KEY: Uint8Array = Uint8Array.of(Layer.cluster, 2)
export const SETTINGS_PREFIX: Uint8Array = Uint8Array.of(Layer.cluster, 3)
export const PROJECTS_PREFIX: Uint8Array = Uint8Array.of(Layer.catalog, 1)
export const SCOPES_PREFIX: Uint8Array = Uint8Array.of(Layer.catalog, 2)
export const TABLES_PREFIX: Uint8Array = Uint8Array.of(Layer.catalog, 3)
export const AUDIT_PREFIX: Uint8Array = Uint8Array.of(Layer.audit, 1)
export const AUDIT_COUNT_KEY: Uint8Array = Uint8Array.of(Layer.audit, 2)
export const GRANTS_PREFIX: Uint8Array = Uint8Array.of(Layer.grants, 1)
export const IDEMPOTENCY_ORDER_PREFIX: Uint8Array = Uint8Array.of(Layer.idempotency, 2)
export const KV_EXPIRY_PREFIX: Uint8Array = Uint8Array.of(Layer.expiry, 1)
export const SESSION_EXPIRY_PREFIX: Uint8Array = Uint8Array.of(Layer.expiry, 2)
export const ROW_EXPIRY_PREFIX: Uint8Array = Uint8Array.of(Layer.expiry, 3)
export const JOBS_PREFIX: Uint8Array = Uint8Array.of(Layer.jobs, 1)

export function settingKey(name: Uint8Array): Uint8Array {
  return named(Layer.cluster, 3, name)
}

export function projectKey(id: number): Uint8Array {
  return numbered(Layer.catalog, 1, id)
}

export function scopeKey(id: number): Uint8Array {
  return numbered(Layer.catalog, 2, id)
}

export function tableKey(id: number): Uint8Array {
  return numbered(Layer.catalog, 3, id)
}

/** A row of entry `seq`; without a number where its rows begin. */
export function auditKey(seq: number, ...number: number[]): Uint8Array {
  return numbered(Layer.audit, 1, seq, ...number)
}

export function grantsKey(caller: Uint8Array): Uint8Array {
  return named(Layer.grants, 1, caller)
}

export function sessionKey(session: number): Uint8Array {
  return numbered(Layer.sessions, 1, session)
}

export function sessionNonceKey(nonce: Uint8Array): Uint8Array {
  return named(Layer.sessions, 2, nonce)
}

/** hot path (bench/apply): a chunk of a session's outcome slots. */
export function outcomeChunkKey(session: number, chunk: number): Uint8Array {
  const key = new Uint8Array(18)
  key[0] = Layer.sessionOutcomes
  key[1] = 1
  writeU64BE(key, 2, session)
  writeU64BE(key, 10, chunk)
  return key
}

/** Prefix of all chunks of a session. */
export function outcomeChunksPrefix(session: number): Uint8Array {
  return numbered(Layer.sessionOutcomes, 1, session)
}

/** An outcome too large for its slot. */
export function outcomeKey(session: number, serial: number): Uint8Array {
  return numbered(Layer.sessionOutcomes, 2, session, serial)
}

export function outcomesPrefix(session: number): Uint8Array {
  return numbered(Layer.sessionOutcomes, 2, session)
}

/** Idempotency keys belong to their caller: u8 length of the caller, caller, key. */
export function idempotencyKey(caller: Uint8Array, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(3 + caller.length + key.length)
  bytes[0] = Layer.idempotency
  bytes[1] = 1
  bytes[2] = caller.length
  bytes.set(caller, 3)
  bytes.set(key, 3 + caller.length)
  return bytes
}

export function idempotencyOrderKey(seq: number): Uint8Array {
  return numbered(Layer.idempotency, 2, seq)
}

export function sessionExpiryKey(dueMicros: number, session: number): Uint8Array {
  return numbered(Layer.expiry, 2, dueMicros, session)
}

export function jobKey(seq: number, number: number): Uint8Array {
  return numbered(Layer.jobs, 1, seq, number)
}

function eventsLayer(scopeId: number): number {
  return scopeId === SYSTEM_SCOPE_ID ? Layer.systemEvents : Layer.events
}

function topicsLayer(scopeId: number): number {
  return scopeId === SYSTEM_SCOPE_ID ? Layer.systemTopics : Layer.topics
}

/** Prefix of all that belongs to the events of a scope. */
export function eventsPrefix(scopeId: number): Uint8Array {
  return scoped(eventsLayer(scopeId), scopeId, 0)
}

/** How many events the scope has had, and what is removed. */
export function eventStateKey(scopeId: number): Uint8Array {
  const key = scoped(eventsLayer(scopeId), scopeId, 1)
  key[KV_PREFIX_BYTES] = 0
  return key
}

/** What the last compaction of a scope's events removes. */
export function compactionKey(scopeId: number): Uint8Array {
  const key = scoped(eventsLayer(scopeId), scopeId, 1)
  key[KV_PREFIX_BYTES] = 4
  return key
}

/** Prefix of the events of a scope. */
export function eventLogPrefix(scopeId: number): Uint8Array {
  const key = scoped(eventsLayer(scopeId), scopeId, 1)
  key[KV_PREFIX_BYTES] = 1
  return key
}

/** An event by the entry that emitted it and its number in the scope. */
export function eventKey(scopeId: number, seq: number, number: number): Uint8Array {
  return withNumbers(eventLogPrefix(scopeId), seq, number)
}

/** Prefix of the events of a topic, whose name has no byte 0. */
export function topicPrefix(scopeId: number, topic: Uint8Array): Uint8Array {
  const key = scoped(eventsLayer(scopeId), scopeId, 2 + topic.length)
  key[KV_PREFIX_BYTES] = 2
  key.set(topic, KV_PREFIX_BYTES + 1)
  return key
}

export function topicKey(scopeId: number, topic: Uint8Array, seq: number, number: number): Uint8Array {
  return withNumbers(topicPrefix(scopeId, topic), seq, number)
}

/** Prefix of the events of a key. Its length stands in front of it: it may have any bytes. */
export function keyedPrefix(scopeId: number, key: Uint8Array): Uint8Array {
  const prefix = scoped(eventsLayer(scopeId), scopeId, 3 + key.length)
  prefix[KV_PREFIX_BYTES] = 3
  prefix[KV_PREFIX_BYTES + 1] = key.length >>> 8
  prefix[KV_PREFIX_BYTES + 2] = key.length
  prefix.set(key, KV_PREFIX_BYTES + 3)
  return prefix
}

export function keyedKey(scopeId: number, key: Uint8Array, seq: number, number: number): Uint8Array {
  return withNumbers(keyedPrefix(scopeId, key), seq, number)
}

/** Prefix of what is counted of the topics of a scope. */
export function topicCountsPrefix(scopeId: number): Uint8Array {
  return scoped(topicsLayer(scopeId), scopeId, 0)
}

export function topicCountKey(scopeId: number, topic: Uint8Array): Uint8Array {
  const key = scoped(topicsLayer(scopeId), scopeId, topic.length)
  key.set(topic, KV_PREFIX_BYTES)
  return key
}

function scoped(layer: number, scopeId: number, more: number): Uint8Array {
  const key = new Uint8Array(KV_PREFIX_BYTES + more)
  key[0] = layer
  writeU32BE(key, 1, scopeId)
  return key
}

/** The key of entry `seq` and number under a prefix; without them where what lies at seq or later begins. */
export function withNumbers(prefix: Uint8Array, ...numbers: number[]): Uint8Array {
  const key = new Uint8Array(prefix.length + numbers.length * 8)
  key.set(prefix)
  numbers.forEach((number, i) => writeU64BE(key, prefix.length + i * 8, number))
  return key
}

/** Prefix of all keys of a scope. */
export function kvPrefix(scopeId: number): Uint8Array {
  const key = new Uint8Array(KV_PREFIX_BYTES)
  key[0] = Layer.kv
  writeU32BE(key, 1, scopeId)
  return key
}

/** The full key of the user's key `bytes[start, end)`. */
export function kvKey(scopeId: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
  const key = new Uint8Array(KV_PREFIX_BYTES + end - start)
  layKvKey(key, scopeId, bytes, start, end)
  return key
}

/** hot path (bench/apply): as `kvKey`, into an array of just its length. */
export function layKvKey(key: Uint8Array, scopeId: number, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start
  key[0] = Layer.kv
  writeU32BE(key, 1, scopeId)
  if (length > 32) key.set(bytes.subarray(start, end), KV_PREFIX_BYTES)
  else for (let i = 0; i < length; i++) key[KV_PREFIX_BYTES + i] = bytes[start + i]!
}

/** The expiry row of a KV key (given in full). */
export function kvExpiryKey(expiresAtMicros: number, fullKey: Uint8Array): Uint8Array {
  return expiryKey(1, expiresAtMicros, fullKey)
}

/** The expiry row of a row, whose key is given in full. */
export function rowExpiryKey(expiresAtMicros: number, fullKey: Uint8Array): Uint8Array {
  return expiryKey(3, expiresAtMicros, fullKey)
}

function expiryKey(kind: number, expiresAtMicros: number, fullKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(10 + fullKey.length - 1)
  key[0] = Layer.expiry
  key[1] = kind
  writeU64BE(key, 2, expiresAtMicros)
  key.set(fullKey.subarray(1), 10)
  return key
}

/** The full KV key that an expiry row names. */
export function kvKeyOfExpiry(row: Uint8Array): Uint8Array {
  return keyOfExpiry(Layer.kv, row)
}

/** The full key of the row that an expiry row names. */
export function rowKeyOfExpiry(row: Uint8Array): Uint8Array {
  return keyOfExpiry(Layer.rows, row)
}

function keyOfExpiry(layer: number, row: Uint8Array): Uint8Array {
  const key = new Uint8Array(row.length - 9)
  key[0] = layer
  key.set(row.subarray(10), 1)
  return key
}
