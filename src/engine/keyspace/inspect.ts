import { bytesToHex } from '../../encoding/index.ts'
import type { File } from '../../platform/index.ts'
import { PageDamage } from './damage.ts'
import { PageKind } from './layout.ts'
import { readChain, readMap } from './map-file.ts'
import type { KeyspaceOptions, Parts } from './opening.ts'
import { openParts } from './opening.ts'
import type { Root } from './roots.ts'
import { Scrub } from './scrub.ts'
import { judgeSlots, readSlots, wholeSuperblocks } from './superblock-slots.ts'
import type { SuperblockProof } from './superblock-slots.ts'
import type { SuperblockState } from './superblock.ts'

/** A stretch of the page file that a superblock reaches, and whether it is what it should be. */
export interface InspectedRegion {
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  readonly kind: 'superblock' | 'map' | 'digests' | 'leaf' | 'branch' | 'extent' | 'unknown'
  /** Seq of the last change below; 0 where that means nothing. */
  readonly seq: number
  /** `torn`: a superblock that a loss of power cut short; the other one counts. */
  readonly state: 'ok' | 'torn' | 'damaged'
  readonly reason?: string
}

/**
 * Reads everything that either superblock of a directory reaches, changes nothing, and calls `onRegion` for each place once. The
 * keyspace must not be open; `proof` is what its log says of the superblocks. Rejects with `FileError` where the disk fails; damage is a region.
 * Resolves to the superblock that counts, if there is one to go on from.
 */
export async function inspectKeyspace(
  options: KeyspaceOptions,
  proof: SuperblockProof,
  onRegion: (region: InspectedRegion) => void,
): Promise<SuperblockState | undefined> {
  const path = `${options.directory}/data`
  const file = await options.files.open(path, 'read')
  let newest: SuperblockState | undefined
  try {
    newest = await inspectSuperblocks(file, options, proof, onRegion)
    if (newest === undefined) return undefined
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
  return newest
}

/** The superblock to go on from. */
async function inspectSuperblocks(
  file: File,
  { identity, seal }: KeyspaceOptions,
  proof: SuperblockProof,
  onRegion: (region: InspectedRegion) => void,
): Promise<SuperblockState | undefined> {
  const slots = await readSlots(file, seal)
  for (const [i, verdict] of judgeSlots(slots, proof, identity.directoryId).entries()) {
    if (verdict.kind === 'absent') continue
    const { offset, length, state } = slots[i]!
    const region = { file: file.path, offset, length, kind: 'superblock' as const, seq: state?.seq ?? 0 }
    if (verdict.kind === 'damaged') onRegion({ ...region, state: 'damaged', reason: verdict.reason })
    else if (verdict.kind === 'torn')
      onRegion({ ...region, state: 'torn', reason: 'a loss of power cut its write short' })
    else onRegion({ ...region, state: 'ok' })
  }
  return slots.every(({ misunderstood }) => misunderstood === undefined) ? wholeSuperblocks(slots)[0] : undefined
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
    const wrong = isWhole ? wrongCount(scrub, root) : undefined
    if (wrong !== undefined) {
      once({
        file: path,
        offset: root.page * pageBytes,
        length: pageBytes,
        kind: 'unknown',
        seq: root.seq,
        state: 'damaged',
        reason: wrong,
      })
    }
  }
}

function wrongCount(scrub: Scrub, root: Root): string | undefined {
  if (scrub.records !== root.records) return `${scrub.records} records where the superblock has ${root.records}`
  const space = scrub.wrongSpace()
  return space === undefined ? undefined : `the space ${bytesToHex(space)} does not hold what the superblock says`
}
