import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine } from '../../src/engine/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import type { File, Files, Platform } from '../../src/platform/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import type { DiskOperation } from '../../src/platform/simulated/index.ts'

const OPTIONS = { pageBytes: 4096, budgetBytes: 256 << 10, segmentBytes: 32 << 10 } as const

/** The files of a process, with a list of those that are open. */
function watched(process: Platform): { platform: Platform; open: Set<File> } {
  const open = new Set<File>()
  const tracked = (file: File): File => {
    open.add(file)
    return new Proxy(file, {
      get(target, name) {
        if (name === 'close' || name === 'closeSync') open.delete(target)
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
  const files = new Proxy(process.files, {
    get(target, name) {
      if (name === 'open') return async (...args: Parameters<Files['open']>) => tracked(await target.open(...args))
      if (name === 'openSync') return (...args: Parameters<Files['openSync']>) => tracked(target.openSync(...args))
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const { clock, timers, random, threads, ciphers } = process
  return { platform: { files, clock, timers, random, threads, ciphers }, open }
}

class Machine {
  readonly world = new SimulatedWorld({ seed: 3, drainMicrotasks })
  readonly machine = new SimulatedMachine(this.world, { name: 'one' })

  /** A directory with some data, last used by a process that was killed. */
  async prepare(): Promise<void> {
    await this.run(
      openEngine('/data', OPTIONS, this.machine.start()).then(async engine => {
        await engine.ddl({ type: 'createProject', project: 'p' })
        for (let i = 0; i < 20; i++) await engine.kv('p').set(`k${i}`, new Uint8Array(500).fill(i))
        await engine.checkpoint()
        await engine.kv('p').set('last', Uint8Array.of(1))
      }),
    )
    this.machine.disk.crash('process')
  }

  run<T>(task: Promise<T>): Promise<T> {
    return this.world.runToCompletion(task, 60_000)
  }

  /** Opens the engine with one failing disk call; the error, or undefined if it opened. */
  async openWithFault(operation: DiskOperation, skip: number, directory = '/data'): Promise<Error | undefined> {
    const { platform, open } = watched(this.machine.start())
    this.machine.disk.inject({ operation, skip, effect: { type: 'fail', systemCode: 'EIO' } })
    let engine: Engine | undefined
    let error: Error | undefined
    try {
      engine = await this.run(openEngine(directory, OPTIONS, platform))
    } catch (thrown) {
      error = thrown as Error
    }
    this.machine.disk.clearFaults()
    if (engine !== undefined) await this.run(engine.close().catch(() => undefined))
    await this.world.runFor(200_000)
    const paths = [...open].map(file => file.path)
    assert.deepEqual(paths, [], `open after ${operation} ${skip} failed: ${error?.message}`)
    this.machine.disk.crash('process')
    return error
  }
}

describe('an engine that cannot be opened', () => {
  for (const operation of ['read', 'write', 'sync', 'create', 'rename', 'syncDirectory'] as const) {
    it(`leaves no file open, whichever ${operation} of an existing directory fails, and opens afterwards`, async () => {
      const machine = new Machine()
      await machine.prepare()
      let failures = 0
      for (let skip = 0, opened = 0; opened < 3; skip++) {
        if ((await machine.openWithFault(operation, skip)) === undefined) opened++
        else failures++
      }
      assert.ok(failures > 0, `${operation} is not called when an engine is opened`)
      const engine = await machine.run(openEngine('/data', OPTIONS, machine.machine.start()))
      assert.deepEqual(await machine.run(engine.kv('p').get('last')), Uint8Array.of(1))
      await machine.run(engine.close())
    })
  }

  it('leaves no file open when the directory is new', async () => {
    for (const operation of ['write', 'sync', 'create'] as const) {
      const machine = new Machine()
      for (let skip = 0, opened = 0; opened < 2; skip++) {
        if ((await machine.openWithFault(operation, skip, `/new-${skip}`)) === undefined) opened++
      }
    }
  })

  it('because of damage leaves no file open and its lock free', async () => {
    const machine = new Machine()
    await machine.prepare()
    machine.machine.disk.flipBit('/data/log/segment-0000000001', 700, 1)
    const { platform, open } = watched(machine.machine.start())
    for (let i = 0; i < 2; i++) {
      await assert.rejects(
        machine.run(openEngine('/data', OPTIONS, platform)),
        (error: unknown) => error instanceof QuorateError && error.code === 'damaged',
      )
    }
    assert.deepEqual([...open], [])
  })
})
