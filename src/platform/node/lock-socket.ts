import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { systemCodeOf } from './file-error.ts'

/** Longest path of a Unix socket that every system takes (macOS: 104 with the final zero; longer ones may be cut silently). */
const SOCKET_PATH_BYTES_MAX = 103

/** A socket that shows that its holder lives, for as long as it is open. */
export interface LockSocket {
  /** What others pass to `answersAt`: a name in the directory, or an absolute path elsewhere. */
  readonly name: string
  close(): Promise<void>
}

/**
 * Listens on `name` in `directory`. It must be in the directory itself to be found from another container with the same volume.
 * A path too long for a socket goes through /proc/self/fd; where there is no /proc, or the file system has no sockets,
 * the socket lies in the temporary directory of this machine.
 */
export async function listenAt(directory: string, name: string): Promise<LockSocket> {
  const place = await socketPlace(directory, name)
  try {
    const close = await listen(place.path)
    return {
      name: place.name,
      close: async () => {
        await close()
        await place.handle?.close()
      },
    }
  } catch (error) {
    await place.handle?.close()
    const code = systemCodeOf(error)
    if (place.isElsewhere || (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'EPERM')) throw error
    const path = elsewhere(directory, name)
    return { name: path, close: await listen(path) }
  }
}

/** Whether somebody listens there. Only a refused or missing socket says no: a holder that is stopped or overrun still holds. */
export async function answersAt(directory: string, name: string): Promise<boolean> {
  if (name === '') return false
  const place = isAbsolute(name) ? { path: name, handle: undefined } : await socketPlace(directory, name)
  try {
    return await new Promise<boolean>(resolve => {
      const socket = connect(place.path)
      socket.on('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', error => {
        const code = systemCodeOf(error)
        resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT')
      })
    })
  } finally {
    await place.handle?.close()
  }
}

interface SocketPlace {
  path: string
  name: string
  isElsewhere: boolean
  /** Keeps the directory open while its descriptor is part of the path. */
  handle: fs.FileHandle | undefined
}

async function socketPlace(directory: string, name: string): Promise<SocketPlace> {
  const path = join(directory, name)
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return { path, name, isElsewhere: false, handle: undefined }
  if (existsSync('/proc/self/fd')) {
    const handle = await fs.open(directory, 'r')
    return { path: `/proc/self/fd/${handle.fd}/${name}`, name, isElsewhere: false, handle }
  }
  const other = elsewhere(directory, name)
  return { path: other, name: other, isElsewhere: true, handle: undefined }
}

function elsewhere(directory: string, name: string): string {
  const hash = createHash('sha256').update(directory).update('\0').update(name).digest('hex').slice(0, 24)
  return join(tmpdir(), `quorate-${hash}.sock`)
}

/** Listens without keeping the process alive; the result closes and removes the socket. */
function listen(path: string): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.on('error', () => {}) // the caller only wanted to know that somebody is here
      socket.destroy()
    })
    server.unref()
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => {}) // a failed accept (descriptors used up) does not free the directory
      resolve(
        () =>
          new Promise(closed => {
            server.close(() => closed())
          }),
      )
    })
  })
}
