import { crc32, writeU32 } from '../encoding/index.ts'
import { isMutant } from './mutants.ts'

/**
 * Seeds of the log's checksums: CRC-32 of (directory id, segment, offset). A frame is therefore valid only where it was
 * written: bytes of another directory, of an older file under the same name or of another place never pass.
 */
export class ChecksumSeeds {
  readonly #directorySeed: number
  readonly #place: Uint8Array = new Uint8Array(8)

  constructor(directoryId: Uint8Array) {
    if (directoryId.length !== 16) throw new RangeError(`directory id of ${directoryId.length} bytes, not 16`)
    this.#directorySeed = crc32(directoryId)
  }

  at(segment: number, offset: number): number {
    if (isMutant('unseeded_checksums')) return 0
    writeU32(this.#place, 0, segment)
    writeU32(this.#place, 4, offset)
    return crc32(this.#place, this.#directorySeed)
  }
}
