import { setFlagsFromString } from 'node:v8'

/** How much garbage, in percent of what lives, may gather before a full collection. */
const GROWING_PERCENT = 300

/**
 * For a process that is a node and nothing else. V8 counts the buffers of frames as its heap's growth and allows about as much garbage
 * as there is living heap, which in a node is small beside its pages: under writes it ran a full collection two to four times a second,
 * with pauses of up to tens of milliseconds (bench/RESULTS.md).
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`)
}
