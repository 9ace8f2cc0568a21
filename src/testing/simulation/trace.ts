import { crc32, utf8Bytes } from '../../encoding/index.ts'

/** What happened in a run, line by line. Two runs of one seed have the same hash; the lines are kept only when somebody wants to read them. */
export class Trace {
  readonly lines: string[] = []
  readonly #nowMs: () => number
  readonly #isKept: boolean
  #hash = 0
  #count = 0

  constructor(nowMs: () => number, isKept: boolean) {
    this.#nowMs = nowMs
    this.#isKept = isKept
  }

  note(text: string): void {
    const line = `${this.#nowMs().toFixed(3)} ${text}`
    this.#hash = crc32(utf8Bytes(line), this.#hash)
    this.#count++
    if (this.#isKept) this.lines.push(line)
  }

  /** Number of lines and CRC-32 over them. */
  get hash(): string {
    return `${this.#count}-${this.#hash.toString(16).padStart(8, '0')}`
  }
}

/** A promise of the database is broken, or the run could not keep up its own. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export function require(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Violation(message())
}
