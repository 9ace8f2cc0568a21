import assert from 'node:assert/strict'
import { it } from 'node:test'
import { clientSettings } from '../../src/client/options.ts'
import { NodePool } from '../../src/client/node-pool.ts'
import { ClientSession } from '../../src/client/session.ts'
import { StatusEvents } from '../../src/client/status-events.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedNetwork, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { errorOf } from './calls.ts'

it('commits whose time is over are not kept while no node can be reached', async () => {
  const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  const process = new SimulatedMachine(world, { name: 'client' }).start()
  const { clock, timers, random } = process
  const ports = { dialer: new SimulatedNetwork(world).dialer(process), clock, timers, random }
  const settings = clientSettings({})
  const events = new StatusEvents()
  const pool = new NodePool(['ws://nowhere:7400/v1/connect'], ports, settings, events)
  const session = new ClientSession(ports, settings, pool, events)
  pool.start()
  const stop = new AbortController()
  const envelope = new Uint8Array(10)
  const late = Array.from({ length: 100 }, () => errorOf(session.submit(envelope, { timeoutMs: 50 })))
  const aborted = errorOf(session.submit(envelope, { timeoutMs: 60, signal: stop.signal }))
  const patient = errorOf(session.submit(envelope, { timeoutMs: 10_000 }))
  stop.abort()
  await world.runFor(100)
  for (const error of await Promise.all(late)) assert.equal(error.code, 'timeout')
  assert.equal((await aborted).code, 'aborted')
  assert.equal(session.keptCount, 1, 'only the one that still has time')
  session.close()
  assert.equal((await patient).code, 'closed')
  assert.equal(session.keptCount, 0)
  pool.close()
})
