import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { hexToBytes, utf8Bytes } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { SnapshotManifest } from '../../model/index.ts'
import { readTextFile, replaceTextFile } from '../../platform/index.ts'
import type { Files } from '../../platform/index.ts'

/** A file of a backup as its manifest describes it. */
export interface BackedUpFile {
  readonly bytes: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/** `manifest.json` of a backup (docs/formats/backup.md). */
export interface BackupManifest {
  readonly format: 1
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
  readonly head: { readonly seq: number; readonly chain: number; readonly leaderTimeMicros: number }
  readonly files: { readonly images: BackedUpFile; readonly entries: BackedUpFile }
}

const MANIFEST = 'manifest.json'
const CHECK = 'manifest.check'
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

/** Writes the manifest, last of all: without it there is no backup. */
export async function writeManifest(
  files: Files,
  directory: string,
  manifest: BackupManifest,
  key: Uint8Array | undefined,
): Promise<void> {
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`
  await replaceTextFile(files, directory, CHECK, checkText(text, key))
  await replaceTextFile(files, directory, MANIFEST, text)
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
  const manifest = JSON.parse(text) as BackupManifest
  if (manifest.format !== 1) {
    throw new QuorateError('unsupported_version', `${directory} has format ${String(manifest.format)}`)
  }
  return manifest
}

/** What a state machine that installs the images is told. */
export function snapshotOf({ state, historyId }: BackupManifest): SnapshotManifest {
  const { sum, configuration, ...rest } = state
  return { ...rest, historyId, sum: { lo: sum[0], hi: sum[1] }, configuration: hexToBytes(configuration) }
}

export function damaged(file: string, what: string, offset = 0, cause?: unknown): QuorateError {
  return new QuorateError('damaged', `${file}: ${what}`, { detail: { file, offset }, cause })
}
