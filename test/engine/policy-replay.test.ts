import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { formatToken, parseToken } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const OPTIONS: EngineOptions = { pageBytes: 4096, budgetBytes: 1 << 20 }
const T = { project: 'p', scope: 'app', table: 'notes' }
const OWNERS = ['ann', 'ben']

async function rowsOf(engine: Engine, token?: string): Promise<string[]> {
  const options = token === undefined ? {} : { consistency: { atSeq: token } }
  const rows = await engine
    .table(T)
    .query(q => q.orderBy('id').limit(100))
    .all(options)
  return rows.map(row => `${String(row['id'])} ${String(row['owner'])} ${String(row['note'])}`)
}

describe(`updates and deletes by a condition under a read policy (seed ${seed})`, () => {
  it('change the same rows when they are replayed, whoever may see what by then', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const states: { token: string; rows: string[] }[] = []
    await world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', OPTIONS, machine.start())
        await engine.ddl([
          { type: 'createProject', project: 'p' },
          {
            type: 'createTable',
            ...T,
            columns: [
              { name: 'id', type: 'integer' },
              { name: 'owner', type: 'text' },
              { name: 'note', type: 'text' },
            ],
            primaryKey: ['id'],
          },
          { type: 'setReadPolicy', ...T, policy: { op: 'eq', column: 'owner', value: { caller: true } } },
          ...OWNERS.flatMap(caller =>
            (['tableRead', 'tableWrite'] as const).map(
              type => ({ type: 'grant', caller, permission: { type, ...T } }) as const,
            ),
          ),
        ])
        const rows = Array.from({ length: 12 }, (_, id) => ({ id, owner: OWNERS[id % 2]!, note: '' }))
        await engine.table(T).insertMany(rows)
        const [ann, ben] = OWNERS.map(caller => engine.as(caller).table(T))
        const note = async (): Promise<void> => {
          await using view = await engine.view()
          states.push({ token: view.token, rows: await rowsOf(engine) })
        }
        assert.equal(await ann!.updateWhere(undefined, { note: 'by ann' }), 6)
        await note()
        assert.equal(await ben!.deleteWhere(() => ({ op: 'lt', column: 'id', value: 6 })), 3)
        await note()
        assert.equal(await ben!.updateWhere(undefined, { note: 'first' }, { limit: 1 }), 1)
        await note()
        // From now on others see other rows: what was done before stays what it was.
        await engine.ddl({
          type: 'setReadPolicy',
          ...T,
          policy: { op: 'ne', column: 'owner', value: { caller: true } },
        })
        assert.equal(await ben!.updateWhere(undefined, { note: 'by ben' }, { limit: 2 }), 2)
        await note()
        for (const { token, rows } of states) assert.deepEqual(await rowsOf(engine, token), rows)
      })(),
    )
    assert.deepEqual(states[2]!.rows, [
      ...[0, 2, 4, 6].map(id => `${id} ann by ann`),
      '7 ben first',
      '8 ann by ann',
      '9 ben ',
      '10 ann by ann',
      '11 ben ',
    ])
    machine.crash('power')
    await world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', OPTIONS, machine.start())
        assert.deepEqual(await rowsOf(engine), states.at(-1)!.rows)
        await using view = await engine.view()
        const { historyId } = parseToken(view.token)
        for (const { token, rows } of states) {
          assert.deepEqual(await rowsOf(engine, formatToken(historyId, parseToken(token).seq)), rows)
        }
        await view.close()
        await engine.close()
      })(),
    )
  })
})
