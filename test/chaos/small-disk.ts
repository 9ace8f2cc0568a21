import { execFile } from 'node:child_process'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MEGABYTES = 192
const PIECE_BYTES = 1 << 20

/**
 * A file system of its own and fixed size over a directory (tmpfs): the only way in which a real process meets a real full disk without
 * filling the machine's. Needs root and the right to mount.
 */
export class SmallDisk {
  readonly #directory: string
  readonly #ballast: string

  private constructor(directory: string) {
    this.#directory = directory
    this.#ballast = join(directory, 'ballast')
  }

  /** Undefined where this machine does not allow it. */
  static async mount(directory: string): Promise<SmallDisk | undefined> {
    if (process.getuid?.() !== 0) return undefined
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m,mode=700`, 'tmpfs', directory])
      return new SmallDisk(directory)
    } catch {
      return undefined
    }
  }

  /** Whether `directory` could be one, tried beside it. */
  static async isPossible(directory: string): Promise<boolean> {
    const disk = await SmallDisk.mount(directory)
    await disk?.unmount()
    return disk !== undefined
  }

  async isFull(): Promise<boolean> {
    const { bavail } = await statfs(this.#directory)
    return bavail === 0
  }

  /** Takes all the space that is left. */
  async fill(): Promise<void> {
    const piece = Buffer.alloc(PIECE_BYTES)
    for (let size = PIECE_BYTES; size > 0; size >>= 1) {
      try {
        for (;;) await writeFile(this.#ballast, piece.subarray(0, size), { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        if (size <= 4_096) return
      }
    }
  }

  /** Gives the space back. */
  async free(): Promise<void> {
    await rm(this.#ballast, { force: true })
  }

  async unmount(): Promise<void> {
    await run('umount', ['-l', this.#directory], { cwd: dirname(this.#directory) })
  }
}
