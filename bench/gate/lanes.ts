import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { HIGH_THROUGHPUT, PROJECT, sequential, setup } from './setup.ts'
import { utf8Bytes } from '../../src/encoding/index.ts'

export async function run(): Promise<Outcome> {
  const engine = await setup(HIGH_THROUGHPUT, 200)
  await engine.ddl({ type: 'createScope', project: PROJECT, scope: 'other', ifNotExists: true })
  const kv = engine.kv(PROJECT)
  const value = new Uint8Array(32).fill(1)
  const parallel = await sequential(n => kv.set(`lane:parallel:${n}`, value))
  const [a, b] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
  let seen = 0
  const coordinator = await sequential(n => {
    seen = engine.currentHead.visibleSeq
    return engine.commit({
      mutations: [
        { type: 'kvSet', project: PROJECT, scope: 'app', key: utf8Bytes(`lane:coord:a:${n}`), value: a },
        { type: 'kvSet', project: PROJECT, scope: 'other', key: utf8Bytes(`lane:coord:b:${n}`), value: b },
      ],
    })
  })
  return new Result('benchmark_coordinator_vs_parallel_lanes')
    .add('/s', { parallel_tps: parallel.perSecond, coordinator_tps: coordinator.perSecond })
    .add('', { parallel_commits: parallel.count, coordinator_commits: coordinator.count })
    .check('the head moves', seen > 0).outcome
}
