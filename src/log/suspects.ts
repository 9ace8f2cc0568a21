import { crc32, readU32, readU64, writeU16, writeU32, writeU64 } from '../encoding/index.ts'
import type { Files } from '../platform/index.ts'
import { segmentName, suspectName, suspectOfName } from './file-names.ts'
import type { LogPosition } from './positions.ts'
import { readWhole } from './scan.ts'
import { syncDirectory, zeroRange } from './segment-files.ts'
import { lastWrittenEnd } from './walk.ts'

/**
 * Kept-aside ends of logs (DESIGN 6, docs/formats/log.md): `log/suspect-N` holds the bytes that were cut and the log's intact
 * end. While it is not resolved the replica stays suspect, across restarts: otherwise a shortened log would vote (rule W6).
 */
const SUSPECT_MAGIC = 0x53555351 // "QSUS"
const SUSPECT_VERSION = 1
export const SUSPECT_HEADER_BYTES = 512

export interface SuspectReport {
  /** Where the undecidable bytes stand, or stood. */
  readonly file: string
  readonly offset: number
  /** The last entry before them. */
  readonly intactEnd: { readonly seq: number; readonly term: number }
  /** `log/suspect-N`, once they have been set aside. */
  readonly keptAs?: string
}

export interface KeptSuspects {
  readonly unresolved: readonly (SuspectReport & { readonly at: LogPosition; readonly keptAs: string })[]
  /** Paths of all kept files, resolved ones too. */
  readonly paths: readonly string[]
  readonly nextIndex: number
}

export function encodeSuspectHeader(
  at: LogPosition,
  length: number,
  intactEnd: SuspectReport['intactEnd'],
): Uint8Array {
  const bytes = new Uint8Array(SUSPECT_HEADER_BYTES)
  writeU32(bytes, 0, SUSPECT_MAGIC)
  writeU16(bytes, 4, SUSPECT_VERSION)
  writeU32(bytes, 12, at.segment)
  writeU32(bytes, 16, at.offset)
  writeU32(bytes, 20, length)
  writeU64(bytes, 24, intactEnd.seq)
  writeU64(bytes, 32, intactEnd.term)
  writeU32(bytes, 8, crc32(bytes))
  return bytes
}

/** Finds what was set aside earlier. A kept file whose header cannot be read still counts as unresolved, with an empty end. */
export async function readSuspects(files: Files, directory: string): Promise<KeptSuspects> {
  const unresolved: KeptSuspects['unresolved'][number][] = []
  const paths: string[] = []
  let nextIndex = 1
  for (const name of await files.list(directory)) {
    const suspect = suspectOfName(name)
    if (suspect === undefined) continue
    const path = `${directory}/${name}`
    paths.push(path)
    nextIndex = Math.max(nextIndex, suspect.index + 1)
    if (!suspect.isResolved) unresolved.push(readSuspect(await readWhole(files, path), directory, path))
  }
  return { unresolved, paths, nextIndex }
}

function readSuspect(bytes: Uint8Array, directory: string, path: string): KeptSuspects['unresolved'][number] {
  const header = new Uint8Array(SUSPECT_HEADER_BYTES)
  header.set(bytes.subarray(0, SUSPECT_HEADER_BYTES))
  const crc = readU32(header, 8)
  writeU32(header, 8, 0)
  const isValid = readU32(header, 0) === SUSPECT_MAGIC && crc === crc32(header)
  const at = isValid ? { segment: readU32(header, 12), offset: readU32(header, 16) } : { segment: 0, offset: 0 }
  const intactEnd = isValid ? { seq: readU64(header, 24), term: readU64(header, 32) } : { seq: 0, term: 0 }
  return { file: `${directory}/${segmentName(at.segment)}`, offset: at.offset, intactEnd, keptAs: path, at }
}

/**
 * Copies everything from `at` to the end of what was written into `log/suspect-N`, makes the copy durable, and only then
 * zeroes the place. Repeating it after a crash in the middle changes nothing.
 */
export async function keepAside(
  files: Files,
  directory: string,
  at: LogPosition,
  intactEnd: SuspectReport['intactEnd'],
): Promise<string> {
  const kept = await readSuspects(files, directory)
  const earlier = kept.unresolved.find(each => each.at.segment === at.segment && each.at.offset === at.offset)
  const bytes = await readWhole(files, `${directory}/${segmentName(at.segment)}`)
  const end = lastWrittenEnd(bytes, at.offset)
  const path = earlier?.keptAs ?? `${directory}/${suspectName(kept.nextIndex, false)}`
  if (earlier === undefined) await writeKept(files, directory, path, at, bytes.subarray(at.offset, end), intactEnd)
  const file = await files.open(`${directory}/${segmentName(at.segment)}`, 'readWrite')
  try {
    await zeroRange(file, at.offset, end)
  } finally {
    await file.close()
  }
  return path
}

async function writeKept(
  files: Files,
  directory: string,
  path: string,
  at: LogPosition,
  bytes: Uint8Array,
  intactEnd: SuspectReport['intactEnd'],
): Promise<void> {
  const partial = `${path}.partial`
  await files.remove(partial)
  const file = await files.open(partial, 'create')
  try {
    await file.write(encodeSuspectHeader(at, bytes.length, intactEnd), 0)
    await file.write(bytes, SUSPECT_HEADER_BYTES)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(partial, path)
  await syncDirectory(files, directory)
}

/** Marks every kept file as resolved: the place was supplied again by a leader, or nobody else has a vote. */
export async function resolveSuspects(files: Files, directory: string): Promise<void> {
  let isChanged = false
  for (const name of await files.list(directory)) {
    const suspect = suspectOfName(name)
    if (suspect === undefined || suspect.isResolved) continue
    await files.rename(`${directory}/${name}`, `${directory}/${suspectName(suspect.index, true)}`)
    isChanged = true
  }
  if (isChanged) await syncDirectory(files, directory)
}
