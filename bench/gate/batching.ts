import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { digits, HIGH_THROUGHPUT, openBench, PROJECT, timed } from './setup.ts'

const INDIVIDUAL = 512
const BATCHES = 64
const SIZE = 16

export async function run(): Promise<Outcome> {
  const single = (await openBench(HIGH_THROUGHPUT)).kv(PROJECT)
  const singleMs = await timed(async () => {
    for (let i = 0; i < INDIVIDUAL; i++) await single.set(`individual:${digits(i)}`, new Uint8Array(32).fill(1))
  })
  const many = (await openBench(HIGH_THROUGHPUT)).kv(PROJECT)
  const manyMs = await timed(async () => {
    for (let batch = 0; batch < BATCHES; batch++) {
      await many.setMany(
        Array.from({ length: SIZE }, (_, item) => [
          `batched:${digits(batch * SIZE + item)}`,
          new Uint8Array(32).fill(2),
        ]),
      )
    }
  })
  const individual = Math.floor((INDIVIDUAL * 1000) / singleMs)
  const batched = Math.floor((BATCHES * SIZE * 1000) / manyMs)
  return new Result('many_small_kv_batching')
    .add('', { individual_ops: INDIVIDUAL, batched_ops: BATCHES * SIZE, batch_size: SIZE })
    .add('/s', {
      individual_ops_per_sec: individual,
      batched_ops_per_sec: batched,
      batched_commits_per_sec: Math.floor((BATCHES * 1000) / manyMs),
    })
    .atLeast('batched ops/s above individual', batched, individual + 1).outcome
}
