import { ByteReader, readU64 } from '../../encoding/index.ts'
import {
  IDEMPOTENCY_ORDER_PREFIX,
  Layer,
  outcomeChunkKey,
  outcomeKey,
  readU64BE,
  SESSION_EXPIRY_PREFIX,
  sessionKey,
  sessionNonceKey,
} from '../layers.ts'
import { CHUNK_BYTES, decodeSession, SLOT_BYTES, SlotKind, SLOTS_PER_CHUNK } from '../sessions/index.ts'
import type { Session } from '../sessions/index.ts'
import { valueOf, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

const SESSIONS_PREFIX = Uint8Array.of(Layer.sessions, 1)
const NONCES_PREFIX = Uint8Array.of(Layer.sessions, 2)
const CHUNKS_PREFIX = Uint8Array.of(Layer.sessionOutcomes, 1)
const OUTCOMES_PREFIX = Uint8Array.of(Layer.sessionOutcomes, 2)
const KEYS_PREFIX = Uint8Array.of(Layer.idempotency, 1)

/** Sessions are as many as is counted, are found by their nonces, will end, and have the outcomes that their slots name. */
export async function checkSessions(inspected: Inspected): Promise<void> {
  const { reader, state, findings } = inspected
  const wrong = (reason: string, key: Uint8Array): void => findings.add('session', reason, {}, key)
  const due = new Set<number>()
  await walkRecords(reader, SESSION_EXPIRY_PREFIX, key => {
    const session = readU64BE(key, 10)
    if (reader.metadata(sessionKey(session)) === undefined) wrong('no session is to be looked at then', key)
    due.add(session)
  })
  let count = 0
  await walkRecords(reader, SESSIONS_PREFIX, (key, record) => {
    const session = readSession(readU64BE(key, 2), valueOf(record))
    const named = session && reader.get(sessionNonceKey(session.nonce))?.value
    count++
    if (session === undefined) return wrong('the session cannot be read', key)
    if (named === undefined || readU64(named, 0) !== session.id) wrong('its nonce does not lead to the session', key)
    if (!due.has(session.id)) wrong('nothing would end the session', key)
  })
  if (count !== state.counters.sessions)
    wrong(`${state.counters.sessions} are counted, ${count} are there`, SESSIONS_PREFIX)
  await walkRecords(reader, NONCES_PREFIX, (key, record) => {
    const session = readU64(valueOf(record), 0)
    if (reader.metadata(sessionKey(session)) === undefined) wrong('the nonce leads to no session', key)
  })
  await checkOutcomes(inspected, wrong)
}

async function checkOutcomes({ reader }: Inspected, wrong: (reason: string, key: Uint8Array) => void): Promise<void> {
  await walkRecords(reader, CHUNKS_PREFIX, (key, record) => {
    const [id, chunk] = [readU64BE(key, 2), readU64BE(key, 10)]
    const bytes = valueOf(record)
    const owner = reader.get(sessionKey(id))
    const session = owner && readSession(id, owner.value)
    const first = chunk * SLOTS_PER_CHUNK
    const lacking = serialsWithRecords(bytes).filter(i => reader.metadata(outcomeKey(id, first + i)) === undefined)
    if (owner === undefined) wrong('these outcomes belong to no session', key)
    else if (session !== undefined && chunk < session.firstChunk) wrong('these outcomes are forgotten', key)
    if (bytes.length !== CHUNK_BYTES) wrong(`a chunk of ${bytes.length} bytes`, key)
    for (const i of lacking) wrong(`the outcome of serial ${first + i} is missing`, key)
  })
  await walkRecords(reader, OUTCOMES_PREFIX, key => {
    const [id, serial] = [readU64BE(key, 2), readU64BE(key, 10)]
    const chunk = reader.get(outcomeChunkKey(id, Math.floor(serial / SLOTS_PER_CHUNK)))
    if (chunk?.value[(serial % SLOTS_PER_CHUNK) * SLOT_BYTES] !== SlotKind.record)
      wrong('no slot names the outcome', key)
  })
}

/** The slots of a chunk whose outcomes have records of their own. */
function serialsWithRecords(chunk: Uint8Array): number[] {
  const slots = Array.from({ length: SLOTS_PER_CHUNK }, (_, i) => i)
  return slots.filter(i => chunk[i * SLOT_BYTES] === SlotKind.record)
}

function readSession(id: number, bytes: Uint8Array): Session | undefined {
  try {
    return decodeSession(id, bytes)
  } catch {
    return undefined
  }
}

/** Idempotency keys are as many as is counted, and each has its place in the order in which they are forgotten. */
export async function checkIdempotency({ reader, state, findings }: Inspected): Promise<void> {
  const wrong = (reason: string, key: Uint8Array): void => findings.add('idempotency', reason, {}, key)
  const { records: keys } = await walkRecords(reader, KEYS_PREFIX, () => undefined)
  const { records: places } = await walkRecords(reader, IDEMPOTENCY_ORDER_PREFIX, (row, record) => {
    const key = orderedKey(valueOf(record))
    const found = key && reader.metadata(key)
    if (found?.versionSeq !== readU64BE(row, 2)) wrong('the key of this place is not there', row)
  })
  if (keys !== places) wrong(`${keys} keys have ${places} places in the order`, KEYS_PREFIX)
  const { idempotencyKeys } = state.counters
  if (keys !== idempotencyKeys) wrong(`${idempotencyKeys} are counted, ${keys} are there`, KEYS_PREFIX)
}

function orderedKey(place: Uint8Array): Uint8Array | undefined {
  try {
    const reader = new ByteReader(place)
    reader.u64()
    return reader.bytes16().slice()
  } catch {
    return undefined
  }
}
