import type { SimulatedDisk, SeededRandom } from '../../platform/simulated/index.ts'

const FILES = ['/data/pages/data', '/data/log/votes']
const SECTOR_BYTES = 512
/** A frame without entries (docs/formats/log.md). */
const MARK_BYTES = 184

/**
 * What a medium does that rots, to files of a machine that is down: a bit flips, or a sector of the log is empty. What the node then
 * finds it must name, and not serve from; where nothing was, nothing is lost. Only ever on one machine, so that two good copies of
 * everything stay. Sectors are lost only where a later frame proves that they were written: `isMarked` = the log's end is marked.
 */
export function rot(disk: SimulatedDisk, random: SeededRandom, isMarked: boolean): string | undefined {
  const segments = disk.paths('/data/log').filter(path => path.includes('/segment-'))
  if (isMarked && random.chance(0.5)) return loseSector(disk, random, segments)
  const path = random.chance(0.7) && segments.length > 0 ? random.pick(segments) : random.pick(FILES)
  const bytes = disk.has(path) ? disk.contents(path) : new Uint8Array(0)
  if (bytes.length === 0) return undefined
  // Where something stands: the rest of a prepared segment is empty.
  const place = Array.from({ length: 40 }, () => random.below(bytes.length)).find(at => bytes[at] !== 0)
  if (place === undefined) return undefined
  disk.flipBit(path, place, random.below(8))
  return `a bit of ${path} at ${place} flips`
}

/**
 * A sector of the last segment in use, but none of the mark at its end, which proves the others; now and then the last one before that,
 * which nothing else proves.
 */
function loseSector(disk: SimulatedDisk, random: SeededRandom, segments: readonly string[]): string | undefined {
  for (const path of segments.toReversed()) {
    const bytes = disk.contents(path)
    const end = bytes.findLastIndex(byte => byte !== 0)
    if (end < 0) continue
    const last = Math.floor((end + 1 - MARK_BYTES) / SECTOR_BYTES) - 1
    if (last < 1) return undefined
    const sector = random.chance(0.5) ? last : random.between(1, last)
    disk.zero(path, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
    return `sector ${sector} of ${path} is lost`
  }
  return undefined
}
