/** The ports on Node. Bound only by the composition roots: `src/entry` and `src/node`. */
export { drainMicrotasks } from './drain.ts'
