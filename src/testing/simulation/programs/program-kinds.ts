import type { SeededRandom } from '../../../platform/simulated/index.ts'

export const PROGRAM_KINDS = ['queue', 'leases', 'effects', 'events', 'bank'] as const
export type ProgramKind = (typeof PROGRAM_KINDS)[number]

/** A tenth of the seeds runs programs, of some kinds: they take as much again as all else. */
export function drawPrograms(random: SeededRandom): readonly ProgramKind[] {
  if (!random.chance(0.1)) return []
  const drawn = PROGRAM_KINDS.filter(() => random.chance(0.4))
  return drawn.length > 0 ? drawn : [random.pick(PROGRAM_KINDS)]
}
