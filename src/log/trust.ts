import { readCheckedJson, writeCheckedJson } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import { readTextFile, replaceTextFile } from '../platform/index.ts'
import type { Files } from '../platform/index.ts'

/** `trust.json` of a data directory: that it was ever opened in the mode that passes over damage (docs/formats/data-directory.md). */
const NAME = 'trust.json'
const FORMAT = 1
const NOTE_CHARACTERS_MAX = 1000

export interface TrustDecision {
  /** What the operator has written: why the directory may be used again. */
  readonly note: string
  /** What the check said that came before it. */
  readonly verdict: string
}

export interface TrustMarker {
  /** How often the directory was opened permissively. */
  readonly openings: number
  /** Of an operator, since the last of them; null: the directory is not opened strictly. */
  readonly decision: TrustDecision | null
}

/** Undefined: never opened permissively. A file that cannot be read counts as one without a decision. */
export async function readTrust(files: Files, directory: string): Promise<TrustMarker | undefined> {
  const text = await readTextFile(files, `${directory}/${NAME}`)
  return text === undefined ? undefined : (parse(text) ?? { openings: 1, decision: null })
}

/** Records durably that the directory is opened permissively; an earlier decision is void. */
export async function markPermissive(files: Files, directory: string): Promise<void> {
  const before = await readTrust(files, directory)
  await write(files, directory, { openings: (before?.openings ?? 0) + 1, decision: null })
}

/**
 * Records an operator's decision that a directory may be opened strictly again; the caller holds its `LOCK` and has checked it.
 * @throws QuorateError `invalid_argument` for a note that says nothing or too much
 */
export async function acceptDirectory(files: Files, directory: string, decision: TrustDecision): Promise<void> {
  const { note } = decision
  if (note.trim() === '' || note.length > NOTE_CHARACTERS_MAX) {
    throw new QuorateError('invalid_argument', `a note of 1 to ${NOTE_CHARACTERS_MAX} characters says why`)
  }
  const before = await readTrust(files, directory)
  if (before !== undefined) await write(files, directory, { openings: before.openings, decision })
}

/** @throws QuorateError `untrusted_directory` */
export async function requireTrust(files: Files, directory: string): Promise<void> {
  const marker = await readTrust(files, directory)
  if (marker === undefined || marker.decision !== null) return
  const how = 'an operator decides with quorate check data --accept'
  throw new QuorateError('untrusted_directory', `${directory} was opened permissively: ${how}`)
}

function parse(text: string): TrustMarker | undefined {
  const content = readCheckedJson(text)
  if (content === undefined) return undefined
  const { format, openings, decision } = content as { format?: unknown } & Partial<TrustMarker>
  if (format !== FORMAT || !Number.isSafeInteger(openings)) return undefined
  const isDecision = decision === null || (typeof decision?.note === 'string' && typeof decision.verdict === 'string')
  return isDecision ? { openings: openings!, decision } : undefined
}

async function write(files: Files, directory: string, { openings, decision }: TrustMarker): Promise<void> {
  await replaceTextFile(files, directory, NAME, writeCheckedJson({ format: FORMAT, openings, decision }))
}
