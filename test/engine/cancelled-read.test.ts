import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { QuorateError } from '../../src/model/index.ts'
import { Harness } from './harness.ts'

it('a long read stops at its next step when nobody waits for it any more', async () => {
  // Each look at the clock finds the slice over, so that every step is followed by a turn of the loop.
  let nowMs = 0
  const turns: (() => void)[] = []
  const harness = await Harness.withProject({ monotonicMs: () => (nowMs += 10), endOfTurn: task => turns.push(task) })
  const columns = [{ name: 'id', type: 'integer' }] as const
  const table = { project: 'p', table: 't' } as const
  await harness.commit({
    mutations: [
      { type: 'ddl', operation: { type: 'createTable', ...table, columns, primaryKey: ['id'] } },
      { type: 'insert', ...table, rows: Array.from({ length: 2_400 }, (_, id) => ({ id })) },
    ],
  })
  const query = {
    project: 'p',
    from: 't',
    where: { op: 'gte', column: 'id', value: 0 },
    allowFullScan: true,
    groupBy: ['id'],
    aggregates: [{ function: 'count' }],
    limit: 1,
  } as const
  const view = harness.core.view()
  const run = async (cancelAfter: number): Promise<string> => {
    const stop = { isCancelled: false }
    let isOver = false
    const read = Promise.resolve(view.read({ type: 'query', query }, 'root', stop)).then(
      () => 'answered',
      (error: unknown) => (error as QuorateError).code,
    )
    void read.finally(() => (isOver = true))
    for (let steps = 0; ; steps++) {
      await new Promise(setImmediate)
      if (isOver) return read
      stop.isCancelled = steps >= cancelAfter
      for (const turn of turns.splice(0)) turn()
    }
  }
  assert.equal(await run(Number.POSITIVE_INFINITY), 'answered')
  assert.equal(await run(0), 'cancelled')
  view.release()
})
