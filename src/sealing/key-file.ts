import { bytesToHex, hexToBytes, readCheckedJson, utf8Bytes, writeCheckedJson } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import { readTextFile, replaceTextFile } from '../platform/index.ts'
import type { Ciphers, Files, Random } from '../platform/index.ts'
import { keyId } from './configured-keys.ts'

/** `keys.json` of a data directory (docs/formats/keys.md). */
export const KEYS_NAME = 'keys.json'
const FORMAT = 1
const NONCE_BYTES = 12
const DATA_KEY_BYTES = 32

export type Purpose = 'encryption' | 'integrity'

/** A key of the directory, encrypted by a configured one. */
export interface WrappedKey {
  readonly purpose: Purpose
  /** From 1, rising; never given again. */
  readonly number: number
  /** What is written from now on uses it; one of each purpose is. */
  readonly isCurrent: boolean
  /** `keyId` of the configured key. */
  readonly wrappedBy: string
  /** Hexadecimal. */
  readonly nonce: string
  readonly wrapped: string
  readonly tag: string
}

export interface KeyFile {
  readonly directoryId: string
  readonly keys: readonly WrappedKey[]
}

/** What of a wrapped key the configured one vouches for. */
type Named = Pick<WrappedKey, 'purpose' | 'number' | 'isCurrent'>

/** Undefined if the directory has no such file. @throws QuorateError `damaged` */
export async function readKeyFile(files: Files, directory: string): Promise<KeyFile | undefined> {
  const path = `${directory}/${KEYS_NAME}`
  const text = await readTextFile(files, path)
  if (text === undefined) return undefined
  const file = parse(text)
  if (file !== undefined) return file
  throw new QuorateError('damaged', `${path}: not the keys of a data directory`, { detail: { file: path, offset: 0 } })
}

export async function writeKeyFile(files: Files, directory: string, file: KeyFile): Promise<void> {
  await replaceTextFile(files, directory, KEYS_NAME, serialise(file))
}

/** Encrypts a key of the directory under a configured one. */
export function wrapKey(
  ciphers: Ciphers,
  random: Random,
  directoryId: string,
  named: Named,
  key: Uint8Array,
  configured: Uint8Array,
): WrappedKey {
  const nonce = random.bytes(NONCE_BYTES)
  const wrapped = key.slice()
  const tag = ciphers.encrypt(wrappingKey(ciphers, configured, named), nonce, context(directoryId, named), [wrapped])
  const hex = { nonce: bytesToHex(nonce), wrapped: bytesToHex(wrapped), tag: bytesToHex(tag) }
  const { purpose, number, isCurrent } = named
  return { purpose, number, isCurrent, wrappedBy: keyId(ciphers, configured), ...hex }
}

/** The key, undefined if it was not wrapped by this configured one, in this directory, as what it is said to be. */
export function unwrapKey(
  ciphers: Ciphers,
  directoryId: string,
  wrapped: WrappedKey,
  configured: Uint8Array,
): Uint8Array | undefined {
  const key = hexToBytes(wrapped.wrapped)
  const [nonce, tag] = [hexToBytes(wrapped.nonce), hexToBytes(wrapped.tag)]
  const wrapping = wrappingKey(ciphers, configured, wrapped)
  return ciphers.decrypt(wrapping, nonce, context(directoryId, wrapped), tag, [key]) ? key : undefined
}

export function newDataKey(random: Random): Uint8Array {
  return random.bytes(DATA_KEY_BYTES)
}

function wrappingKey(ciphers: Ciphers, configured: Uint8Array, { purpose }: Named): Uint8Array {
  return ciphers.hmacSha256(configured, [utf8Bytes(`quorate key wrapping ${purpose}`)])
}

function context(directoryId: string, { purpose, number, isCurrent }: Named): Uint8Array {
  return utf8Bytes(`${directoryId} ${purpose} ${number} ${isCurrent ? 'current' : 'former'}`)
}

function serialise({ directoryId, keys }: KeyFile): string {
  const content = { format: FORMAT, directoryId, keys: keys.map(ordered) }
  return writeCheckedJson(content)
}

function ordered({ purpose, number, isCurrent, wrappedBy, nonce, wrapped, tag }: WrappedKey): WrappedKey {
  return { purpose, number, isCurrent, wrappedBy, nonce, wrapped, tag }
}

function parse(text: string): KeyFile | undefined {
  const content = readCheckedJson(text)
  if (content === undefined || content['format'] !== FORMAT) return undefined
  const { directoryId, keys } = content as { directoryId?: unknown; keys?: unknown }
  if (typeof directoryId !== 'string' || !/^[0-9a-f]{32}$/.test(directoryId)) return undefined
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isWrappedKey)) return undefined
  return { directoryId, keys }
}

function isWrappedKey(value: unknown): value is WrappedKey {
  if (value === null || typeof value !== 'object') return false
  const { purpose, number, isCurrent, wrappedBy, nonce, wrapped, tag } = value as Partial<WrappedKey>
  const isHex = (text: unknown, bytes: number): boolean =>
    typeof text === 'string' && text.length === 2 * bytes && /^[0-9a-f]*$/.test(text)
  return (
    (purpose === 'encryption' || purpose === 'integrity') &&
    Number.isInteger(number) &&
    number! >= 1 &&
    number! <= 0xffff &&
    typeof isCurrent === 'boolean' &&
    isHex(wrappedBy, 8) &&
    isHex(nonce, NONCE_BYTES) &&
    isHex(wrapped, DATA_KEY_BYTES) &&
    isHex(tag, 16)
  )
}
