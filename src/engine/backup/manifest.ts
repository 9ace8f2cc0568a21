import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { bytesToHex, hexToBytes, utf8Bytes } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { SnapshotManifest } from '../../model/index.ts'
import { readTextFile, replaceTextFile } from '../../platform/index.ts'
import type { Files } from '../../platform/index.ts'
import { requireKnownLevel } from '../feature-level.ts'

/** A file of a backup as its manifest describes it. */
export interface BackedUpFile {
  readonly bytes: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/** The newest entry that a backup has, and the state after it. */
export interface BackupHead {
  readonly seq: number
  readonly chain: number
  readonly leaderTimeMicros: number
  readonly effectChain?: number
  /** S, lo and hi. */
  readonly sum?: readonly [number, number]
}

/** `manifest.json` of a backup (docs/formats/backup.md). */
export interface BackupManifest {
  /** A backup of a later format is refused; one of a later minor version of the same is read, without what it adds. */
  readonly format: 1
  /** Absent = 0. From 1 on `writtenBy` and the digests of `head` are there. */
  readonly minor?: number
  /** Version of the package that wrote it. */
  readonly writtenBy?: string
  /** 32 hexadecimal digits. */
  readonly backupId: string
  readonly type: 'full' | 'incremental'
  /** Of the backup that an incremental one continues. */
  readonly parentId?: string
  readonly historyId: string
  /** Wall clock of the machine that took it, us. */
  readonly takenAtMicros: number
  /** The state that the images give, on top of that of the parent for an incremental backup. */
  readonly state: {
    readonly seq: number
    readonly term: number
    readonly chain: number
    readonly effectChain: number
    /** S, lo and hi. */
    readonly sum: readonly [number, number]
    readonly leaderTimeMicros: number
    readonly featureLevel: number
    /** The configuration entry that was in force, hexadecimal. */
    readonly configuration: string
    /** Only what changed after it is in the images; 0 = everything is. */
    readonly sinceSeq: number
  }
  /** Entries of the log; none if `lastSeq` is below `firstSeq`. Reach `head`. */
  readonly entries: { readonly firstSeq: number; readonly lastSeq: number }
  /** What the backup can be restored to at most. */
  readonly head: BackupHead
  readonly files: { readonly images: BackedUpFile; readonly entries: BackedUpFile }
}

export const MANIFEST = 'manifest.json'
export const CHECK = 'manifest.check'
export const BACKUP_FORMAT = 1
export const BACKUP_MINOR = 1
export const IMAGES = 'images'
export const ENTRIES = 'entries'
const KEY_BYTES_MIN = 32

const SIGNED = 'hmac-sha256'
const UNSIGNED = 'sha256'

/** What stands beside a manifest: HMAC-SHA-256 with a key, else SHA-256. */
function checkText(manifest: string, key: Uint8Array | undefined): string {
  const hash = key === undefined ? createHash('sha256') : createHmac('sha256', key)
  return `${key === undefined ? UNSIGNED : SIGNED} ${hash.update(manifest).digest('hex')}\n`
}

/** @throws QuorateError `invalid_argument` for a key that is too short */
export function requireIntegrityKey(key: Uint8Array | undefined): void {
  if (key === undefined || key.length >= KEY_BYTES_MIN) return
  throw new QuorateError('invalid_argument', `a key of a backup has at least ${KEY_BYTES_MIN} bytes, not ${key.length}`)
}

/** What the last two files of a backup hold. */
export interface ManifestTexts {
  readonly manifest: string
  readonly check: string
}

export function manifestTexts(manifest: BackupManifest, key: Uint8Array | undefined): ManifestTexts {
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`
  return { manifest: text, check: checkText(text, key) }
}

/** Writes the manifest, last of all: without it there is no backup. */
export async function writeManifest(
  files: Files,
  directory: string,
  manifest: BackupManifest,
  key: Uint8Array | undefined,
): Promise<void> {
  await writeManifestTexts(files, directory, manifestTexts(manifest, key))
}

/** The same of what `manifestTexts` gave. */
export async function writeManifestTexts(
  files: Files,
  directory: string,
  { manifest, check }: ManifestTexts,
): Promise<void> {
  await replaceTextFile(files, directory, CHECK, check)
  await replaceTextFile(files, directory, MANIFEST, manifest)
}

/**
 * @throws QuorateError `not_found` where there is no finished backup; `damaged` if it is not what was written, or was made with another
 * key; `invalid_argument` without the key that it needs; `unsupported_version`
 */
export async function readManifest(
  files: Files,
  directory: string,
  key: Uint8Array | undefined,
): Promise<BackupManifest> {
  requireIntegrityKey(key)
  const text = await readTextFile(files, `${directory}/${MANIFEST}`)
  if (text === undefined) throw new QuorateError('not_found', `${directory} holds no finished backup`)
  const check = (await readTextFile(files, `${directory}/${CHECK}`)) ?? ''
  if (check.startsWith(`${SIGNED} `) && key === undefined) {
    throw new QuorateError('invalid_argument', `${directory} was signed: its key is needed`)
  }
  if (check.startsWith(`${UNSIGNED} `) && key !== undefined) {
    throw damaged(`${directory}/${CHECK}`, 'the backup is not signed, so anybody may have made it')
  }
  const [found, wanted] = [check, checkText(text, key)].map(utf8Bytes)
  if (found!.length !== wanted!.length || !timingSafeEqual(found!, wanted!)) {
    throw damaged(`${directory}/${MANIFEST}`, 'the manifest is not the one that was written')
  }
  return parseManifest(text, directory)
}

/**
 * A manifest from its text, whose sums have been compared or do not matter.
 * @throws QuorateError `unsupported_version` for a later format or feature level; `damaged` if it is no manifest
 */
function parseManifest(text: string, directory: string): BackupManifest {
  const data = objectOf(text)
  const format: unknown = data?.format
  if (typeof format === 'number' && format !== BACKUP_FORMAT) {
    throw new QuorateError(
      'unsupported_version',
      `${directory} has format ${format}; this version reads ${BACKUP_FORMAT}`,
    )
  }
  if (data === undefined || !isManifest(data)) throw damaged(`${directory}/${MANIFEST}`, 'this is no manifest')
  requireKnownLevel(data.state.featureLevel, directory)
  return data
}

function objectOf(text: string): Partial<BackupManifest> | undefined {
  try {
    const data: unknown = JSON.parse(text)
    return typeof data === 'object' && data !== null ? data : undefined
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}

const ID = /^[0-9a-f]{32}$/
const SHA256 = /^[0-9a-f]{64}$/

function isManifest(data: Partial<BackupManifest>): data is BackupManifest {
  const { format, minor, backupId, parentId, type, historyId, takenAtMicros, state, entries, head, files } = data
  const isFile = (file: BackedUpFile | undefined): boolean => areNumbers(file?.bytes) && SHA256.test(file?.sha256 ?? '')
  return (
    format === BACKUP_FORMAT &&
    (minor === undefined || areNumbers(minor)) &&
    ID.test(backupId ?? '') &&
    ID.test(historyId ?? '') &&
    (type === 'full' ? parentId === undefined : type === 'incremental' && ID.test(parentId ?? '')) &&
    areNumbers(takenAtMicros, state?.seq, state?.term, state?.chain, state?.effectChain, state?.leaderTimeMicros) &&
    areNumbers(state?.featureLevel, state?.sinceSeq, state?.sum?.[0], state?.sum?.[1]) &&
    /^([0-9a-f]{2})+$/.test(state?.configuration ?? '') &&
    areNumbers(entries?.firstSeq, entries?.lastSeq, head?.seq, head?.chain, head?.leaderTimeMicros) &&
    (head?.sum === undefined || areNumbers(head.effectChain, head.sum[0], head.sum[1])) &&
    isFile(files?.images) &&
    isFile(files?.entries)
  )
}

function areNumbers(...values: unknown[]): boolean {
  return values.every(value => Number.isSafeInteger(value) && (value as number) >= 0)
}

/** The state of a snapshot, as a manifest has it. */
export function stateOf({ sum, configuration, historyId: _, ...state }: SnapshotManifest): BackupManifest['state'] {
  return { ...state, sum: [sum.lo, sum.hi], configuration: bytesToHex(configuration) }
}

/** The way back: what a state machine that installs the images is told. */
export function snapshotOf({ state, historyId }: Pick<BackupManifest, 'state' | 'historyId'>): SnapshotManifest {
  const { sum, configuration, ...rest } = state
  return { ...rest, historyId, sum: { lo: sum[0], hi: sum[1] }, configuration: hexToBytes(configuration) }
}

export function damaged(file: string, what: string, offset = 0, cause?: unknown): QuorateError {
  return new QuorateError('damaged', `${file}: ${what}`, { detail: { file, offset }, cause })
}
