import type { Files } from '../platform/index.ts'
import { ChecksumSeeds } from './checksum-seed.ts'
import { logDirectory, segmentName } from './file-names.ts'
import { FrameFlag, checkFrame } from './frame.ts'
import { LogError } from './errors.ts'
import { listSegments, readWhole } from './scan.ts'
import { SEGMENT_HEADER_BYTES } from './segment-header.ts'

/**
 * Whether the log of a directory has a frame with entries. The first is written only when the directory is complete, so that an identity
 * which says otherwise beside it is an older one, put back. Needs no keys: a frame's checksum is over what lies on disk.
 */
export async function holdsEntries(files: Files, directory: string, directoryId: Uint8Array): Promise<boolean> {
  const path = logDirectory(directory)
  const seeds = new ChecksumSeeds(directoryId)
  const segments = await listSegments(files, path).catch((error: unknown): number[] => {
    if (error instanceof LogError && error.code === 'log_missing') return []
    throw error
  })
  for (const segment of segments) {
    const bytes = await readWhole(files, `${path}/${segmentName(segment)}`)
    for (let offset = SEGMENT_HEADER_BYTES; ;) {
      const check = checkFrame(bytes, offset, seeds.at(segment, offset))
      if (check.state !== 'valid') break
      if ((check.header.flags & FrameFlag.entries) !== 0) return true
      offset += check.header.length
    }
  }
  return false
}
