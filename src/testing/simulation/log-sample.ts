import type { SeededRandom, SimulatedDisk } from '../../platform/simulated/index.ts'

const SAMPLE_BYTES = 512

/** Bytes near the end of a machine's log as it is in its page cache; empty where there is no log yet. */
export function sampleLog(disk: SimulatedDisk, random: SeededRandom): Uint8Array {
  const path = disk.paths('/data/log').findLast(name => name.includes('/segment-') && hasFrames(disk.contents(name)))
  if (path === undefined) return new Uint8Array(0)
  const bytes = disk.contents(path)
  const end = bytes.findLastIndex(byte => byte !== 0) + 1
  const from = Math.max(0, end - random.between(SAMPLE_BYTES, 3 * SAMPLE_BYTES)) & ~7
  return bytes.slice(from, from + SAMPLE_BYTES)
}

/** Something behind the header. */
function hasFrames(bytes: Uint8Array): boolean {
  return bytes.subarray(SAMPLE_BYTES).some(byte => byte !== 0)
}
