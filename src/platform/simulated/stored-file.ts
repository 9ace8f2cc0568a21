import type { SeededRandom } from './random.ts'

/** How finely a crash can tear what was not synced. */
export interface TearProfile {
  sectorBytes: number
  /** `sector`: a sector is old or new. `byte`: a sector may also be new up to some byte and old after it. */
  tear: 'sector' | 'byte'
}

const CHUNK_BYTES = 16_384
/** Chance that a dirty sector reached the medium by itself before it was written again. */
const WRITE_BACK_CHANCE = 1 / 8

/**
 * One file's bytes: what the page cache shows, and where the medium differs from it. Chunks that were never written with
 * anything but zeros are not stored. hot path: `write` (bench/gate: simulated writes).
 */
export class StoredFile {
  size: number = 0
  /** False once no name leads to it: then its bytes do not count as used. */
  isNamed: boolean = true
  readonly #profile: TearProfile
  readonly #random: SeededRandom
  readonly #chunks: (Uint8Array | undefined)[] = []
  /** Sectors written since the last sync, with the medium's bytes; undefined stands for zeros. */
  readonly #dirty = new Map<number, Uint8Array | undefined>()
  /** Sectors that the cache holds for clean though the medium has other bytes: failed syncs, lost and misdirected writes. */
  readonly #diverged = new Map<number, Uint8Array | undefined>()
  #durableSize = 0

  constructor(profile: TearProfile, random: SeededRandom) {
    this.#profile = profile
    this.#random = random
  }

  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.size - position))
    let done = 0
    while (done < length) {
      const at = position + done
      const offset = at % CHUNK_BYTES
      const part = Math.min(length - done, CHUNK_BYTES - offset)
      const chunk = this.#chunks[(at - offset) / CHUNK_BYTES]
      if (chunk === undefined) target.fill(0, done, done + part)
      else target.set(chunk.subarray(offset, offset + part), done)
      done += part
    }
    return length
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return
    this.#touch(position, position + bytes.length)
    this.#put(bytes, position)
    if (position + bytes.length > this.size) this.size = position + bytes.length
  }

  /** A write that is acknowledged, and later "synced", but never reaches its place on the medium. */
  writeLost(bytes: Uint8Array, position: number): void {
    const { first, last } = this.#sectors(position, position + bytes.length)
    const before = new Map<number, Uint8Array | undefined>()
    for (let sector = first; sector <= last; sector++) before.set(sector, this.#onMedium(sector))
    this.write(bytes, position)
    for (const [sector, old] of before) {
      this.#dirty.delete(sector)
      this.#diverged.set(sector, old)
    }
  }

  /** Bytes of another write that the medium stores here, unseen by the cache. */
  receiveMisdirected(bytes: Uint8Array, position: number): void {
    const { sectorBytes } = this.#profile
    const { first, last } = this.#sectors(position, position + bytes.length)
    for (let sector = first; sector <= last; sector++) {
      const start = sector * sectorBytes
      const old = this.#onMedium(sector)
      const image = old === undefined ? new Uint8Array(sectorBytes) : old.slice()
      const from = Math.max(start, position)
      const to = Math.min(start + sectorBytes, position + bytes.length)
      image.set(bytes.subarray(from - position, to - position), from - start)
      if (this.#dirty.has(sector)) this.#dirty.set(sector, image)
      else this.#diverged.set(sector, image)
    }
  }

  truncate(size: number): void {
    if (size < this.size) {
      for (let start = size; start < this.size; start = chunkEnd(start)) {
        // A chunk that is not stored has only zeros to lose, or is remembered already.
        if (this.#chunks[Math.floor(start / CHUNK_BYTES)] === undefined) continue
        this.#touch(start, Math.min(chunkEnd(start), this.size))
      }
      this.#zero(size, this.size)
    }
    this.size = size
  }

  /** Extends the file with zeros: cheaper than writing them. */
  extend(size: number): void {
    if (size > this.size) this.size = size
  }

  sync(): void {
    this.#dirty.clear()
    this.#durableSize = this.size
  }

  /** A sync that fails: the cache takes every page for clean, the medium got an arbitrary part of them ("fsyncgate"). */
  failSync(): void {
    for (const [sector, old] of this.#dirty) {
      if (this.#random.chance(0.5)) this.#diverged.set(sector, old)
    }
    this.#dirty.clear()
  }

  /** Changes one bit, in the cache and on the medium. */
  flipBit(position: number, bit: number): void {
    if (position >= this.size) throw new RangeError(`byte ${position} lies beyond the end, ${this.size}`)
    const { sectorBytes } = this.#profile
    const sector = Math.floor(position / sectorBytes)
    for (const images of [this.#dirty, this.#diverged]) {
      if (!images.has(sector)) continue
      const image = images.get(sector)?.slice() ?? new Uint8Array(sectorBytes)
      image[position % sectorBytes] = (image[position % sectorBytes] ?? 0) ^ (1 << bit)
      images.set(sector, image)
    }
    const byte = new Uint8Array(1)
    this.read(byte, position)
    byte[0] = (byte[0] ?? 0) ^ (1 << bit)
    this.#put(byte, position)
  }

  /** Forgets clean pages, so that reads see what the medium really has. */
  dropCache(): void {
    for (const [sector, image] of this.#diverged) this.#putSector(sector, image)
    this.#diverged.clear()
  }

  /** The medium gets the clean pages as the cache has them. */
  repent(): void {
    this.#diverged.clear()
  }

  /** The power went: the medium keeps an arbitrary part of what was not synced, and the cache is gone. */
  losePower(): void {
    const random = this.#random
    const sizeWritten = this.size
    const kept = this.#durableSize === sizeWritten ? sizeWritten : this.#keptSize()
    // Whole outcomes (nothing, everything) must be common, or only mixtures are ever tested.
    const keepChance = random.pick([0, 1, 0.5, random.float()])
    for (const [sector, old] of this.#dirty) {
      const wasTruncated = sector * this.#profile.sectorBytes >= sizeWritten
      if (wasTruncated || !random.chance(keepChance)) this.#putSector(sector, old)
      else if (this.#profile.tear === 'byte' && random.chance(0.25)) this.#tearSector(sector, old)
    }
    this.#dirty.clear()
    this.dropCache()
    const end = this.#chunks.length * CHUNK_BYTES
    if (kept < end) this.#zero(kept, end)
    this.size = kept
    this.#durableSize = kept
  }

  #keptSize(): number {
    const low = Math.min(this.#durableSize, this.size)
    const high = Math.max(this.#durableSize, this.size)
    const choice = this.#random.below(3)
    if (choice === 0) return low
    if (choice === 1 || this.size < this.#durableSize) return high // a truncation happens whole or not at all
    const { sectorBytes } = this.#profile
    const between = this.#random.between(low, high)
    return this.#profile.tear === 'byte' ? between : Math.min(high, Math.ceil(between / sectorBytes) * sectorBytes)
  }

  #tearSector(sector: number, old: Uint8Array | undefined): void {
    const { sectorBytes } = this.#profile
    const from = this.#random.below(sectorBytes)
    const tail = old === undefined ? new Uint8Array(sectorBytes - from) : old.subarray(from)
    this.#put(tail, sector * sectorBytes + from)
  }

  /** Remembers what the medium has in the sectors that touch [start, end), before they change. */
  #touch(start: number, end: number): void {
    const { first, last } = this.#sectors(start, end)
    for (let sector = first; sector <= last; sector++) {
      if (!this.#dirty.has(sector)) {
        this.#dirty.set(sector, this.#onMedium(sector))
        if (this.#diverged.size > 0) this.#diverged.delete(sector)
      } else if (this.#random.chance(WRITE_BACK_CHANCE)) {
        this.#dirty.set(sector, this.#cached(sector))
      }
    }
  }

  #onMedium(sector: number): Uint8Array | undefined {
    if (this.#dirty.has(sector)) return this.#dirty.get(sector)
    if (this.#diverged.size > 0 && this.#diverged.has(sector)) return this.#diverged.get(sector)
    return this.#cached(sector)
  }

  #cached(sector: number): Uint8Array | undefined {
    const { sectorBytes } = this.#profile
    const start = sector * sectorBytes
    const offset = start % CHUNK_BYTES
    return this.#chunks[(start - offset) / CHUNK_BYTES]?.slice(offset, offset + sectorBytes)
  }

  #sectors(start: number, end: number): { first: number; last: number } {
    const { sectorBytes } = this.#profile
    return { first: Math.floor(start / sectorBytes), last: Math.floor((end - 1) / sectorBytes) }
  }

  #putSector(sector: number, image: Uint8Array | undefined): void {
    const start = sector * this.#profile.sectorBytes
    if (image === undefined) this.#zero(start, start + this.#profile.sectorBytes)
    else this.#put(image, start)
  }

  #put(bytes: Uint8Array, position: number): void {
    let done = 0
    while (done < bytes.length) {
      const at = position + done
      const offset = at % CHUNK_BYTES
      const index = (at - offset) / CHUNK_BYTES
      const part = Math.min(bytes.length - done, CHUNK_BYTES - offset)
      while (this.#chunks.length <= index) this.#chunks.push(undefined)
      let chunk = this.#chunks[index]
      if (chunk === undefined) this.#chunks[index] = chunk = new Uint8Array(CHUNK_BYTES)
      chunk.set(part === bytes.length ? bytes : bytes.subarray(done, done + part), offset)
      done += part
    }
  }

  #zero(start: number, end: number): void {
    let at = start
    while (at < end) {
      const offset = at % CHUNK_BYTES
      const part = Math.min(end - at, CHUNK_BYTES - offset)
      const index = (at - offset) / CHUNK_BYTES
      if (part === CHUNK_BYTES && index < this.#chunks.length) this.#chunks[index] = undefined
      else this.#chunks[index]?.fill(0, offset, offset + part)
      at += part
    }
  }
}

function chunkEnd(position: number): number {
  return (Math.floor(position / CHUNK_BYTES) + 1) * CHUNK_BYTES
}
