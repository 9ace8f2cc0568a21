import { bytesToHex, crc32, utf8Bytes } from '../encoding/index.ts'
import type { DirectoryLock, Files, Random } from '../platform/index.ts'
import { readDirectoryText, writeDirectoryText } from './directory-text.ts'
import { LogError } from './errors.ts'

/**
 * `identity.json` of a data directory (docs/formats/data-directory.md): who this copy of the disk is. Written by rename, so that it
 * is always whole.
 */
export interface DirectoryIdentity {
  /** Version of the layout of the whole directory. */
  format: 1
  /** 32 hexadecimal digits, minted when the directory is created: a new directory is a new node (D11). */
  directoryId: string
  groupId: number
  /** Cluster members sync before every acknowledgement; the embedded engine may choose less. */
  durability: 'full' | 'batch' | 'os'
  pageBytes: PageBytes
  /** Log and pages exist: until then the directory never held anything, and an interrupted creation begins anew. */
  isComplete: boolean
  /** Boot of the machine under which it was last opened, and whether it was closed in order since. */
  lastBootId: string
  isClosed: boolean
}

/** An owned data directory. */
export interface DataDirectory {
  readonly path: string
  readonly identity: DirectoryIdentity
  /** Nothing is in it yet: log and pages are to be created, then `completed` is to be called. */
  readonly isNew: boolean
  /** It was last used under another boot of the machine and not closed in order: what was not synced may be gone. */
  readonly wasCutOff: boolean
  /** Records durably that log and pages were created. */
  completed(): Promise<void>
  /** Removes the mark of use; call after everything in the directory is closed and synced. */
  close(options: { isClean: boolean }): Promise<void>
}

export interface DataDirectoryOptions {
  files: Files
  random: Random
  path: string
  groupId: number
  durability: DirectoryIdentity['durability']
  /** Used when the directory is created; afterwards the directory's own page size stays. */
  pageBytes: PageBytes
}

/** Bytes of a page of the keyspace; fixed when the directory is created. */
export type PageBytes = 4096 | 8192 | 16384 | 32768
const PAGE_SIZES: readonly number[] = [4096, 8192, 16384, 32768]
const NAME = 'identity.json'

/**
 * Takes ownership of a data directory, creating it where there is none.
 * @throws FileError `directory_locked` naming the holder; LogError `damaged` if its identity cannot be read.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { files, path } = options
  await files.makeDirectory(path)
  const lock = await files.lock(path)
  try {
    return await openLocked(options, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function openLocked(options: DataDirectoryOptions, lock: DirectoryLock): Promise<DataDirectory> {
  const { files, path, durability } = options
  const found = await readIdentity(files, path)
  const bootId = lock.holder.bootId
  const isNew = found?.isComplete !== true
  if (isNew) await removeRemains(files, path)
  const identity: DirectoryIdentity = {
    ...(found ?? newIdentity(options)),
    durability,
    lastBootId: bootId,
    isClosed: false,
  }
  await writeIdentity(files, path, identity)
  return {
    path,
    identity,
    isNew,
    wasCutOff: !isNew && !found.isClosed && found.lastBootId !== bootId && found.durability !== 'full',
    async completed(): Promise<void> {
      identity.isComplete = true
      await writeIdentity(files, path, identity)
    },
    async close({ isClean }): Promise<void> {
      if (isClean) await writeIdentity(files, path, { ...identity, isClosed: true })
      await lock.release()
    },
  }
}

/** What an interrupted creation left: nothing in it was ever acknowledged. */
async function removeRemains(files: Files, path: string): Promise<void> {
  for (const name of ['log', 'pages', 'changes']) await files.removeTree(`${path}/${name}`)
  await files.syncDirectory(path)
}

function newIdentity(options: DataDirectoryOptions): DirectoryIdentity {
  const { groupId, durability, pageBytes, random } = options
  return {
    format: 1,
    directoryId: bytesToHex(random.bytes(16)),
    groupId,
    durability,
    pageBytes,
    isComplete: false,
    lastBootId: '',
    isClosed: true,
  }
}

/** The identity of the directory, undefined if it has none. Reads only: fit for a directory in use. */
export async function readIdentity(files: Files, directory: string): Promise<DirectoryIdentity | undefined> {
  const path = `${directory}/${NAME}`
  const text = await readDirectoryText(files, path)
  if (text === undefined) return undefined
  const identity = parseIdentity(text)
  if (identity !== undefined) return identity
  const what = 'not an identity of a data directory'
  throw new LogError('damaged', `${path}: ${what}`, {
    damage: [{ kind: 'identity', file: path, offset: 0, what, intactEnd: { seq: 0, term: 0 } }],
  })
}

function parseIdentity(text: string): DirectoryIdentity | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (value === null || typeof value !== 'object') return undefined
  const { checksum, ...identity } = value as Partial<DirectoryIdentity> & { checksum?: unknown }
  const fits =
    checksum === checksumOf(identity) &&
    identity.format === 1 &&
    /^[0-9a-f]{32}$/.test(identity.directoryId ?? '') &&
    Number.isSafeInteger(identity.groupId) &&
    PAGE_SIZES.includes(identity.pageBytes ?? 0) &&
    typeof identity.isComplete === 'boolean' &&
    ['full', 'batch', 'os'].includes(identity.durability ?? '') &&
    typeof identity.lastBootId === 'string' &&
    typeof identity.isClosed === 'boolean'
  return fits && text === serialise(identity as DirectoryIdentity) ? (identity as DirectoryIdentity) : undefined
}

function serialise(identity: DirectoryIdentity): string {
  return `${JSON.stringify({ ...identity, checksum: checksumOf(identity) }, null, 2)}\n`
}

/** CRC-32 of the other fields in their order, eight hexadecimal digits: a changed digit is damage, not another identity. */
function checksumOf(identity: Partial<DirectoryIdentity>): string {
  return crc32(utf8Bytes(JSON.stringify(identity)))
    .toString(16)
    .padStart(8, '0')
}

async function writeIdentity(files: Files, directory: string, identity: DirectoryIdentity): Promise<void> {
  await writeDirectoryText(files, directory, NAME, serialise(identity))
}
