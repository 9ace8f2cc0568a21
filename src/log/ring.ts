/**
 * The memory that the log and its writer thread share: counters, a ring of descriptors, a ring of bytes. One side
 * publishes, the other consumes; counters are 32-bit and wrap.
 */
export const RING_DESCRIPTORS = 4096
const DESCRIPTOR_FIELDS = 6
const CONTROL_FIELDS = 16
/** Times that are kept: nobody lags that far behind in looking. */
const SYNC_TIMES = 1024

/** Indexes of `control`. */
export const Control = {
  /** Descriptors published by the log. */
  published: 0,
  /** Descriptors whose bytes are written: their place in the ring is free again. */
  consumed: 1,
  /** Low 32 bits of the newest synced ioSeq. */
  completed: 2,
  /** Written by the log: 1 = the thread is to say when something is synced, 0 = the log looks at `completed` by itself. */
  wanted: 3,
} as const

/** Fields of a descriptor. */
export const Field = {
  kind: 0,
  file: 1,
  offset: 2,
  length: 3,
  /** Place in the ring of bytes. */
  place: 4,
  /** Low 32 bits of the ioSeq that is complete with this descriptor; meaningful if `kind` has `RingKind.submit` added. */
  ioSeq: 5,
} as const

export const RingKind = { write: 1, openSegment: 2, finishSegment: 3, submit: 16 } as const

/** Both sides' view of the shared memory. */
export interface Ring {
  readonly memory: SharedArrayBuffer
  readonly control: Int32Array
  /** When each ioSeq was synced, in ms of the log's clock: at its low bits (`syncTimeAt`). Written before `completed`. */
  readonly syncTimes: Float64Array
  readonly descriptors: Int32Array
  readonly bytes: Uint8Array
}

const SYNC_TIMES_AT = CONTROL_FIELDS * 4
const DESCRIPTORS_AT = SYNC_TIMES_AT + SYNC_TIMES * 8
const BYTES_AT = DESCRIPTORS_AT + RING_DESCRIPTORS * DESCRIPTOR_FIELDS * 4

export function createRing(bytes: number): Ring {
  return attachRing(new SharedArrayBuffer(BYTES_AT + bytes))
}

export function attachRing(memory: SharedArrayBuffer): Ring {
  return {
    memory,
    control: new Int32Array(memory, 0, CONTROL_FIELDS),
    syncTimes: new Float64Array(memory, SYNC_TIMES_AT, SYNC_TIMES),
    descriptors: new Int32Array(memory, DESCRIPTORS_AT, RING_DESCRIPTORS * DESCRIPTOR_FIELDS),
    bytes: new Uint8Array(memory, BYTES_AT),
  }
}

/** Index of the first field of descriptor number `count`. */
export function descriptorAt(count: number): number {
  return (count & (RING_DESCRIPTORS - 1)) * DESCRIPTOR_FIELDS
}

/** Index of the time of `ioSeq`, or of its low 32 bits. */
export function syncTimeAt(ioSeq: number): number {
  return ioSeq & (SYNC_TIMES - 1)
}
