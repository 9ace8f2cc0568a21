import { utf8Bytes } from '../encoding/index.ts'
import type { Files } from '../platform/index.ts'

/** Small files of a data directory that are replaced as a whole. */

/** The text of a file, undefined if there is none. */
export async function readDirectoryText(files: Files, path: string): Promise<string | undefined> {
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

/** Durable when it resolves; the file holds the old text or the new one, always whole. */
export async function writeDirectoryText(files: Files, directory: string, name: string, text: string): Promise<void> {
  const temporary = `${directory}/${name}.new`
  await files.remove(temporary)
  const file = await files.open(temporary, 'create')
  try {
    await file.write(utf8Bytes(text), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(temporary, `${directory}/${name}`)
  await files.syncDirectory(directory)
}
