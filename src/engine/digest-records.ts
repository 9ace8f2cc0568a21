import { ByteReader, ByteWriter, equalDigests } from '../encoding/index.ts'
import type { Digest64 } from '../encoding/index.ts'
import type { SnapshotBase, StateDigest } from '../model/index.ts'

/** Digests are recorded at seqs divisible by this. */
export const DIGEST_INTERVAL = 4096
const RECORDS_MAX = 64

/**
 * The digests that a replica has recorded (DESIGN 7), oldest first. They are kept with the superblocks (docs/formats/digest.md), so that
 * a replica that starts again can be compared with its peers, and can take an incremental snapshot, before it has recorded a new one.
 */
export class DigestRecords {
  #records: StateDigest[] = []
  #encoded: Uint8Array = encodeRecords([])

  /** Newest last. */
  get all(): readonly StateDigest[] {
    return this.#records
  }

  /** For superblocks; not to be changed. */
  get encoded(): Uint8Array {
    return this.#encoded
  }

  /** To be called after each applied entry whose seq is divisible by the interval. */
  record(seq: number, effectChain: number, sum: Digest64): void {
    this.#set([...this.#records, { seq, effectChain, sum }])
  }

  /** What a superblock of this replica has. @throws MalformedBytes */
  restore(encoded: Uint8Array): void {
    this.#set(decodeRecords(encoded))
  }

  /** True if this replica has recorded the very same: both have one past up to there. */
  has(base: SnapshotBase): boolean {
    const own = this.#records.find(({ seq }) => seq === base.seq)
    return own !== undefined && own.effectChain === base.effectChain && equalDigests(own.sum, base.sum)
  }

  #set(records: StateDigest[]): void {
    this.#records = records.slice(-RECORDS_MAX)
    this.#encoded = encodeRecords(this.#records)
  }
}

/**
 * The records of a replica that takes over the state of a peer at `end`: those up to `sinceSeq`, the point that both had recorded alike, and
 * the new point if its seq is one to be recorded.
 */
export function recordsAfterInstall(
  records: readonly StateDigest[],
  sinceSeq: number,
  { seq, effectChain, sum }: StateDigest,
  interval: number = DIGEST_INTERVAL,
): Uint8Array {
  const kept = records.filter(record => record.seq <= sinceSeq)
  if (seq % interval === 0 && seq > sinceSeq) kept.push({ seq, effectChain, sum })
  return encodeRecords(kept.slice(-RECORDS_MAX))
}

function encodeRecords(records: readonly StateDigest[]): Uint8Array {
  const writer = new ByteWriter(16 + 20 * records.length)
  writer.u16(records.length)
  for (const { seq, effectChain, sum } of records) {
    writer.u64(seq)
    writer.u32(effectChain)
    writer.u32(sum.lo)
    writer.u32(sum.hi)
  }
  return writer.finish()
}

function decodeRecords(bytes: Uint8Array): StateDigest[] {
  if (bytes.length === 0) return []
  const reader = new ByteReader(bytes)
  const records: StateDigest[] = []
  for (let left = reader.u16(); left > 0; left--) {
    const [seq, effectChain] = [reader.u64(), reader.u32()]
    records.push({ seq, effectChain, sum: { lo: reader.u32(), hi: reader.u32() } })
  }
  reader.expectEnd()
  return records
}
