/** Processor time of this process, us. */
export function processorUs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

/**
 * Processor time an operation of each of `variants`, us, in the best of `rounds`. The variants take turns, so that what else the machine does
 * meets them alike; a round that had to wait for a processor is no longer for it.
 */
export async function leastInTurn(
  variants: number,
  rounds: number,
  operations: number,
  work: (variant: number, i: number) => unknown,
): Promise<number[]> {
  const best = Array.from({ length: variants }, () => Infinity)
  for (let round = 0; round < rounds; round++) {
    for (let variant = 0; variant < variants; variant++) {
      const start = process.cpuUsage()
      for (let i = 0; i < operations; i++) {
        const pending = work(variant, round * operations + i)
        if (pending instanceof Promise) await pending
      }
      best[variant] = Math.min(best[variant]!, processorUs(start) / operations)
    }
  }
  return best
}
