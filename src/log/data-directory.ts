import { bytesToHex, hexToBytes, readCheckedJson, writeCheckedJson } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import { FileError, readTextFile, replaceTextFile } from '../platform/index.ts'
import { KEYS_NAME, openSeal } from '../sealing/index.ts'
import type { ConfiguredKeys, Seal } from '../sealing/index.ts'
import type { Ciphers, DirectoryLock, Files, Random } from '../platform/index.ts'
import { markPermissive, requireTrust } from './trust.ts'
import type { LogEnd } from './closed-end.ts'
import { holdsEntries } from './creation-remains.ts'
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
  /** Boot of the machine under which it was last opened. */
  lastBootId: string
  /** Where its log ended when it was closed in order; null while it is in use, and after any other end. */
  closedAt: LogEnd | null
}

/** An owned data directory. */
export interface DataDirectory {
  readonly path: string
  readonly identity: DirectoryIdentity
  /** Nothing is in it yet: log and pages are to be created, then `completed` is to be called. */
  readonly isNew: boolean
  /** It was last used under another boot of the machine and not closed in order: what was not synced may be gone. */
  readonly wasCutOff: boolean
  /** Where its log ended when it was closed in order, if nothing was written since: it must end there still. */
  readonly closedAt: LogEnd | undefined
  /** Encrypts and signs what is in it; undefined if nothing does. */
  readonly seal: Seal | undefined
  /** Records durably that log and pages were created. */
  completed(): Promise<void>
  /** Records durably that it is in use. To be awaited once its log was found to be whole, before anything in it is changed. */
  begin(): Promise<void>
  /**
   * Lets go of it; call after everything in it is closed and synced. `closedAt`: where the log ended, if it was closed in order and so
   * was all else.
   */
  close(closedAt: LogEnd | undefined): Promise<void>
}

export interface DataDirectoryOptions {
  files: Files
  random: Random
  path: string
  groupId: number
  durability: DirectoryIdentity['durability']
  /** Used when the directory is created; afterwards the directory's own page size stays. */
  pageBytes: PageBytes
  /** Identity of a directory that is created, 32 hexadecimal digits; minted if not given. */
  directoryId?: string
  ciphers: Ciphers
  /**
   * `permissive`: to be read only, whatever is damaged; that is recorded. `strict` (default): refused after such an opening, until an operator
   * has decided.
   */
  recovery?: 'strict' | 'permissive'
  /** What the directory is, or is to be, encrypted and signed with. */
  keys?: ConfiguredKeys | undefined
}

/** Bytes of a page of the keyspace; fixed when the directory is created. */
export type PageBytes = 4096 | 8192 | 16384 | 32768
const PAGE_SIZES: readonly number[] = [4096, 8192, 16384, 32768]
const NAME = 'identity.json'

/**
 * Takes ownership of a data directory, creating it where there is none.
 * @throws FileError `directory_locked` naming the holder; LogError `damaged` if its identity cannot be read; QuorateError as `openSeal`
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
  const isPermissive = options.recovery === 'permissive'
  if (isPermissive && isNew) throw new QuorateError('not_found', `${path} holds nothing yet`)
  if (!isNew && !isPermissive) await requireTrust(files, path)
  if (isNew) await removeRemains(files, path)
  const identity: DirectoryIdentity = {
    ...(isNew ? { ...newIdentity(options), ...(options.directoryId === undefined && found) } : found),
    durability,
    lastBootId: bootId,
    closedAt: null,
  }
  if (isNew) await writeIdentity(files, path, identity)
  const { random, ciphers, keys } = options
  const sealed = { files, random, ciphers, path, directoryId: identity.directoryId, keys }
  const seal = await openSeal(sealed, isNew ? 'create' : isPermissive ? 'look' : 'open')
  if (isPermissive) await markPermissive(files, path)
  return {
    seal,
    path,
    identity,
    isNew,
    wasCutOff: !isNew && found.closedAt === null && found.lastBootId !== bootId && found.durability !== 'full',
    closedAt: isNew ? undefined : (found.closedAt ?? undefined),
    async completed(): Promise<void> {
      identity.isComplete = true
      await writeIdentity(files, path, identity)
    },
    begin: () => writeIdentity(files, path, identity),
    async close(closedAt): Promise<void> {
      if (closedAt !== undefined) await writeIdentity(files, path, { ...identity, closedAt })
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
  const { groupId, durability, pageBytes, random, directoryId = bytesToHex(random.bytes(16)) } = options
  return {
    format: 1,
    directoryId,
    groupId,
    durability,
    pageBytes,
    isComplete: false,
    lastBootId: '',
    closedAt: null,
  }
}

/**
 * The identity of the directory, undefined if it has none and nothing else either. Reads only: fit for a directory in use.
 * @throws LogError `damaged` if it cannot be read, is missing where log, pages or keys are (it is the first that is written), or is
 * of an unfinished creation where the log has entries
 */
export async function readIdentity(files: Files, directory: string): Promise<DirectoryIdentity | undefined> {
  const path = `${directory}/${NAME}`
  const text = await readTextFile(files, path)
  const identity = text === undefined ? undefined : parseIdentity(text)
  const isOutdated =
    identity?.isComplete === false && (await holdsEntries(files, directory, hexToBytes(identity.directoryId)))
  if (identity !== undefined && !isOutdated) return identity
  if (text === undefined && !(await holdsData(files, directory))) return undefined
  const what =
    text === undefined
      ? 'the identity is missing, and there are data'
      : isOutdated
        ? 'the identity is older than the log, which has entries'
        : 'not an identity of a data directory'
  throw new LogError('damaged', `${path}: ${what}`, {
    damage: [{ kind: 'identity', file: path, offset: 0, what, intactEnd: { seq: 0, term: 0 } }],
  })
}

/** Whether there is anything that is written only once there is an identity. */
async function holdsData(files: Files, directory: string): Promise<boolean> {
  if ((await files.size(`${directory}/${KEYS_NAME}`)) !== undefined) return true
  for (const area of ['log', 'pages']) {
    const names = await files.list(`${directory}/${area}`).catch((error: unknown): string[] => {
      if (error instanceof FileError && error.code === 'not_found') return []
      throw error
    })
    if (names.length > 0) return true
  }
  return false
}

/** Whether the directory is a node's or a database's, be it a damaged one. */
export async function isDataDirectory(files: Files, directory: string): Promise<boolean> {
  return (await files.size(`${directory}/${NAME}`)) !== undefined || holdsData(files, directory)
}

function parseIdentity(text: string): DirectoryIdentity | undefined {
  const identity = readCheckedJson(text) as Partial<DirectoryIdentity> | undefined
  if (identity === undefined) return undefined
  const fits =
    identity.format === 1 &&
    /^[0-9a-f]{32}$/.test(identity.directoryId ?? '') &&
    Number.isSafeInteger(identity.groupId) &&
    PAGE_SIZES.includes(identity.pageBytes ?? 0) &&
    typeof identity.isComplete === 'boolean' &&
    ['full', 'batch', 'os'].includes(identity.durability ?? '') &&
    typeof identity.lastBootId === 'string' &&
    isLogEnd(identity.closedAt)
  return fits && text === writeCheckedJson(identity) ? (identity as DirectoryIdentity) : undefined
}

function isLogEnd(value: unknown): boolean {
  if (value === null) return true
  if (typeof value !== 'object') return false
  const { segment, offset, frame } = value as Partial<LogEnd>
  return [segment, offset, frame].every(number => Number.isSafeInteger(number))
}

async function writeIdentity(files: Files, directory: string, identity: DirectoryIdentity): Promise<void> {
  await replaceTextFile(files, directory, NAME, writeCheckedJson(identity))
}
