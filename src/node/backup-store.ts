import type { BackupPart } from '../admin/index.ts'
import { readManifest } from '../engine/index.ts'
import type { BackupManifest } from '../engine/index.ts'
import { QuorateError } from '../model/index.ts'
import { FileError, readTextFile, replaceTextFile } from '../platform/index.ts'
import type { File, Files } from '../platform/index.ts'

/** The newest finished backup, wherever it went. */
export interface LastBackup {
  readonly backupId: string
  /** null = it was sent elsewhere. */
  readonly name: string | null
  readonly type: BackupManifest['type']
  /** What it can be restored to at most. */
  readonly seq: number
  readonly takenAtMicros: number
  readonly bytes: number
  readonly durationMs: number
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/
const LAST = 'last.json'
const PARTS: ReadonlySet<string> = new Set(['images', 'entries', 'manifest.json', 'manifest.check'])
const READ_BYTES = 1 << 20

/** Of a backup: not the note of the newest one, nor what file systems put into the root of a volume. */
function isName(name: string): boolean {
  return NAME.test(name) && !name.startsWith(LAST)
}

/** The directory of a node's own backups, one below it for each, and a note of the newest one. */
export class BackupStore {
  readonly #files: Files
  readonly #directory: string
  #last: LastBackup | undefined

  private constructor(files: Files, directory: string, last: LastBackup | undefined) {
    this.#files = files
    this.#directory = directory
    this.#last = last
  }

  static async open(files: Files, directory: string): Promise<BackupStore> {
    return new BackupStore(files, directory, await readLast(files, directory))
  }

  get last(): LastBackup | undefined {
    return this.#last
  }

  async remember(last: LastBackup): Promise<void> {
    this.#last = last
    await this.#files.makeDirectory(this.#directory)
    await replaceTextFile(this.#files, this.#directory, LAST, `${JSON.stringify(last)}\n`)
  }

  /** @throws QuorateError `invalid_argument` for what is no name of a backup */
  pathOf(name: string): string {
    if (isName(name)) return `${this.#directory}/${name}`
    throw new QuorateError('invalid_argument', `a backup is named by letters, digits, _ . and -, not '${name}'`)
  }

  async has(name: string): Promise<boolean> {
    return (await this.#names()).includes(name)
  }

  /** Everything that is there, also what is not finished. `current` is being made. */
  async list(current: string | undefined): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const found: Readonly<Record<string, unknown>>[] = []
    for (const name of await this.#names()) {
      if (name === current) continue
      try {
        found.push({ name, manifest: await readManifest(this.#files, this.pathOf(name), undefined) })
      } catch (error) {
        if (!(error instanceof QuorateError || error instanceof FileError)) throw error
        found.push({ name, error: { code: error.code, message: error.message } })
      }
    }
    return found
  }

  /** @throws QuorateError `not_found`; `invalid_argument` behind the end */
  async part(name: string, file: string, fromByte: number): Promise<BackupPart> {
    const path = `${this.pathOf(name)}/${file}`
    const bytes = PARTS.has(file) && (await this.has(name)) ? await this.#files.size(path) : undefined
    if (bytes === undefined) throw new QuorateError('not_found', `there is no ${file} of a backup ${name}`)
    if (fromByte > 0 && fromByte >= bytes) throw new QuorateError('invalid_argument', `${file} has ${bytes} bytes`)
    return { bytes, body: readFrom(this.#files, path, fromByte) }
  }

  async #names(): Promise<string[]> {
    try {
      return (await this.#files.list(this.#directory)).filter(isName)
    } catch (error) {
      if (error instanceof FileError && error.code === 'not_found') return []
      throw error
    }
  }
}

/** The file is opened when the first bytes are asked for: an answer without a body opens none. */
function readFrom(files: Files, path: string, fromByte: number): ReadableStream<Uint8Array> {
  let at = fromByte
  let file: File | undefined
  return new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        file ??= await files.open(path, 'read')
        const block = new Uint8Array(READ_BYTES)
        const length = await file.read(block, at).catch(async (error: unknown) => {
          // Nobody cancels a stream that has failed.
          await file?.close()
          throw error
        })
        at += length
        if (length > 0) sink.enqueue(block.subarray(0, length))
        if (length === READ_BYTES) return
        sink.close()
        await file.close()
      },
      cancel: () => file?.close(),
    },
    { highWaterMark: 0 },
  )
}

/** A note that cannot be read is none: it is for monitoring only. */
async function readLast(files: Files, directory: string): Promise<LastBackup | undefined> {
  const text = await readTextFile(files, `${directory}/${LAST}`)
  try {
    const value = text === undefined ? undefined : (JSON.parse(text) as LastBackup)
    return Number.isSafeInteger(value?.takenAtMicros) ? value : undefined
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
