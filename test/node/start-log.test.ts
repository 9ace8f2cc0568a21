import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LOG_WRITER_JOB, startLogWriter } from '../../src/log/index.ts'
import { DEFAULT_STORAGE, openReplicaNode } from '../../src/node/index.ts'
import { StartLog } from '../../src/node/start-log.ts'
import { StartProgress } from '../../src/node/start-progress.ts'
import type { PeerTransport } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { replaced } from '../replaced.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'

/** The links of a node that is alone. */
const ALONE: PeerTransport = {
  onFrame: undefined,
  onLink: undefined,
  onRefusal: undefined,
  start: () => Promise.resolve(),
  send: () => false,
  bufferedBytes: () => 0,
  identityOf: () => undefined,
  identityChanged: () => undefined,
  close: () => Promise.resolve(),
}

function bed(): { progress: StartProgress; log: StartLog; said: unknown[]; pass: (ms: number) => Promise<unknown> } {
  const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  const { clock, timers } = new SimulatedMachine(world, { name: 'one' }).start()
  const progress = new StartProgress(() => clock.monotonicMs())
  const said: unknown[] = []
  const log = new StartLog(progress, timers, { warn: (...line: unknown[]) => void said.push(line) })
  return { progress, log, said, pass: ms => world.runFor(ms) }
}

describe('a start that lasts', () => {
  it('says every ten seconds where it is, until it is done', async () => {
    const { progress, said, pass } = bed()
    progress.report('check', 0.256)
    await pass(9_000)
    assert.deepEqual(said, [])
    await pass(2_000)
    assert.deepEqual(said.splice(0), [[{ phase: 'check', share: 0.256 }, 'the node is starting: check, 25 % done']])
    for (const step of ['directory', 'log', 'pages', 'replica'] as const) {
      progress.opens(step)
      await pass(10_000)
      assert.deepEqual(said.splice(0), [[{ phase: 'open', share: 0, step }, 'the node is starting: open, 0 % done']])
    }
    let applied = 0
    progress.replay(0, 100, () => applied)
    applied = 42
    await pass(10_000)
    assert.deepEqual(said.splice(0), [[{ phase: 'replay', share: 0.42 }, 'the node is starting: replay, 42 % done']])
    applied = 100
    await pass(60_000)
    assert.deepEqual(said, [])
  })

  it('says nothing more once it has failed', async () => {
    const { log, said, pass } = bed()
    log.close()
    await pass(60_000)
    assert.deepEqual(said, [])
  })
})

it('an opening says what comes next before it touches it', async () => {
  const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'n1', jobs: { [LOG_WRITER_JOB]: startLogWriter } })
  const platform = machine.start()
  const seen: string[] = []
  const note = (what: string): void => void (seen.includes(what) || seen.push(what))
  const open: typeof platform.files.open = (path, mode) => {
    note(path.split(/[/.]/)[2]!)
    return platform.files.open(path, mode)
  }
  const opening = openReplicaNode({
    platform: replaced(platform, { files: replaced(platform.files, { open }) }),
    directory: '/data',
    name: 'n1',
    members: [{ name: 'n1', peerAddress: 'n1:1', clientAddress: 'n1:2' }],
    createTransport: () => ({ ...ALONE, start: () => Promise.resolve(note('links')) }),
    storage: DEFAULT_STORAGE,
    onFatal: error => assert.fail(error),
    onStep: step => note(`step ${step}`),
  })
  const node = await world.runToCompletion(opening)
  const steps = ['step directory', 'identity', 'step log', 'log', 'step pages', 'pages', 'step replica', 'links']
  assert.deepEqual(
    seen.filter(what => steps.includes(what)),
    steps,
  )
  await world.runToCompletion(node.close())
})
