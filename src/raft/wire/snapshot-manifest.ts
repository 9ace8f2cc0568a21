import { ByteReader, ByteWriter, bytesToHex, MalformedBytes, sha256 } from '../../encoding/index.ts'
import type { SnapshotManifest } from '../../model/index.ts'

/**
 * A manifest says what a snapshot holds; its SHA-256 is the snapshot's name while it is shipped and resumed.
 *
 *   0 u8 format (1)   1 u8, u16 zero   4 u32 feature level   8 u64 seq   16 u64 term   24 u32 entry chain   28 u32 effect chain
 *   32 u32, u32 sum (low, high)   40 u64 leader time in us   48 u64 since seq (0 = full)   56 16 bytes history id
 *   72 u32 length, configuration
 */
const MANIFEST_FORMAT = 1
const HISTORY = /^[0-9a-f]{32}$/

export function encodeManifest(manifest: SnapshotManifest): Uint8Array {
  if (!HISTORY.test(manifest.historyId)) throw new RangeError('history id: 32 hexadecimal digits')
  const out = new ByteWriter(256)
  out.u8(MANIFEST_FORMAT)
  out.u8(0)
  out.u16(0)
  out.u32(manifest.featureLevel)
  out.u64(manifest.seq)
  out.u64(manifest.term)
  out.u32(manifest.chain)
  out.u32(manifest.effectChain)
  out.u32(manifest.sum.lo)
  out.u32(manifest.sum.hi)
  out.u64(manifest.leaderTimeMicros)
  out.u64(manifest.sinceSeq)
  for (let i = 0; i < 32; i += 2) out.u8(Number.parseInt(manifest.historyId.slice(i, i + 2), 16))
  out.bytes32(manifest.configuration)
  return out.finish()
}

/** @throws MalformedBytes */
export function decodeManifest(bytes: Uint8Array): SnapshotManifest {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== MANIFEST_FORMAT || reader.u8() !== 0 || reader.u16() !== 0) {
    throw new MalformedBytes('manifest format')
  }
  const featureLevel = reader.u32()
  const seq = reader.u64()
  const term = reader.u64()
  const chain = reader.u32()
  const effectChain = reader.u32()
  const sum = { lo: reader.u32(), hi: reader.u32() }
  const leaderTimeMicros = reader.u64()
  const sinceSeq = reader.u64()
  const historyId = bytesToHex(reader.raw(16))
  const configuration = reader.bytes32().slice()
  reader.expectEnd()
  return { seq, term, chain, effectChain, sum, leaderTimeMicros, featureLevel, historyId, configuration, sinceSeq }
}

/** SHA-256 of the encoded manifest: 32 bytes. */
export function manifestHash(manifest: SnapshotManifest): Uint8Array {
  return sha256(encodeManifest(manifest))
}
