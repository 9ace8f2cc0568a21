import type { Files } from './files.ts'

/** Small files that are read whole and replaced as a whole. */

/** The text of the file at `path`, undefined if there is none. Rejects with `FileError` where the disk fails. */
export async function readTextFile(files: Files, path: string): Promise<string | undefined> {
  const size = await files.size(path)
  if (size === undefined) return undefined
  const file = await files.open(path, 'read')
  try {
    const bytes = new Uint8Array(size)
    const length = await file.read(bytes, 0)
    return new TextDecoder().decode(bytes.subarray(0, length))
  } finally {
    await file.close()
  }
}

/**
 * Writes `text` to `directory/name`. Durable when it resolves; whatever happens before, the file holds the old text or the new one, whole.
 * Rejects with `FileError` where the disk fails.
 */
export async function replaceTextFile(files: Files, directory: string, name: string, text: string): Promise<void> {
  const temporary = `${directory}/${name}.new`
  await files.remove(temporary)
  const file = await files.open(temporary, 'create')
  try {
    await file.write(new TextEncoder().encode(text), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(temporary, `${directory}/${name}`)
  await files.syncDirectory(directory)
}
