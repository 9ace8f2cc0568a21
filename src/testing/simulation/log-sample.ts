import type { SeededRandom, SimulatedDisk } from '../../platform/simulated/index.ts'

const SAMPLE_BYTES = 512

/** Where a log ends: the newest segment with frames, and the end of them. */
interface LogEnd {
  readonly path: string
  readonly bytes: Uint8Array
  readonly end: number
}

/**
 * Bytes near the end of a log as it is in the page cache of its machine; empty where there is none yet. One time in two of the log that
 * has come furthest: its frames say of themselves that all is synced up to a place that the other logs have not reached. `foreign` is a
 * frame of a log elsewhere, which is taken as often.
 */
export function sampleLog(
  disks: readonly SimulatedDisk[],
  random: SeededRandom,
  foreign: Uint8Array | undefined,
): Uint8Array {
  if (foreign !== undefined && random.chance(0.5)) return foreign
  const chosen = random.chance(0.5) ? [random.pick(disks)] : disks
  const ends = chosen.map(endOf).filter(end => end !== undefined)
  const [furthest] = ends.sort((a, b) => (a.path === b.path ? b.end - a.end : a.path < b.path ? 1 : -1))
  if (furthest === undefined) return new Uint8Array(0)
  const from = Math.max(0, furthest.end - random.between(SAMPLE_BYTES, 3 * SAMPLE_BYTES)) & ~7
  return furthest.bytes.slice(from, from + SAMPLE_BYTES)
}

function endOf(disk: SimulatedDisk): LogEnd | undefined {
  for (const path of disk.paths('/data/log').toReversed()) {
    if (!path.includes('/segment-')) continue
    const bytes = disk.contents(path)
    const end = bytes.findLastIndex(byte => byte !== 0) + 1
    // Something behind the header.
    if (end > SAMPLE_BYTES) return { path, bytes, end }
  }
  return undefined
}
