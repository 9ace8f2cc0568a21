import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SlowRequests } from '../../../src/model/index.ts'
import type { NodeService, ReadResult, RunningRequest, StateView, StopFlag } from '../../../src/model/index.ts'
import { get, Rig, watch } from './client.ts'

const named = (running: readonly RunningRequest[]): object[] => running.map(({ id: _, ageMs: __, ...rest }) => rest)

/** A node whose reads never answer by themselves; `stops` tells what each looks at. */
function reluctant(stops: (StopFlag | undefined)[]): (service: NodeService) => NodeService {
  const unanswered = new Promise<ReadResult>(() => undefined)
  return service =>
    new Proxy(service, {
      get: (target, property) => {
        if (property !== 'whenReadable') {
          const value: unknown = Reflect.get(target, property, target)
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value
        }
        const whenReadable: NodeService['whenReadable'] = (consistency, deadlineMs, onView) =>
          target.whenReadable(consistency, deadlineMs, (view, error) => {
            if (view === undefined) return onView(view, error)
            const read: StateView['read'] = (_request, _caller, stop) => {
              stops.push(stop)
              return unanswered
            }
            onView(
              {
                seq: view.seq,
                leaderTimeMicros: 0,
                read,
                readSync: (...asked) => view.readSync(...asked),
                release: () => view.release(),
              },
              error,
            )
          })
        return whenReadable
      },
    })
}

describe('what a gateway is busy with', () => {
  it('is a read that waits for a state; cancelled it is answered at once, and never again', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome({ as: 'root' })
    rig.trio.wire.cutOff.add(rig.name)
    client.say(get(7, 'a'))
    assert.deepEqual(named(rig.gateway.running()), [
      { door: 'websocket', kind: 'get', caller: 'root', project: 'p', state: 'waiting' },
    ])
    await rig.pass(50)
    const [{ id, ageMs } = { id: '', ageMs: 0 }] = rig.gateway.running()
    assert.equal(ageMs, 50)
    assert.equal(rig.gateway.cancel('client-999-7'), false)
    assert.equal(rig.gateway.cancel(id.replace(/7$/, '8')), false)
    assert.equal(rig.gateway.cancel(id), true)
    await rig.until('the error', () => client.find('error', 7) !== undefined)
    assert.equal(client.find('error', 7)?.error.code, 'cancelled')
    assert.deepEqual(rig.gateway.running(), [])
    assert.equal(rig.gateway.cancel(id), false)
    rig.trio.wire.cutOff.clear()
    await rig.pass(3_000)
    assert.equal(client.find('readResult', 7), undefined)
    client.say(get(7, 'a'))
    await rig.until('the id to be good for another read', () => client.find('readResult', 7) !== undefined)
  })

  it('is a read that runs: cancelled by an operator or by its client it is told to stop', async () => {
    const stops: (StopFlag | undefined)[] = []
    const rig = await Rig.open({ wrap: reluctant(stops) })
    const client = await rig.welcome()
    client.say(get(7, 'a'), get(8, 'b'), get(9, 'c'))
    await rig.until('the reads to run', () => stops.length === 3)
    const running = rig.gateway.running()
    assert.deepEqual(
      running.map(({ state }) => state),
      ['running', 'running', 'running'],
    )
    assert.equal(rig.gateway.cancel(running.find(({ id }) => id.endsWith('-7'))!.id), true)
    client.say({ type: 'cancel', requestId: 8 })
    assert.deepEqual(
      stops.map(stop => stop?.isCancelled),
      [true, true, false],
    )
    await rig.until('the error', () => client.find('error', 7) !== undefined)
    assert.equal(client.find('error', 7)?.error.code, 'cancelled')
    assert.equal(client.find('error', 8), undefined)
    assert.equal(rig.gateway.running().length, 1)
  })

  it('is a watch, which ends when it is cancelled', async () => {
    const rig = await Rig.open()
    const client = await rig.welcome()
    client.say(watch(5))
    await rig.until('the watch', () => rig.gateway.stats.watches === 1)
    const [open] = rig.gateway.running()
    assert.deepEqual(named([open!]), [
      { door: 'websocket', kind: 'watch', caller: 'root', project: 'p', state: 'open' },
    ])
    assert.equal(rig.gateway.cancel(open!.id), true)
    await rig.until('the error', () => client.find('error', 5) !== undefined)
    const error = client.find('error', 5)?.error
    assert.deepEqual([error?.code, error?.retryable], ['cancelled', false])
    assert.deepEqual([rig.gateway.stats.watches, rig.gateway.running().length], [0, 0])
  })
})

describe('a read that takes long', () => {
  it('is noted with where its time went and, if it is a query, its plan, but no value', async () => {
    const slow = new SlowRequests(40)
    const rig = await Rig.open({ place: 'follower', slow })
    const session = await rig.trio.openSession(rig.trio.leader!)
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'v', type: 'text' },
    ] as const
    const create = { type: 'createTable', project: 'p', table: 't', columns, primaryKey: ['id'] } as const
    await rig.trio.commit(rig.trio.leader!, session, { mutations: [{ type: 'ddl', operation: create }] })
    const client = await rig.welcome({ as: 'ann' })
    client.say(get(6, 'a', { caller: 'root' }))
    await rig.until(
      'a quick read',
      () => client.find('readResult', 6) !== undefined || client.find('error', 6) !== undefined,
    )
    assert.deepEqual(slow.list(), [])
    const where = { op: 'eq', column: 'v', value: 'secret' } as const
    const query = { project: 'p', from: 't', where, allowFullScan: true } as const
    rig.trio.wire.cutOff.add(rig.name)
    client.say(get(7, 'a', { caller: 'root', request: { type: 'query', query } }))
    await rig.pass(100)
    rig.trio.wire.cutOff.clear()
    await rig.until('the answer', () => client.find('readResult', 7) !== undefined)
    const [noted, ...others] = slow.list()
    assert.deepEqual([others.length, noted?.kind, noted?.caller, noted?.project], [0, 'query', 'root', 'p'])
    const { queueMs, runMs, replyMs } = noted!.phases
    assert.ok(queueMs >= 100, `${queueMs}`)
    assert.equal(queueMs + runMs! + replyMs, noted!.totalMs)
    assert.equal(noted!.plan?.path, 'fullScan')
    assert.doesNotMatch(JSON.stringify(noted), /secret/)
  })
})
