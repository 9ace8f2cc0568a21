/** What transactions make easy, on `Database` alone and by leader time: queues, leases with fencing tokens, effects that happen once. */
export { Effects } from './effects.ts'
export type { EffectState } from './effects.ts'
export { Leases } from './leases.ts'
export type { Lease, LeaseStatus } from './leases.ts'
export type { LayerNamespace } from './namespace.ts'
export type { TaskState } from './queue-table.ts'
export { openQueue, Queue } from './queue.ts'
export type { ClaimedTask, ClaimTasksOptions, CompleteOptions, EnqueueOptions, Task } from './queue.ts'
