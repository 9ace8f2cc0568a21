import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, unlinkSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { FileError } from '../index.ts'
import type { DirectoryLock, LockHolder } from '../index.ts'
import { readBootId } from './environment.ts'
import { systemCodeOf } from './file-error.ts'
import { answersAt, listenAt } from './lock-socket.ts'
import type { LockSocket } from './lock-socket.ts'
import { syncDirectory } from './sync-directory.ts'

/** What the file holds: the holder, and where its socket is (a name in the directory, or an absolute path). */
interface LockFile extends LockHolder {
  socket: string
}

const NAME = 'LOCK'
const DRAFT = 'LOCK.new-'
const ASIDE = 'LOCK.aside-'
const ATTEMPTS_MAX = 20
const SOCKET_NAME = /^lock-[0-9a-f]{1,16}\.sock$/

/**
 * Takes `directory` for this process (DESIGN 6). The lock is `LOCK`, made by link(2) of a finished file, so that it is never
 * seen half written, and two makers cannot both succeed. Its holder listens on a socket: only a refused or missing socket proves
 * it dead. Pids prove nothing, as containers with one volume have their own.
 *
 * Taking over moves the dead `LOCK` aside by rename and makes a new one by link. The nonce is checked before the rename, and
 * after: between the two another process may have taken over, and it is its live lock that was moved. So a live lock may for a
 * moment stand aside instead of in place; therefore whoever has made `LOCK` looks at the files aside, and gives way to a live one.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await fs.access(directory) // else the socket's bind fails first, and libuv calls that EACCES
  const nonce = randomBytes(16).toString('hex')
  const socket = await listenAt(directory, socketName(nonce))
  const own: LockFile = { pid: process.pid, host: hostname(), bootId: readBootId(), nonce, socket: socket.name }
  const draft = join(directory, `${DRAFT}${nonce}`)
  try {
    await fs.writeFile(draft, `${JSON.stringify(own)}\n`, { flag: 'wx', mode: 0o600, flush: true })
    await acquire(directory, draft, own)
    unlinkIfPresent(draft)
    await syncDirectory(directory)
  } catch (error) {
    unlinkIfPresent(draft)
    if (readLock(join(directory, NAME))?.nonce === nonce) unlinkIfPresent(join(directory, NAME))
    await socket.close()
    throw error
  }
  const { socket: _, ...holder } = own
  let released: Promise<void> | undefined
  return {
    holder,
    release: () => (released ??= release(directory, own, socket)),
  }
}

async function acquire(directory: string, draft: string, own: LockFile): Promise<void> {
  const path = join(directory, NAME)
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const isMade = linked(draft, path)
    const present = isMade ? own : readLock(path)
    if (present === undefined) continue // released meanwhile
    if (present.nonce === own.nonce) {
      const live = await clearAside(directory, own)
      if (live === undefined && readLock(path)?.nonce === own.nonce) return
      if (live !== undefined) giveWay(directory, live, own)
    } else if (await answersAt(directory, present.socket)) throw locked(directory, present)
    else moveAside(directory, present, own)
  }
  throw new FileError('directory_locked', directory, `${directory} changes hands all the time`)
}

/**
 * Moves the lock of the dead `stale` holder away; if another's was moved by it, that one is put back.
 * Check, rename and check are blocking calls in one go, which makes the wrong case as rare as it can be.
 */
function moveAside(directory: string, stale: LockFile, own: LockFile): void {
  const path = join(directory, NAME)
  const aside = join(directory, `${ASIDE}${own.nonce}`)
  if (readLock(path)?.nonce !== stale.nonce || !renamed(path, aside)) return
  if (readLock(aside)?.nonce === stale.nonce) {
    unlinkIfPresent(aside)
    removeSocket(directory, stale)
  } else if (linked(aside, path)) unlinkIfPresent(aside)
  // else it stays aside: someone made a lock in between, who finds this file and gives way
}

/** Removes what dead processes left. Gives a live lock that stands aside, if there is one. */
async function clearAside(directory: string, own: LockFile): Promise<{ file: string; holder: LockFile } | undefined> {
  for (const name of await fs.readdir(directory)) {
    const file = join(directory, name)
    if (name.startsWith(DRAFT)) {
      // Perhaps half written: what counts is the socket that its writer opened before, called after the same nonce.
      const writer = { nonce: name.slice(DRAFT.length), socket: socketName(name.slice(DRAFT.length)) }
      if (writer.nonce !== own.nonce) await removeIfDead(directory, file, writer)
    } else if (name.startsWith(ASIDE)) {
      const found = readLock(file)
      if (found === undefined || found.nonce === own.nonce) continue
      if (!(await removeIfDead(directory, file, found))) return { file, holder: found }
    }
  }
  return undefined
}

async function removeIfDead(directory: string, file: string, holder: { socket: string }): Promise<boolean> {
  if (await answersAt(directory, holder.socket)) return false
  unlinkIfPresent(file)
  removeSocket(directory, holder)
  return true
}

/** Puts a live lock that stood aside in the place of our own. */
function giveWay(directory: string, live: { file: string; holder: LockFile }, own: LockFile): void {
  const path = join(directory, NAME)
  if (readLock(path)?.nonce === own.nonce) unlinkIfPresent(path)
  if (linked(live.file, path)) unlinkIfPresent(live.file)
}

async function release(directory: string, own: LockFile, socket: LockSocket): Promise<void> {
  const path = join(directory, NAME)
  // The name goes while the socket still answers: nobody can be taking it over.
  if (readLock(path)?.nonce === own.nonce) unlinkIfPresent(path)
  await socket.close()
}

/** The lock file's contents; undefined if there is none. One that cannot be read as such counts as a dead holder's. */
function readLock(path: string): LockFile | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
  const unreadable: LockFile = { pid: 0, host: '', bootId: '', nonce: '', socket: '' }
  try {
    const parsed = JSON.parse(text) as Partial<LockFile> | null
    const holder = { ...unreadable, ...parsed }
    return typeof holder.nonce === 'string' && typeof holder.socket === 'string' ? holder : unreadable
  } catch {
    return unreadable
  }
}

function socketName(nonce: string): string {
  return `lock-${nonce.slice(0, 16)}.sock`
}

function locked(directory: string, present: LockFile): FileError {
  const { socket: _, ...holder } = present
  return new FileError(
    'directory_locked',
    directory,
    `${directory} is in use by process ${holder.pid} on host ${holder.host}`,
    { holder },
  )
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw error
  }
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false
    throw error
  }
}

function removeSocket(directory: string, dead: { socket: string }): void {
  if (!SOCKET_NAME.test(dead.socket)) return // never a path that a file chose for us
  unlinkIfPresent(join(directory, dead.socket))
}

function unlinkIfPresent(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  }
}
