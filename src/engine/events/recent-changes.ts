import type { ChangeHistory } from './watch-hub.ts'

interface Block {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: Uint8Array
}

/** The newest publications in memory, within a number of bytes. */
export class RecentChanges implements ChangeHistory {
  readonly #bytesMax: number
  #blocks: Block[] = []
  #bytes = 0
  #knownAfterSeq: number

  /** Nothing is known up to `seq`. */
  constructor(bytesMax: number, seq: number) {
    this.#bytesMax = bytesMax
    this.#knownAfterSeq = seq
  }

  get knownAfterSeq(): number {
    return this.#knownAfterSeq
  }

  /** Adds a publication that reaches `lastSeq`. */
  append(firstSeq: number, lastSeq: number, bytes: Uint8Array): void {
    const last = this.#blocks.at(-1)
    if (bytes.length === 0) {
      if (last !== undefined) this.#blocks[this.#blocks.length - 1] = { ...last, lastSeq }
      else this.#knownAfterSeq = lastSeq
      return
    }
    this.#blocks.push({ firstSeq, lastSeq, bytes: bytes.slice() })
    this.#bytes += bytes.length
    let gone = 0
    while (this.#bytes > this.#bytesMax && gone < this.#blocks.length) {
      const oldest = this.#blocks[gone++]!
      this.#bytes -= oldest.bytes.length
      this.#knownAfterSeq = oldest.lastSeq
    }
    if (gone > 0) this.#blocks.splice(0, gone)
  }

  read(seq: number): Promise<{ bytes: Uint8Array; lastSeq: number } | undefined> {
    if (seq < this.#knownAfterSeq) return Promise.resolve(undefined)
    const block = this.#blocks.find(({ lastSeq }) => lastSeq > seq)
    return Promise.resolve(block === undefined ? undefined : { bytes: block.bytes, lastSeq: block.lastSeq })
  }
}
