import type { Files } from '../platform/index.ts'

/** The text of a small file, or undefined if there is none. */
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

/** Writes a small file, replacing it as a whole. */
export async function writeTextFile(files: Files, path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  await files.remove(temporary)
  const file = await files.open(temporary, 'create')
  try {
    await file.write(new TextEncoder().encode(text), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(temporary, path)
}
