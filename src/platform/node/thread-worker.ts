/** The first code of every worker thread: starts its job, then handles doorbells until told to stop. See `nodeThreads`. */
import { parentPort, workerData } from 'node:worker_threads'
import type { StartJob } from '../index.ts'
import { nodeFiles } from './files.ts'
import { RING, STOP } from './thread-doorbell.ts'
import type { WorkerStart } from './thread-doorbell.ts'

const { module, init, doorbell } = workerData as WorkerStart
const { start } = (await import(module)) as { start: StartJob }
const job = await start({ init, files: nodeFiles(), post: message => parentPort?.postMessage(message) })

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
job.onStop?.()
