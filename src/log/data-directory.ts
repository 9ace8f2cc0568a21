import { bytesToHex, crc32, utf8Bytes } from '../encoding/index.ts'
import type { DirectoryLock, Files, Random } from '../platform/index.ts'
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
  pageBytes: number
  /** Boot of the machine under which it was last opened, and whether it was closed in order since. */
  lastBootId: string
  isClosed: boolean
}

/** An owned data directory. */
export interface DataDirectory {
  readonly path: string
  readonly identity: DirectoryIdentity
  /** There was none before. */
  readonly isNew: boolean
  /** It was last used under another boot of the machine and not closed in order: what was not synced may be gone. */
  readonly wasCutOff: boolean
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
  pageBytes: number
}

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
  const wasCutOff = found !== undefined && !found.isClosed && found.lastBootId !== bootId
  const identity: DirectoryIdentity =
    found === undefined
      ? { ...newIdentity(options), lastBootId: bootId, isClosed: false }
      : { ...found, durability, lastBootId: bootId, isClosed: false }
  await writeIdentity(files, path, identity)
  return {
    path,
    identity,
    isNew: found === undefined,
    wasCutOff: wasCutOff && found.durability !== 'full',
    async close({ isClean }): Promise<void> {
      if (isClean) await writeIdentity(files, path, { ...identity, isClosed: true })
      await lock.release()
    },
  }
}

function newIdentity(options: DataDirectoryOptions): Omit<DirectoryIdentity, 'lastBootId' | 'isClosed'> {
  const { groupId, durability, pageBytes, random } = options
  return { format: 1, directoryId: bytesToHex(random.bytes(16)), groupId, durability, pageBytes }
}

/** The identity of the directory, undefined if it has none. Reads only: fit for a directory in use. */
export async function readIdentity(files: Files, directory: string): Promise<DirectoryIdentity | undefined> {
  const path = `${directory}/${NAME}`
  const text = await readText(files, path)
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
    Number.isSafeInteger(identity.pageBytes) &&
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

async function readText(files: Files, path: string): Promise<string | undefined> {
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

async function writeIdentity(files: Files, directory: string, identity: DirectoryIdentity): Promise<void> {
  const temporary = `${directory}/${NAME}.new`
  await files.remove(temporary)
  const file = await files.open(temporary, 'create')
  try {
    await file.write(utf8Bytes(serialise(identity)), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(temporary, `${directory}/${NAME}`)
  await files.syncDirectory(directory)
}
