import { crc32, readU16, readU32, readU64, writeU16, writeU32, writeU64 } from '../encoding/index.ts'
import type { ChecksumSeeds } from './checksum-seed.ts'
import { isMutant } from './mutants.ts'
import type { HardState, LogIdentity } from './positions.ts'

/**
 * `log/votes`: two 4 KiB slots, written in turn, so that the vote before survives whatever happens to the write of the next
 * (rule W8; docs/formats/log.md). The highest term wins. Every vote also is in a frame of the log.
 */
export const VOTE_SLOT_BYTES = 4096
export const VOTES_FILE_BYTES = 8192
/** The bytes of a slot that are written: one sector. */
export const VOTE_RECORD_BYTES = 512
export const VOTE_MAGIC = 0x544f5651 // "QVOT"
export const VOTE_VERSION = 1

export interface Vote {
  /** Counts the writes of votes; slot = generation mod 2. */
  readonly generation: number
  readonly term: number
  /** 0 = nobody. */
  readonly votedFor: number
}

/** Votes carry their own place as seed: segment 0, offset of the slot. */
export function voteOffset(generation: number): number {
  return isMutant('vote_in_place') ? 0 : (generation % 2) * VOTE_SLOT_BYTES
}

export function encodeVote(identity: LogIdentity, seeds: ChecksumSeeds, vote: Vote): Uint8Array {
  const bytes = new Uint8Array(VOTE_RECORD_BYTES)
  writeU32(bytes, 0, VOTE_MAGIC)
  writeU16(bytes, 4, VOTE_VERSION)
  bytes.set(identity.directoryId, 16)
  writeU64(bytes, 32, identity.groupId)
  writeU64(bytes, 40, vote.generation)
  writeU64(bytes, 48, vote.term)
  writeU64(bytes, 56, vote.votedFor)
  // 64..455 zero; 456 nonce (24), 480 tag (16): reserved; 496 HMAC (16)
  identity.seal?.signVote(bytes, voteOffset(vote.generation))
  writeU32(bytes, 8, crc32(bytes, seeds.at(0, voteOffset(vote.generation))))
  return bytes
}

/** The vote in the slot at `offset` of the file's `bytes`; undefined if it does not pass, `forged` if only its signature does not hold. */
export function readVote(
  bytes: Uint8Array,
  offset: number,
  identity: LogIdentity,
  seeds: ChecksumSeeds,
): Vote | 'forged' | undefined {
  if (bytes.length < offset + VOTE_RECORD_BYTES) return undefined
  const record = bytes.slice(offset, offset + VOTE_RECORD_BYTES)
  const crc = readU32(record, 8)
  writeU32(record, 8, 0)
  if (readU32(record, 0) !== VOTE_MAGIC || readU16(record, 4) !== VOTE_VERSION) return undefined
  if (crc !== crc32(record, seeds.at(0, offset)) || readU64(record, 32) !== identity.groupId) return undefined
  if (identity.seal?.holdsVote(record, offset) === false) return 'forged'
  return { generation: readU64(record, 40), term: readU64(record, 48), votedFor: readU64(record, 56) }
}

export interface VoteSlots {
  /** The vote that counts; undefined if both slots are bad. */
  readonly latest: Vote | undefined
  /** Offsets of slots that do not pass. */
  readonly badSlots: readonly number[]
  /** True if both slots name different candidates in one term: the promise of one vote a term was broken or the file was mixed. */
  readonly isConflict: boolean
  /** Offset of a slot that somebody without the key has written. */
  readonly forgedSlot?: number
}

export function readVotes(bytes: Uint8Array, identity: LogIdentity, seeds: ChecksumSeeds): VoteSlots {
  const badSlots: number[] = []
  let latest: Vote | undefined
  let isConflict = false
  let forgedSlot: number | undefined
  for (const offset of [0, VOTE_SLOT_BYTES]) {
    const vote = readVote(bytes, offset, identity, seeds)
    if (vote === 'forged') forgedSlot = offset
    if (vote === undefined || vote === 'forged') {
      badSlots.push(offset)
      continue
    }
    if (latest !== undefined && latest.term === vote.term) {
      isConflict = latest.votedFor !== 0 && vote.votedFor !== 0 && latest.votedFor !== vote.votedFor
    }
    if (latest === undefined || isNewerVote(vote, latest)) latest = vote
  }
  return { latest, badSlots, isConflict, ...(forgedSlot !== undefined && { forgedSlot }) }
}

/** Every vote is in a frame before it is in a slot: true if this one lacks what the frames have. */
export function isBehindFrames(vote: Vote, fromFrames: HardState): boolean {
  const isOlder = vote.term < fromFrames.term
  return isOlder || (vote.term === fromFrames.term && vote.votedFor === 0 && fromFrames.votedFor !== 0)
}

function isNewerVote(a: Vote, b: Vote): boolean {
  return a.term > b.term || (a.term === b.term && a.generation > b.generation)
}
