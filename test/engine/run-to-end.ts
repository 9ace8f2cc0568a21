import assert from 'node:assert/strict'
import type { SimulatedWorld } from '../../src/platform/simulated/index.ts'

const STEP_MS = 10_000
/** Steps in which nothing happens and what is waited for may yet go on: a process reads its own files between two of them. */
const IDLE_STEPS = 100

/** Lets time go by until `task` has ended. A failure of its own is the answer's; that nothing is left to happen is one. */
export async function runToEnd<T>(world: SimulatedWorld, task: Promise<T>): Promise<T> {
  const run = { isOver: false }
  const ended = task.finally(() => (run.isOver = true))
  ended.then(undefined, () => undefined)
  for (let idle = 0; !run.isOver && idle < IDLE_STEPS;) idle = (await world.step(world.nowMs + STEP_MS)) ? 0 : idle + 1
  assert.ok(run.isOver, 'nothing is left to happen, and it has not ended')
  return ended
}
