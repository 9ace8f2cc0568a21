import { ENTRY_HEADER_BYTES, MalformedBytes, crc32, readU32, readU64 } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import { assertLog } from './errors.ts'
import type { ChainPoint, LogPosition } from './positions.ts'

const CHUNK_ENTRIES = 4096
/** One place is remembered for so many bytes of log. */
const LOCATION_STRIDE_BYTES = 32_768

/**
 * What the log remembers of its entries in memory: every entry's chain value (4 bytes an entry, exact), where each term
 * begins, and now and then where a frame lies. Reads verify entries against the chain values, so that entries that were
 * overwritten later are recognised although they still lie in their frames.
 */
export class EntryIndex {
  #base: ChainPoint
  #lastSeq: number
  #lastTerm: number
  #lastChain: number
  /** Chunk i holds the chain values of seqs [(firstChunk + i) * 4096, ...). */
  #chunks: Uint32Array[] = []
  #firstChunk: number
  #termStarts: number[] = []
  #terms: number[] = []
  #locationSeqs: number[] = []
  #locationSegments: number[] = []
  #locationOffsets: number[] = []

  constructor(base: ChainPoint) {
    this.#base = base
    this.#lastSeq = base.seq
    this.#lastTerm = base.term
    this.#lastChain = base.chain
    this.#firstChunk = Math.floor((base.seq + 1) / CHUNK_ENTRIES)
  }

  get base(): ChainPoint {
    return this.#base
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get lastTerm(): number {
    return this.#lastTerm
  }

  get lastChain(): number {
    return this.#lastChain
  }

  get lastPoint(): ChainPoint {
    return { seq: this.#lastSeq, term: this.#lastTerm, chain: this.#lastChain }
  }

  /**
   * Takes entries that follow the last one. `chains`: their chain values, if known; the first is checked, which ties them to this log.
   * Throws `MalformedBytes` if they do not follow, and then has taken none. hot path: bench/log.
   */
  append(batch: EntryBatch, chains?: Uint32Array): void {
    const { bytes } = batch
    const end = bytes.length
    const firstSeq = this.#lastSeq + 1
    let seq = firstSeq
    let term = this.#lastTerm
    let chain = this.#lastChain
    let at = 0
    if (batch.firstSeq !== seq) throw new MalformedBytes(`entries from ${batch.firstSeq} after ${this.#lastSeq}`)
    if (chains !== undefined && chains.length !== batch.lastSeq - seq + 1) this.#refuse(firstSeq, seq)
    while (at < end) {
      const length = end - at < ENTRY_HEADER_BYTES ? 0 : readU32(bytes, at)
      if (length < ENTRY_HEADER_BYTES || length > end - at || readU64(bytes, at + 8) !== seq)
        this.#refuse(firstSeq, seq)
      const entryTerm = readU64(bytes, at + 16)
      if (entryTerm !== term) {
        if (entryTerm < term) this.#refuse(firstSeq, seq)
        this.#termStarts.push(seq)
        this.#terms.push(entryTerm)
        term = entryTerm
      }
      const known = chains?.[seq - firstSeq]
      if (known === undefined || seq === firstSeq)
        chain = crc32(length === end ? bytes : bytes.subarray(at, at + length), chain)
      else chain = known
      if (known !== undefined && known !== chain) this.#refuse(firstSeq, seq)
      if (known === undefined) this.#setChain(seq, chain)
      at += length
      seq++
    }
    if (seq - 1 !== batch.lastSeq || seq === firstSeq) this.#refuse(firstSeq, seq)
    if (chains !== undefined) this.#setChains(firstSeq, chains)
    this.#lastSeq = seq - 1
    this.#lastTerm = term
    this.#lastChain = chain
  }

  #refuse(firstSeq: number, seq: number): never {
    this.#dropTermsFrom(firstSeq)
    throw new MalformedBytes(`entry where ${seq} was expected is malformed or out of order`)
  }

  #setChain(seq: number, chain: number): void {
    this.#chunkOf(seq)[seq % CHUNK_ENTRIES] = chain
  }

  /** Those of the entries from `firstSeq` on, by chunks. */
  #setChains(firstSeq: number, chains: Uint32Array): void {
    for (let from = 0; from < chains.length;) {
      const seq = firstSeq + from
      const through = Math.min(chains.length, from + CHUNK_ENTRIES - (seq % CHUNK_ENTRIES))
      const isAll = from === 0 && through === chains.length
      this.#chunkOf(seq).set(isAll ? chains : chains.subarray(from, through), seq % CHUNK_ENTRIES)
      from = through
    }
  }

  #chunkOf(seq: number): Uint32Array {
    const index = Math.floor(seq / CHUNK_ENTRIES) - this.#firstChunk
    let chunk = this.#chunks[index]
    if (chunk === undefined) {
      assertLog(index === this.#chunks.length, 'chain values are appended in order')
      chunk = new Uint32Array(CHUNK_ENTRIES)
      this.#chunks.push(chunk)
    }
    return chunk
  }

  /** Remembers that the frame at `position` holds entries from `firstSeq` on. */
  noteFrame(firstSeq: number, segment: number, offset: number): void {
    const last = this.#locationSeqs.length - 1
    if (
      last >= 0 &&
      this.#locationSegments[last] === segment &&
      offset - this.#locationOffsets[last]! < LOCATION_STRIDE_BYTES
    ) {
      return
    }
    this.#locationSeqs.push(firstSeq)
    this.#locationSegments.push(segment)
    this.#locationOffsets.push(offset)
  }

  /** Forgets the entries from `seq` on. */
  truncateFrom(seq: number): void {
    assertLog(seq > this.#base.seq, `truncation from ${seq} reaches the base ${this.#base.seq}`)
    if (seq > this.#lastSeq) return
    this.#dropTermsFrom(seq)
    const point = this.pointAt(seq - 1)
    assertLog(point !== undefined, 'the entry before a truncation is known')
    while (this.#locationSeqs.length > 0 && this.#locationSeqs.at(-1)! >= seq) this.#dropLastLocation()
    this.#chunks.length = Math.max(0, Math.floor((seq - 1) / CHUNK_ENTRIES) - this.#firstChunk + 1)
    this.#lastSeq = point.seq
    this.#lastTerm = point.term
    this.#lastChain = point.chain
  }

  #dropTermsFrom(seq: number): void {
    while (this.#termStarts.length > 0 && this.#termStarts.at(-1)! >= seq) {
      this.#termStarts.pop()
      this.#terms.pop()
    }
  }

  #dropLastLocation(): void {
    this.#locationSeqs.pop()
    this.#locationSegments.pop()
    this.#locationOffsets.pop()
  }

  /** Forgets the entries up to `base`, which becomes the base. */
  dropThrough(base: ChainPoint, firstSegment: number): void {
    if (base.seq <= this.#base.seq) return
    this.#base = base
    const firstChunk = Math.floor((base.seq + 1) / CHUNK_ENTRIES)
    this.#chunks.splice(0, firstChunk - this.#firstChunk)
    this.#firstChunk = firstChunk
    let keep = 0
    while (keep < this.#locationSegments.length && this.#locationSegments[keep]! < firstSegment) keep++
    this.#locationSeqs.splice(0, keep)
    this.#locationSegments.splice(0, keep)
    this.#locationOffsets.splice(0, keep)
    while (this.#termStarts.length > 1 && this.#termStarts[1]! <= base.seq + 1) {
      this.#termStarts.shift()
      this.#terms.shift()
    }
  }

  /** The term of entry `seq`; undefined if it is neither the base nor retained. */
  termAt(seq: number): number | undefined {
    if (seq === this.#base.seq) return this.#base.term
    if (seq < this.#base.seq || seq > this.#lastSeq) return undefined
    let low = 0
    let high = this.#termStarts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#termStarts[middle]! <= seq) low = middle + 1
      else high = middle
    }
    return low === 0 ? this.#base.term : this.#terms[low - 1]
  }

  /** The entry chain after entry `seq`; undefined if it is neither the base nor retained. */
  chainAt(seq: number): number | undefined {
    if (seq === this.#base.seq) return this.#base.chain
    if (seq < this.#base.seq || seq > this.#lastSeq) return undefined
    return this.#chunks[Math.floor(seq / CHUNK_ENTRIES) - this.#firstChunk]![seq % CHUNK_ENTRIES]
  }

  pointAt(seq: number): ChainPoint | undefined {
    const term = this.termAt(seq)
    const chain = this.chainAt(seq)
    return term === undefined || chain === undefined ? undefined : { seq, term, chain }
  }

  /** A place at or before the frame that holds entry `seq`, from which frames can be walked to it. */
  locate(seq: number): LogPosition | undefined {
    let low = 0
    let high = this.#locationSeqs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#locationSeqs[middle]! <= seq) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    return { segment: this.#locationSegments[low - 1]!, offset: this.#locationOffsets[low - 1]! }
  }

  /** Bytes of memory that the index holds, about. */
  get memoryBytes(): number {
    return this.#chunks.length * CHUNK_ENTRIES * 4 + this.#locationSeqs.length * 24 + this.#terms.length * 16
  }
}
