import { readTextFile, replaceTextFile } from '../platform/index.ts'
import type { Files } from '../platform/index.ts'
import type { Drift } from './drift.ts'

/** What a replica remembers of its fence over a restart (docs/formats/data-directory.md). */
export interface FenceRecord {
  /** Where the own state was found to differ; null = it is not known to. */
  readonly drift: Drift | null
  /** Leader time at which the state was last rebuilt by itself, us; 0 = never. */
  readonly rebuiltAtMicros: number
}

const NAME = 'fence.json'
const NO_FENCE: FenceRecord = { drift: null, rebuiltAtMicros: 0 }
/** Something was written, and nobody knows what: the state may be wrong, wherever. */
const UNREADABLE: FenceRecord = {
  drift: { seq: Number.MAX_SAFE_INTEGER, own: 'unreadable', others: 'unreadable' },
  rebuiltAtMicros: 0,
}

/** The file that keeps a fence: there only once one was put up. */
export class FenceFile {
  readonly #files: Files
  readonly #directory: string
  #record: FenceRecord
  #writing: Promise<void> = Promise.resolve()

  private constructor(files: Files, directory: string, record: FenceRecord) {
    this.#files = files
    this.#directory = directory
    this.#record = record
  }

  /** Rejects with `FileError` where the disk fails. */
  static async open(files: Files, directory: string): Promise<FenceFile> {
    const text = await readTextFile(files, `${directory}/${NAME}`)
    return new FenceFile(files, directory, text === undefined ? NO_FENCE : (parse(text) ?? UNREADABLE))
  }

  get record(): FenceRecord {
    return this.#record
  }

  /** The state that the directory holds was installed at `seq`: a fence that was put up before that is over. Durable when it resolves. */
  async installedAt(seq: number): Promise<void> {
    const { drift } = this.#record
    if (drift !== null && drift.seq <= seq) await this.write({ ...this.#record, drift: null })
  }

  /** Durable when it resolves. */
  write(record: FenceRecord): Promise<void> {
    this.#record = record
    const text = `${JSON.stringify({ format: 1, ...record }, null, 2)}\n`
    this.#writing = this.#writing.then(() => replaceTextFile(this.#files, this.#directory, NAME, text))
    return this.#writing
  }
}

function parse(text: string): FenceRecord | undefined {
  let value: Partial<FenceRecord> & { format?: unknown }
  try {
    value = JSON.parse(text) as typeof value
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (value === null || typeof value !== 'object' || value.format !== 1) return undefined
  const { drift, rebuiltAtMicros } = value
  if (!Number.isSafeInteger(rebuiltAtMicros) || drift === undefined) return undefined
  if (drift !== null && !isDrift(drift)) return undefined
  return { drift, rebuiltAtMicros: rebuiltAtMicros! }
}

function isDrift({ seq, own, others }: Drift): boolean {
  return Number.isSafeInteger(seq) && typeof own === 'string' && typeof others === 'string'
}
