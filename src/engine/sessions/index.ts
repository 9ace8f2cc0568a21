/** Exactly once: session windows and idempotency keys. */
export { CHUNK_BYTES, digestChunk, fitsSlot, SLOT_BYTES, SlotKind, SLOTS_PER_CHUNK, SLOTTED_RECORDS } from './chunk.ts'
export { expireIdempotent, findIdempotent, fingerprint, rememberIdempotent } from './idempotency.ts'
export type { Fingerprint } from './idempotency.ts'
export { decodeSession, Sessions } from './sessions.ts'
export type { Session, SlotState } from './sessions.ts'
