import { setFlagsFromString } from 'node:v8'

/** How much garbage, in percent of what lives, may gather before a full collection. */
const GROWING_PERCENT = 300
/** How much of a function must have run, in bytes of its code, before V8 looks whether to optimise it; its default is four times that. */
const INTERRUPT_BUDGET = 16_000

/**
 * For a process that is a node and nothing else, of its V8 (figures in bench/RESULTS.md).
 *
 * Heap: V8 counts the buffers of frames as its heap's growth and allows about as much garbage as there is living heap, which in a node is
 * small beside its pages: under writes it ran a full collection two to four times a second, with pauses of up to tens of milliseconds.
 * It also takes objects to be long-lived, for good, of which the first hundred or so from one place in the code were all alive at a
 * collection. Those of a node's first burst of writes are: they wait for their outcomes. From then on a leader's requests were laid where
 * only a full collection looks, with all that hangs on them: 700 bytes a write, copied once more, and no memory was saved for it.
 *
 * Code: a turn of a node goes through a lot of code once, instead of through little code often, so that V8 left most of it unoptimised for
 * minutes: a third of the processor time at 64 writers, more than half of that of a lone one. From V8 12 on (Node 22) there is no such
 * budget: V8 counts calls, and prints an error for a flag that it does not know.
 */
export function tuneForLongRun(): void {
  for (const flag of longRunFlags(process.versions.v8)) setFlagsFromString(flag)
}

/** Only flags that this version of V8 has: it prints an error for one that it does not know, and goes on without. */
export function longRunFlags(v8Version: string): string[] {
  const heap = [`--heap-growing-percent=${GROWING_PERCENT}`, '--no-allocation-site-pretenuring']
  return Number.parseInt(v8Version, 10) < 12 ? [...heap, `--interrupt-budget=${INTERRUPT_BUDGET}`] : heap
}

/**
 * The environment for a process that is a node and nothing else. Where Linux gives large pages to those who ask for them (`madvise`, the
 * usual setting), glibc is told to ask: a set on one of many keys spends a fifth of its time on the way to pages that the processor has no address
 * of. Only the start of a process can ask for it; other libraries know nothing of the variable. What the operator has set stays.
 */
export function longRunEnvironment(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { GLIBC_TUNABLES: LARGE_PAGES, ...variables }
}

const LARGE_PAGES = 'glibc.malloc.hugetlb=1'
