import * as fs from 'node:fs/promises'

/** fsync of a directory: its names are durable after it. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
