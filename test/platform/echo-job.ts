import type { StartJob } from '../../src/platform/index.ts'
import { runThread } from '../../src/platform/node/index.ts'

/** The worker module of a thread job for tests. `init.memory` is a shared counter: each doorbell posts its value; 13 throws; the end posts 'stopped'. */
const start: StartJob = async context => {
  const { memory, directory } = context.init as { memory: Int32Array; directory: string }
  context.post({ names: await context.files.list(directory), nowMs: context.clock.monotonicMs() })
  return {
    onDoorbell: () => {
      const value = Atomics.load(memory, 0)
      if (value === 13) throw new Error('unlucky')
      context.post(value)
    },
    onStop: () => context.post('stopped'),
  }
}

await runThread(start)
