import { utf8Bytes } from '../../encoding/index.ts'
import type { Files } from '../../platform/index.ts'

export const PATH_BYTES_MAX = 4_096

/** The directory that holds `path`. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/')
  return at < 0 ? '.' : at === 0 ? '/' : path.slice(0, at)
}

/** All files below a directory, as paths from it, in order. */
export async function filesBelow(files: Files, directory: string): Promise<string[]> {
  const found: string[] = []
  const walk = async (below: string): Promise<void> => {
    for (const name of await files.list(below === '' ? directory : `${directory}/${below}`)) {
      const path = below === '' ? name : `${below}/${name}`
      if ((await files.size(`${directory}/${path}`)) === undefined) await walk(path)
      else found.push(path)
    }
  }
  await walk('')
  return found
}

/** Whether a path can only name something below the directory that it is taken from. */
export function isPathBelow(path: string): boolean {
  if (path.length === 0 || utf8Bytes(path).length > PATH_BYTES_MAX || path.includes('\\') || path.includes('\0')) {
    return false
  }
  return path.split('/').every(part => part !== '' && part !== '.' && part !== '..')
}
