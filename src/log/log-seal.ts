import { readU16, readU32, utf8Bytes, writeU16, writeU32 } from '../encoding/index.ts'
import { MAC_BYTES, NONCE_BYTES, TAG_BYTES } from '../sealing/index.ts'
import type { Seal } from '../sealing/index.ts'

/** Where the fields for nonce (24), tag (16) and MAC (16) begin; they follow each other. */
interface SealedPlace {
  readonly what: Uint8Array
  readonly headerBytes: number
  readonly flags: number
  readonly encryptedFlag: number
  readonly signedFlag: number
  /** CRC-32 of the header: neither signed nor encrypted. */
  readonly headerCrc: number
  /** Fields that are known only once the text is encrypted, u32 each: signed, but not part of what the tag vouches for. */
  readonly derived: readonly number[]
  /** An entry chain, which is a checksum of entries: encrypted with them. */
  readonly chain: number
  readonly nonce: number
}

const FRAME: SealedPlace = {
  what: utf8Bytes('frame'),
  headerBytes: 176,
  flags: 6,
  encryptedFlag: 16,
  signedFlag: 32,
  headerCrc: 12,
  derived: [8, 16, 20, 44],
  chain: 104,
  nonce: 112,
}
const SEGMENT: SealedPlace = {
  what: utf8Bytes('segment'),
  headerBytes: 512,
  flags: 6,
  encryptedFlag: 2,
  signedFlag: 4,
  headerCrc: 8,
  derived: [],
  chain: 56,
  nonce: 456,
}
const VOTE = utf8Bytes('vote')
const PLACE_BYTES = 24
const NOTHING = new Uint8Array(0)

/** What a frame or header holds, once it was found to be this directory's. */
export interface Opened {
  readonly entries: Uint8Array
  readonly chain: number
}

/**
 * Encrypts and signs the log (docs/formats/log.md, Sealed). Checksums are over what lies on disk, so that recovery tells torn from damaged
 * without any key; tags and MACs are looked at where something has passed its checksum.
 */
export class LogSeal {
  readonly #seal: Seal
  /** Directory id, segment, offset: what is moved does not hold. */
  readonly #place: Uint8Array = new Uint8Array(PLACE_BYTES)
  readonly #associated: Uint8Array = new Uint8Array(PLACE_BYTES + SEGMENT.headerBytes)
  readonly #header: Uint8Array = new Uint8Array(SEGMENT.headerBytes)

  constructor(seal: Seal, directoryId: Uint8Array) {
    this.#seal = seal
    this.#place.set(directoryId)
  }

  /** Whether entries can only be judged with the whole frame at hand. */
  get needsWholeFrames(): boolean {
    return this.#seal.isSigning
  }

  /** hot path (bench/sealing): encrypts `entries`, and their chain in the header at `at`, which is complete but for lengths and checksums. */
  encryptFrame(target: Uint8Array, at: number, entries: Uint8Array, segment: number, offset: number): void {
    this.#encrypt(FRAME, target, at, entries, segment, offset)
  }

  /** Signs the frame in `target` from `at` to `end`, complete but for the header's own checksum. */
  signFrame(target: Uint8Array, at: number, end: number, segment: number, offset: number): void {
    this.#sign(FRAME, target, at, target.subarray(at + FRAME.headerBytes, end), segment, offset)
  }

  /** Seals the header of a segment in place, complete but for its checksum. */
  sealSegment(bytes: Uint8Array, segment: number): void {
    this.#encrypt(SEGMENT, bytes, 0, NOTHING, segment, 0)
    this.#sign(SEGMENT, bytes, 0, NOTHING, segment, 0)
  }

  /**
   * The entries of the frame at `at`, whose checksums hold, and its chain; undefined if it is not this directory's. `frame`: header,
   * entries and, if `needsWholeFrames`, the rest. Nothing in it is changed.
   */
  openFrame(frame: Uint8Array, entriesBytes: number, segment: number, offset: number): Opened | undefined {
    const body = frame.subarray(FRAME.headerBytes)
    return this.#open(FRAME, frame, body, body.subarray(0, entriesBytes), segment, offset)
  }

  /** The entry chain in the header of a segment; undefined if the header is not this directory's. */
  openSegment(bytes: Uint8Array, segment: number): number | undefined {
    return this.#open(SEGMENT, bytes, NOTHING, NOTHING, segment, 0)?.chain
  }

  /** Votes are signed, not encrypted: there is nothing of users in them. */
  signVote(bytes: Uint8Array, offset: number): void {
    if (!this.#seal.isSigning) return
    bytes.set(this.#seal.sign(VOTE, [this.#at(0, offset), bytes]), VOTE_MAC_AT)
  }

  /** Whether the vote at `offset`, its checksum taken as zero, is this directory's. */
  holdsVote(bytes: Uint8Array, offset: number): boolean {
    const record = bytes.slice()
    const mac = record.slice(VOTE_MAC_AT)
    record.fill(0, VOTE_MAC_AT)
    if (!this.#seal.isSigning) return mac.every(byte => byte === 0)
    return this.#seal.holds(VOTE, [this.#at(0, offset), record], mac)
  }

  #at(segment: number, offset: number): Uint8Array {
    writeU32(this.#place, 16, segment)
    writeU32(this.#place, 20, offset)
    return this.#place
  }

  #encrypt(
    place: SealedPlace,
    target: Uint8Array,
    at: number,
    text: Uint8Array,
    segment: number,
    offset: number,
  ): void {
    const { isEncrypting, isSigning } = this.#seal
    const flags = (isEncrypting ? place.encryptedFlag : 0) | (isSigning ? place.signedFlag : 0)
    writeU16(target, at + place.flags, readU16(target, at + place.flags) | flags)
    if (!isEncrypting) return
    const associated = this.#associatedWith(place, target, at, segment, offset)
    const chain = target.subarray(at + place.chain, at + place.chain + 4)
    const nonce = target.subarray(at + place.nonce, at + place.nonce + NONCE_BYTES)
    const tag = target.subarray(at + place.nonce + NONCE_BYTES, at + place.nonce + NONCE_BYTES + TAG_BYTES)
    this.#seal.encrypt(associated, text.length === 0 ? [chain] : [chain, text], nonce, tag)
  }

  /** The header without what is encrypted or comes after, behind its place. */
  #associatedWith(place: SealedPlace, bytes: Uint8Array, at: number, segment: number, offset: number): Uint8Array {
    const associated = this.#associated.subarray(0, PLACE_BYTES + place.headerBytes)
    associated.set(this.#at(segment, offset))
    associated.set(bytes.subarray(at, at + place.headerBytes), PLACE_BYTES)
    for (const field of [place.headerCrc, place.chain, ...place.derived]) writeU32(associated, PLACE_BYTES + field, 0)
    const nonce = PLACE_BYTES + place.nonce
    associated.fill(0, nonce, nonce + NONCE_BYTES + TAG_BYTES + MAC_BYTES)
    return associated
  }

  #sign(place: SealedPlace, target: Uint8Array, at: number, body: Uint8Array, segment: number, offset: number): void {
    if (!this.#seal.isSigning) return
    const macAt = at + place.nonce + NONCE_BYTES + TAG_BYTES
    const header = this.#signedHeader(place, target, at)
    target.set(this.#seal.sign(place.what, [this.#at(segment, offset), header, body]), macAt)
  }

  #signedHeader(place: SealedPlace, bytes: Uint8Array, at: number): Uint8Array {
    const header = this.#header.subarray(0, place.headerBytes)
    header.set(bytes.subarray(at, at + place.headerBytes))
    writeU32(header, place.headerCrc, 0)
    const macAt = place.nonce + NONCE_BYTES + TAG_BYTES
    header.fill(0, macAt, macAt + MAC_BYTES)
    return header
  }

  #open(
    place: SealedPlace,
    bytes: Uint8Array,
    body: Uint8Array,
    text: Uint8Array,
    segment: number,
    offset: number,
  ): Opened | undefined {
    const { isEncrypting, isSigning } = this.#seal
    const flags = readU16(bytes, place.flags) & (place.encryptedFlag | place.signedFlag)
    if (flags !== ((isEncrypting ? place.encryptedFlag : 0) | (isSigning ? place.signedFlag : 0))) return undefined
    const tagAt = place.nonce + NONCE_BYTES
    const macAt = tagAt + TAG_BYTES
    if (isSigning) {
      const parts = [this.#at(segment, offset), this.#signedHeader(place, bytes, 0), body]
      if (!this.#seal.holds(place.what, parts, bytes.subarray(macAt, macAt + MAC_BYTES))) return undefined
    }
    if (!isEncrypting) return { entries: text, chain: readU32(bytes, place.chain) }
    const [chain, entries] = [bytes.slice(place.chain, place.chain + 4), text.slice()]
    const associated = this.#associatedWith(place, bytes, 0, segment, offset)
    const nonce = bytes.subarray(place.nonce, tagAt)
    const isWhole = this.#seal.decrypt(
      associated,
      entries.length === 0 ? [chain] : [chain, entries],
      nonce,
      bytes.subarray(tagAt, macAt),
    )
    return isWhole ? { entries, chain: readU32(chain, 0) } : undefined
  }
}

const VOTE_MAC_AT = 496
