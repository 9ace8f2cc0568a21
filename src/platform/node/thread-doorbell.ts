/** The words of the memory by which a thread is woken: how often it was rung, and whether it shall end. */
export const RING = 0
export const STOP = 1

/** What a worker is started with. */
export interface WorkerStart {
  init: unknown
  doorbell: Int32Array
}
