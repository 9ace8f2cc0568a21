import { MalformedBytes } from '../../encoding/index.ts'
import type { File } from '../../platform/index.ts'
import { PageDamage } from './damage.ts'
import { PageKind, SUPERBLOCK_SPACING_BYTES } from './layout.ts'
import { readChain, readMap } from './map-file.ts'
import type { KeyspaceOptions, Parts } from './opening.ts'
import { openParts } from './opening.ts'
import type { Root } from './roots.ts'
import { Scrub } from './scrub.ts'
import type { SuperblockState } from './superblock.ts'
import { decodeSuperblock, superblockBytes } from './superblock.ts'

/** A stretch of the page file that a superblock reaches, and whether it is what it should be. */
export interface InspectedRegion {
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  readonly kind: 'superblock' | 'map' | 'digests' | 'leaf' | 'branch' | 'extent' | 'unknown'
  /** Seq of the last change below; 0 where that means nothing. */
  readonly seq: number
  readonly state: 'ok' | 'damaged'
  readonly reason?: string
}

/**
 * Reads everything that either superblock of a directory reaches, changes nothing, and calls `onRegion` for each place once. The
 * keyspace must not be open. Rejects with `FileError` where the disk fails; damage is a region.
 */
export async function inspectKeyspace(
  options: KeyspaceOptions,
  onRegion: (region: InspectedRegion) => void,
): Promise<void> {
  const path = `${options.directory}/data`
  const file = await options.files.open(path, 'read')
  try {
    if (!(await inspectSuperblocks(file, options, onRegion))) return
  } finally {
    await file.close()
  }
  try {
    const { parts } = await openParts(options)
    try {
      await inspectRoots(parts, path, onRegion)
    } finally {
      await parts.file.close()
    }
  } catch (error) {
    if (!(error instanceof PageDamage)) throw error
    const { offset, length, message } = error
    onRegion({ file: path, offset, length, kind: 'map', seq: 0, state: 'damaged', reason: message })
  }
}

/** Whether there is a superblock to go on from. */
async function inspectSuperblocks(
  file: File,
  { identity }: KeyspaceOptions,
  onRegion: (region: InspectedRegion) => void,
): Promise<boolean> {
  const found: { slot: number; state: SuperblockState | undefined; length: number; reason?: string }[] = []
  for (const slot of [0, 1]) {
    const area = new Uint8Array(SUPERBLOCK_SPACING_BYTES)
    await file.read(area, slot * SUPERBLOCK_SPACING_BYTES)
    if (area.every(byte => byte === 0)) continue
    const length = superblockBytes(area)
    try {
      const state = decodeSuperblock(area)
      found.push({ slot, state, length, ...(state === undefined && { reason: 'the superblock does not hold' }) })
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      found.push({ slot, state: undefined, length, reason: error.message })
    }
  }
  const newest = Math.max(0, ...found.map(({ state }) => state?.number ?? 0))
  for (const one of found) {
    const reason = one.reason ?? misplacement(one.slot, one.state!, newest, identity.directoryId)
    onRegion({
      file: file.path,
      offset: one.slot * SUPERBLOCK_SPACING_BYTES,
      length: one.length,
      kind: 'superblock',
      seq: one.state?.seq ?? 0,
      ...(reason === undefined ? { state: 'ok' } : { state: 'damaged', reason }),
    })
  }
  if (found.length === 0) {
    const reason = 'there is no superblock'
    onRegion({ file: file.path, offset: 0, length: 16, kind: 'superblock', seq: 0, state: 'damaged', reason })
  }
  // From the second checkpoint on both slots are written.
  if (found.length === 1 && newest > 1) {
    const offset = (1 - found[0]!.slot) * SUPERBLOCK_SPACING_BYTES
    const reason = 'a superblock is missing'
    onRegion({ file: file.path, offset, length: 16, kind: 'superblock', seq: 0, state: 'damaged', reason })
  }
  return found.some(({ state }) => state !== undefined)
}

/** A superblock that passes, but is not the one that belongs here. */
function misplacement(
  slot: number,
  state: SuperblockState,
  newest: number,
  directoryId: Uint8Array,
): string | undefined {
  if (state.number % 2 !== slot) return `superblock ${state.number} belongs in the other slot`
  if (state.number + 1 < newest) return `superblock ${state.number} is older than the one before ${newest}`
  const isOwn = state.directoryId.every((byte, i) => byte === directoryId[i])
  return isOwn ? undefined : 'the superblock belongs to another directory'
}

async function inspectRoots(parts: Parts, path: string, onRegion: (region: InspectedRegion) => void): Promise<void> {
  const { storage, file, spaces, checkpointer } = parts
  const { pageBytes } = storage
  const seen = new Set<number>()
  const once = (region: InspectedRegion): void => {
    if (seen.has(region.offset) && region.state === 'ok') return
    seen.add(region.offset)
    onRegion(region)
  }
  const page = (kind: 'map' | 'digests', number: number): void =>
    once({ file: path, offset: number * pageBytes, length: pageBytes, kind, seq: 0, state: 'ok' })
  for (const held of [checkpointer.newest, checkpointer.older]) {
    if (held === undefined) continue
    const { state } = held
    const root: Root = held.root
    const { chunks, directory } = await readMap(file, state.map, () => undefined)
    for (const number of [...directory, ...chunks.map(chunk => chunk.page)]) page('map', number)
    for (const number of (await readChain(file, state.spaces, PageKind.spaces)).pages) page('digests', number)
    const scrub = new Scrub(storage, file, spaces, root)
    let isWhole = true
    for await (const { kind, offset, checkedBytes, seq, state, reason } of scrub.pages()) {
      isWhole &&= state !== 'damaged'
      const region = {
        file: path,
        offset,
        length: checkedBytes,
        kind,
        seq,
        state: state === 'damaged' ? state : ('ok' as const),
      }
      once({ ...region, ...(reason !== undefined && { reason }) })
    }
    if (isWhole && scrub.records !== root.records) {
      const reason = `${scrub.records} records where the superblock has ${root.records}`
      once({
        file: path,
        offset: root.page * pageBytes,
        length: pageBytes,
        kind: 'unknown',
        seq: root.seq,
        state: 'damaged',
        reason,
      })
    }
  }
}
