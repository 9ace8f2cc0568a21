import type { SimulatedDisk, SeededRandom } from '../../platform/simulated/index.ts'

const FILES = ['/data/pages/data', '/data/log/votes']

/**
 * Flips bits in files of a machine that is down, as a medium does that rots. What the node then finds it must name, and not serve from;
 * where nothing was, nothing is lost. Only ever on one machine, so that two good copies of everything stay.
 */
export async function rot(disk: SimulatedDisk, random: SeededRandom): Promise<string | undefined> {
  const files = disk.files()
  const segments = (await files.list('/data/log').catch(() => [])).filter(name => name.startsWith('segment-'))
  const path = random.chance(0.7) && segments.length > 0 ? `/data/log/${random.pick(segments)}` : random.pick(FILES)
  const size = await files.size(path)
  if (size === undefined || size === 0) return undefined
  const bytes = disk.contents(path)
  // Where something stands: the rest of a prepared segment is empty.
  const places = Array.from({ length: 40 }, () => random.below(size)).filter(place => bytes[place] !== 0)
  const [place] = places
  if (place === undefined) return undefined
  disk.flipBit(path, place, random.below(8))
  return `${path} at ${place}`
}
