import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import type { StartJob } from '../../src/platform/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

function newWorld(offset = 0): SimulatedWorld {
  return new SimulatedWorld({ seed: seed + offset, drainMicrotasks })
}

describe('virtual time', () => {
  it('runs events by time, then by age, each with all its continuations before the next', async () => {
    const world = newWorld()
    const order: string[] = []
    const deep = async (name: string): Promise<void> => {
      for (let n = 0; n < 50; n++) await Promise.resolve()
      order.push(name)
    }
    world.schedule(5, () => order.push('at 5'))
    world.schedule(1, () => void deep('first at 1'))
    world.schedule(1, () => order.push('second at 1'))
    await world.runUntil(4)
    assert.deepEqual(order, ['first at 1', 'second at 1'])
    assert.equal(world.nowMs, 4)
    await world.runFor(1)
    assert.equal(order.at(-1), 'at 5')
  })

  it('does not let a cancelled event happen', async () => {
    const world = newWorld()
    const timer = world.schedule(1, () => assert.fail('it happened'))
    timer.cancel()
    await world.runFor(10)
  })

  it('says so when a promise waits for nothing', async () => {
    const world = newWorld()
    await assert.rejects(world.runToCompletion(new Promise(() => {}), 100), /not settled/)
    assert.equal(await world.runToCompletion(world.delay(50).then(() => 7)), 7)
  })
})

describe('a simulated process', () => {
  it('does nothing else while it computes, and sees its clocks go on', async () => {
    const world = newWorld()
    const machine = new SimulatedMachine(world, { name: 'busy' })
    const process = machine.start()
    const begin = process.clock.monotonicMs()
    const seen: [string, number, number][] = []
    const note = (name: string): void => void seen.push([name, world.nowMs, process.clock.monotonicMs() - begin])
    world.schedule(
      1,
      () => {
        process.spend(20)
        process.spend(10)
        note('computing')
      },
      process,
    )
    world.schedule(5, () => note('first'), process)
    world.schedule(8, () => note('second'), process)
    world.schedule(9, () => assert.equal(seen.length, 1))
    await world.runUntil(50)
    assert.deepEqual(seen, [
      ['computing', 1, 31],
      ['first', 31, 31],
      ['second', 31, 31],
    ])
  })

  it('waits for a disk whose reads hang: a blocking read on its thread, others beside it', async () => {
    const world = newWorld()
    const machine = new SimulatedMachine(world, { name: 'hung' })
    const process = machine.start()
    const file = await world.runToCompletion(process.files.open('/f', 'create'))
    const startMs = world.nowMs
    machine.stallReads(100)
    const reading = file.read(new Uint8Array(1), 0)
    const written = await world.runToCompletion(file.write(new Uint8Array(4), 0).then(() => world.nowMs))
    assert.ok(written < startMs + 50)
    await world.runToCompletion(reading)
    assert.equal(world.nowMs, startMs + 100)
    machine.stallReads(100)
    file.readSync(new Uint8Array(1), 0)
    assert.equal(process.busyUntilMs, startMs + 200)
  })

  it('measures its timers by its own clock', async () => {
    const world = newWorld()
    const fast = new SimulatedMachine(world, { name: 'fast', clock: { rate: 2, wallOffsetMicros: 5000 } }).start()
    const exact = new SimulatedMachine(world, { name: 'exact' }).start()
    const begin = fast.clock.monotonicMs()
    let firedAtMs = 0
    fast.timers.after(100, () => {
      firedAtMs = world.nowMs
    })
    await world.runUntil(80)
    assert.equal(firedAtMs, 50)
    assert.equal(fast.clock.monotonicMs() - begin, 160)
    assert.equal(fast.clock.wallMicros() - exact.clock.wallMicros(), 5000 + 80_000)
    fast.clock.setRate(1)
    fast.clock.jumpWall(-85_000)
    await world.runUntil(100)
    assert.equal(fast.clock.monotonicMs() - begin, 180)
    assert.equal(fast.clock.wallMicros(), exact.clock.wallMicros())
  })

  it('while paused does nothing, though its clock goes on, and then does all that fell due, in order', async () => {
    const world = newWorld()
    const process = new SimulatedMachine(world, { name: 'n1' }).start()
    const order: string[] = []
    const begin = process.clock.monotonicMs()
    for (const at of [30, 10, 20]) process.timers.after(at, () => order.push(`${at}`))
    const cancelled = process.timers.after(15, () => order.push('cancelled'))
    await world.runUntil(5)
    process.pause()
    await world.runUntil(25)
    assert.deepEqual(order, [])
    assert.equal(process.clock.monotonicMs() - begin, 25)
    cancelled.cancel()
    process.resume()
    await world.runUntil(25)
    assert.deepEqual(order, ['10', '20'])
    await world.runUntil(30)
    assert.deepEqual(order, ['10', '20', '30'])
  })

  it('runs the end of a turn after its continuations and before time goes on', async () => {
    const world = newWorld()
    const process = new SimulatedMachine(world, { name: 'n1' }).start()
    const order: string[] = []
    process.timers.after(1, () => {
      process.timers.endOfTurn(() => order.push(`end ${world.nowMs}`))
      process.timers.endOfTurn(() => order.push('end again'))
      void Promise.resolve().then(() => order.push('continuation'))
    })
    process.timers.after(1.001, () => order.push('later'))
    await world.runFor(2)
    assert.deepEqual(order, ['continuation', 'end 1', 'end again', 'later'])
  })

  it('dies with all that it had planned, and the next one finds the disk', async () => {
    const world = newWorld()
    const machine = new SimulatedMachine(world, { name: 'n1' })
    const process = machine.start()
    let kindSeen = ''
    machine.onDeath = kind => {
      kindSeen = kind
    }
    process.timers.after(10, () => assert.fail('a dead process did something'))
    const file = await world.runToCompletion(process.files.open('/a', 'create'))
    await world.runToCompletion(file.write(Uint8Array.of(1, 2, 3), 0))
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    file.sync().then(settle, settle)
    machine.crash('process')
    await world.runFor(1000)
    assert.equal(kindSeen, 'process')
    assert.equal(process.state, 'dead')
    assert.equal(isSettled, false, 'code of a dead process does not go on')
    const next = machine.start()
    assert.equal(await world.runToCompletion(next.files.size('/a')), 3)
  })

  it('dies inside the disk call at which the power goes', async () => {
    const world = newWorld()
    const machine = new SimulatedMachine(world, { name: 'n1' })
    const process = machine.start()
    machine.disk.crashAt(2, 'before')
    const file = await world.runToCompletion(process.files.open('/a', 'create'))
    process.timers.after(1, () => {
      process.timers.after(0, () => assert.fail('a dead process did something'))
      file.writeSync(Uint8Array.of(1), 0)
      assert.fail('a dead process went on')
    })
    await world.runFor(10)
    assert.equal(process.state, 'dead')
    assert.equal(machine.process, undefined)
  })

  it('waits for a stalled disk', async () => {
    const world = newWorld()
    const machine = new SimulatedMachine(world, { name: 'n1' })
    const process = machine.start()
    machine.stallDisk(500)
    await world.runToCompletion(process.files.open('/a', 'create'))
    assert.ok(world.nowMs >= 500)
  })
})

describe('a simulated thread', () => {
  const echo: StartJob = async context => {
    const memory = context.init as Int32Array
    await context.files.makeDirectory('/job')
    context.post('ready')
    return {
      onDoorbell: () => {
        const value = Atomics.load(memory, 0)
        if (value === 13) throw new Error('unlucky')
        context.post({ value })
      },
      onStop: () => context.post('stopped'),
    }
  }

  function start(offset = 0) {
    const world = newWorld(offset)
    const machine = new SimulatedMachine(world, { name: 'n1', jobs: { echo } })
    const memory = new Int32Array(new SharedArrayBuffer(4))
    const thread = machine.start().threads.start('echo', memory)
    const seen: unknown[] = []
    thread.onMessage(message => seen.push(message))
    thread.onExit(error => seen.push(error?.message ?? 'exit'))
    return { world, machine, memory, thread, seen }
  }

  it('is woken by the doorbell, merges rings, shares memory, answers in order and stops after its work', async () => {
    for (let n = 0; n < 20; n++) {
      const { world, memory, thread, seen } = start(n)
      thread.ringDoorbell()
      thread.ringDoorbell()
      await world.runFor(100)
      assert.deepEqual(seen, ['ready', { value: 0 }])
      Atomics.store(memory, 0, 5)
      thread.ringDoorbell()
      await world.runToCompletion(thread.stop())
      assert.deepEqual(seen.slice(2), [{ value: 5 }, 'stopped', 'exit'])
    }
  })

  it('reports the error that ended it', async () => {
    const { world, memory, thread, seen } = start()
    Atomics.store(memory, 0, 13)
    thread.ringDoorbell()
    await world.runFor(100)
    assert.deepEqual(seen, ['ready', 'unlucky'])
    await world.runToCompletion(thread.stop())
  })

  it('has no turn that nobody rang for', async () => {
    const { world, thread, seen } = start()
    thread.ringDoorbell()
    await world.runFor(100)
    await world.runToCompletion(thread.stop())
    assert.deepEqual(seen, ['ready', { value: 0 }, 'stopped', 'exit'])
  })

  it('dies silently when the power goes in one of its disk calls, and takes its process along', async () => {
    const world = newWorld()
    const write: StartJob = context => {
      const file = context.files.openSync('/log', 'create')
      return {
        onDoorbell: () => {
          file.writeSync(Uint8Array.of(1), 0)
          file.syncSync()
          context.post('synced')
        },
      }
    }
    const machine = new SimulatedMachine(world, { name: 'n1', jobs: { write } })
    const thread = machine.start().threads.start('write', undefined)
    thread.onMessage(() => assert.fail('the dead sent a message'))
    thread.onExit(() => assert.fail('the dead reported an exit'))
    await world.runFor(100)
    machine.disk.crashAt(2, 'after')
    thread.ringDoorbell()
    await world.runFor(100)
    assert.equal(machine.process, undefined)
  })

  it('does nothing while the disk is stalled, and nothing any more after the crash of its process', async () => {
    const { world, machine, thread, seen } = start()
    await world.runFor(100)
    machine.stallDisk(1000)
    thread.ringDoorbell()
    await world.runFor(900)
    assert.deepEqual(seen, ['ready'])
    machine.crash('power')
    await world.runFor(900)
    assert.deepEqual(seen, ['ready'])
  })
})
