import { QuorateError } from '../model/index.ts'
import type { Ciphers, Files, Random } from '../platform/index.ts'
import { keyId, requireLongEnough } from './configured-keys.ts'
import type { ConfiguredKeys } from './configured-keys.ts'
import { KEYS_NAME, newDataKey, readKeyFile, unwrapKey, wrapKey, writeKeyFile } from './key-file.ts'
import type { KeyFile, Purpose, WrappedKey } from './key-file.ts'
import { Seal } from './seal.ts'

const PURPOSES: readonly Purpose[] = ['encryption', 'integrity']
const NUMBER_MAX = 0xffff

/** A data directory whose `LOCK` the caller holds. */
export interface SealedDirectory {
  readonly files: Files
  readonly random: Random
  readonly ciphers: Ciphers
  readonly path: string
  /** 32 hexadecimal digits. */
  readonly directoryId: string
  readonly keys?: ConfiguredKeys | undefined
}

/**
 * The seal of a directory; undefined if it has none and no key is configured.
 * - `create`: makes the directory's keys, durably, if any key is configured.
 * - `open`: what is not wrapped by the first configured key is wrapped by it anew, durably.
 * - `look`: nothing is written.
 * @throws QuorateError `seal_key_missing` without a key that the directory needs; `seal_key_wrong` if none of the configured ones opens it;
 * `not_sealed` if a key is configured and the directory was made without; `damaged` if `keys.json` is; `invalid_argument` for short keys
 */
export async function openSeal(
  directory: SealedDirectory,
  mode: 'create' | 'open' | 'look',
): Promise<Seal | undefined> {
  const { files, path, keys = {} } = directory
  requireLongEnough(keys)
  if (mode === 'create') return createKeys(directory, keys)
  const file = await readKeyFile(files, path)
  for (const purpose of PURPOSES) requireAgreement(path, purpose, file, keys)
  if (file === undefined) return undefined
  if (file.directoryId !== directory.directoryId) throw foreign(path)
  const opened = file.keys.map(wrapped => unwrapBy(directory, wrapped, keys[wrapped.purpose]!))
  const isStale = opened.some(({ by, wrapped }) => by !== keys[wrapped.purpose]![0])
  if (isStale && mode === 'open') await writeKeyFile(files, path, wrappedAnew(directory, opened, keys))
  return sealOf(directory, opened)
}

async function createKeys(directory: SealedDirectory, keys: ConfiguredKeys): Promise<Seal | undefined> {
  const { files, path, random, directoryId } = directory
  await files.remove(`${path}/${KEYS_NAME}`)
  await files.syncDirectory(path)
  const opened = PURPOSES.flatMap(purpose => {
    const by = keys[purpose]?.[0]
    if (by === undefined) return []
    return [{ key: newDataKey(random), by, wrapped: { purpose, number: 1, isCurrent: true } }]
  })
  if (opened.length === 0) return undefined
  await writeKeyFile(files, path, wrappedAnew({ ...directory, directoryId }, opened, keys))
  return sealOf(directory, opened)
}

interface OpenedKey {
  readonly key: Uint8Array
  /** The configured key that wraps it. */
  readonly by: Uint8Array
  readonly wrapped: Pick<WrappedKey, 'purpose' | 'number' | 'isCurrent'>
}

/** What was configured is what the directory was made with, whatever the keys. */
function requireAgreement(path: string, purpose: Purpose, file: KeyFile | undefined, keys: ConfiguredKeys): void {
  const has = file?.keys.some(key => key.purpose === purpose) === true
  const isConfigured = keys[purpose] !== undefined
  if (has === isConfigured) return
  if (has) {
    throw new QuorateError('seal_key_missing', `${path} needs its ${purpose} key, and none is configured`)
  }
  const why =
    file === undefined
      ? `it has no ${KEYS_NAME}: it was made without keys, or the file is lost`
      : 'it was made without one'
  throw new QuorateError('not_sealed', `${path} does not have the ${purpose} key that is configured: ${why}`)
}

function unwrapBy(directory: SealedDirectory, wrapped: WrappedKey, configured: readonly Uint8Array[]): OpenedKey {
  const { ciphers, directoryId, path } = directory
  for (const by of configured) {
    const key = unwrapKey(ciphers, directoryId, wrapped, by)
    if (key !== undefined) return { key, by, wrapped }
  }
  const [purpose, wanted] = [wrapped.purpose, wrapped.wrappedBy]
  const ids = configured.map(key => keyId(ciphers, key)).join(', ')
  const message = `no configured ${purpose} key opens ${path}: it needs key ${wanted}, configured: ${ids}`
  throw new QuorateError('seal_key_wrong', message)
}

function wrappedAnew(directory: SealedDirectory, opened: readonly OpenedKey[], keys: ConfiguredKeys): KeyFile {
  const { ciphers, random, directoryId } = directory
  const wrapped = opened.map(({ key, wrapped }) =>
    wrapKey(ciphers, random, directoryId, wrapped, key, keys[wrapped.purpose]![0]!),
  )
  return { directoryId, keys: wrapped }
}

function sealOf({ ciphers, random }: SealedDirectory, opened: readonly OpenedKey[]): Seal {
  const encryption = opened.filter(({ wrapped }) => wrapped.purpose === 'encryption')
  const integrity = opened.find(({ wrapped }) => wrapped.purpose === 'integrity' && wrapped.isCurrent)
  const current = encryption.find(({ wrapped }) => wrapped.isCurrent)?.wrapped.number
  const keys = new Map(encryption.map(({ key, wrapped }) => [wrapped.number, key]))
  return new Seal(ciphers, random, {
    ...(current !== undefined && { encryption: { current, keys } }),
    ...(integrity !== undefined && { integrity: integrity.key }),
  })
}

function foreign(path: string): QuorateError {
  const message = `${path}/${KEYS_NAME} belongs to another directory`
  return new QuorateError('damaged', message, { detail: { file: `${path}/${KEYS_NAME}`, offset: 0 } })
}

/** What can be told of a directory's keys without any key. */
export type KeyNumbers = readonly Pick<WrappedKey, 'purpose' | 'number' | 'isCurrent' | 'wrappedBy'>[]

/** The keys that a directory has; empty if it has none. @throws QuorateError `damaged` */
export async function readKeyNumbers(files: Files, path: string): Promise<KeyNumbers> {
  const file = await readKeyFile(files, path)
  return (file?.keys ?? []).map(({ purpose, number, isCurrent, wrappedBy }) => ({
    purpose,
    number,
    isCurrent,
    wrappedBy,
  }))
}

/**
 * Gives a directory that nobody has open a new data key, durably: what is written from its next opening on is encrypted by it, what is there
 * stays readable by the former ones. Answers the new key's number.
 * @throws QuorateError as `openSeal`; `not_sealed` if the directory is not encrypted
 */
export async function rotateDataKey(directory: SealedDirectory): Promise<number> {
  const { files, random, path, keys = {} } = directory
  await openSeal(directory, 'look')
  const file = await readKeyFile(files, path)
  if (file === undefined || keys.encryption === undefined) {
    throw new QuorateError('not_sealed', `${path} is not encrypted: it has no data key`)
  }
  const opened = file.keys.map(wrapped => unwrapBy(directory, wrapped, keys[wrapped.purpose]!))
  const former = opened.map(({ wrapped, ...rest }): OpenedKey => {
    const { purpose, number } = wrapped
    return { ...rest, wrapped: { purpose, number, isCurrent: wrapped.isCurrent && purpose !== 'encryption' } }
  })
  const numbers = opened.filter(({ wrapped }) => wrapped.purpose === 'encryption').map(({ wrapped }) => wrapped.number)
  const number = Math.max(...numbers) + 1
  if (number > NUMBER_MAX) throw new QuorateError('invalid_argument', `${path} has had ${NUMBER_MAX} data keys`)
  const fresh: OpenedKey = {
    key: newDataKey(random),
    by: keys.encryption[0]!,
    wrapped: { purpose: 'encryption', number, isCurrent: true },
  }
  await writeKeyFile(files, path, wrappedAnew(directory, [...former, fresh], keys))
  return number
}
