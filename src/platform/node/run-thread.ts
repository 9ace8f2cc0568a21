import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import type { StartJob } from '../index.ts'
import { nodeFiles } from './files.ts'
import { RING, STOP, monotonicOriginMs } from './thread-doorbell.ts'
import type { WorkerStart } from './thread-doorbell.ts'

/**
 * The main line of a worker thread: starts its job, then handles doorbells until told to stop. The module that `nodeThreads` binds
 * to a job's name is a line or two: it imports the job and says `await runThread(startJob)`.
 */
export async function runThread(startJob: StartJob): Promise<void> {
  const port = parentPort
  if (port === null) throw new Error('runThread is for the module of a worker thread')
  const { init, doorbell, originMs } = workerData as WorkerStart
  const aheadMs = monotonicOriginMs() - originMs
  const job = await startJob({
    init,
    files: nodeFiles(),
    clock: { monotonicMs: () => performance.now() + aheadMs },
    post: message => port.postMessage(message),
  })
  let handled = 0
  while (Atomics.load(doorbell, STOP) === 0) {
    const rung = Atomics.load(doorbell, RING)
    if (rung === handled) {
      Atomics.wait(doorbell, RING, rung)
      continue
    }
    handled = rung // before the work: what is rung during it brings another round
    job.onDoorbell()
  }
  if (Atomics.load(doorbell, RING) - handled > 1) job.onDoorbell() // rung before it was stopped (stop itself rings once)
  job.onStop?.()
}
