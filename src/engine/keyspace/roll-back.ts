import { invariant } from './assert.ts'
import type { MapOnFile } from './map-file.ts'
import type { Parts } from './opening.ts'
import type { Root } from './roots.ts'

/** What an epoch that is never published is taken back to: everything besides pages, which are copied when they change. */
export interface Mark {
  readonly root: Root
  readonly live: Uint32Array
  readonly deadEntries: number
  readonly deadPages: number
  readonly spaces: Uint8Array
  readonly mapOnFile: MapOnFile | undefined
}

/** Call it before anything is written in the epoch. */
export function markNewest({ storage, spaces, checkpointer }: Parts): Mark {
  const root = storage.roots.newest
  return {
    root,
    live: storage.map.live.slice(),
    deadEntries: root.dead.length,
    deadPages: root.deadPages,
    spaces: spaces.encode(),
    mapOnFile: checkpointer.mapOnFile,
  }
}

/** Forgets everything that was written since: what died is live again, what was born is free. The newest root must be the same. */
export function rollBack({ storage, spaces, writer, checkpointer }: Parts, mark: Mark): void {
  const { roots, map } = storage
  const { root } = mark
  invariant(roots.newest === root, 'a published epoch cannot be taken back')
  writer.reset(root.page, root.pageSeq)
  writer.unpin()
  spaces.decode(mark.spaces)
  checkpointer.mapOnFile = mark.mapOnFile
  // What the root alone had seen before stays; what was added to it died in this epoch.
  root.dead.length = mark.deadEntries
  root.deadPages = mark.deadPages
  for (const [page, count] of map.revert(mark.live)) storage.free(page, count)
  // Nothing that was born in it may be taken for a page of the next.
  storage.epoch++
}
