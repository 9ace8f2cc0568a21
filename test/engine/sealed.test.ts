import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { createTable, defineTable, integer, QuorateError, text } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { rotateDataKey } from '../../src/sealing/index.ts'
import { holdsText } from '../sealing/test-seal.ts'
import { runToEnd } from './run-to-end.ts'
import { SMALL } from './small.ts'

const MARKER = 'this text belongs to a user'
const [A, B] = [new Uint8Array(32).fill(1), new Uint8Array(40).fill(2)] as const
const KEYS_A_ROUND = 15
const KEYS = { encryption: [A], integrity: [B] }

class Machine {
  readonly world: SimulatedWorld
  readonly machine: SimulatedMachine

  constructor(seed: number) {
    this.world = new SimulatedWorld({ seed, drainMicrotasks })
    this.machine = new SimulatedMachine(this.world, { name: 'one' })
  }

  run<T>(task: Promise<T>): Promise<T> {
    return runToEnd(this.world, task)
  }

  open(options: EngineOptions): Promise<Engine> {
    return this.run(openEngine('/data', options, this.machine.process ?? this.machine.start()))
  }

  /** The paths of files in which `text` stands. */
  async findText(text: string): Promise<string[]> {
    const files = this.machine.disk.files()
    const found: string[] = []
    const walk = async (directory: string): Promise<void> => {
      for (const name of await files.list(directory)) {
        const path = `${directory}/${name}`
        if ((await files.size(path)) === undefined) await walk(path)
        else if (holdsText(this.machine.disk.contents(path), text)) found.push(path)
      }
    }
    await walk('/data')
    return found
  }
}

const notes = defineTable('notes', {
  project: 'p',
  columns: { id: integer().primaryKey(), note: text() },
  indexes: [{ columns: ['note'] }],
})

/** Keys, rows, index entries, events, names and large values, all with the marker, more of them than memory holds. */
async function fill(engine: Engine, round: number): Promise<void> {
  if (round === 0) await engine.ddl([{ type: 'createProject', project: 'p' }, createTable(notes)])
  const kv = engine.kv('p')
  for (let i = 0; i < KEYS_A_ROUND; i++) {
    await kv.set(`${MARKER} ${i}`, utf8Bytes(`${round} ${MARKER.repeat(1 + (i % 5) * 60)}`))
    await engine.table(notes).upsert({ id: i, note: `${MARKER} ${round}` })
    const event = { type: 'emitEvent' as const, project: 'p', topic: 't', key: MARKER, payload: `"${MARKER}"` }
    await engine.commit({ mutations: [event] })
  }
}

async function assertHolds(engine: Engine, round: number): Promise<void> {
  const kv = engine.kv('p')
  for (let i = 0; i < KEYS_A_ROUND; i++) {
    const value = new TextDecoder().decode(await kv.get(`${MARKER} ${i}`))
    assert.equal(value, `${round} ${MARKER.repeat(1 + (i % 5) * 60)}`)
  }
  assert.equal(await engine.table(notes).count(c => c.note.eq(`${MARKER} ${round}`)), KEYS_A_ROUND)
}

/** Lives that end in every way; `look` is shown the machine after each. */
async function lives(options: EngineOptions, look: (machine: Machine) => Promise<void>): Promise<Machine> {
  const machine = new Machine(4)
  for (const [round, end] of (['close', 'process', 'power', 'checkpoint', 'power'] as const).entries()) {
    const engine = await machine.open(options)
    if (round > 0) await machine.run(assertHolds(engine, round - 1))
    await machine.run(fill(engine, round))
    await look(machine)
    if (end === 'checkpoint') await machine.run(engine.checkpoint())
    if (end === 'close' || end === 'checkpoint') await machine.run(engine.close())
    else machine.machine.crash(end)
    await look(machine)
    if (machine.machine.process !== undefined) machine.machine.crash('process')
  }
  return machine
}

function hasCode(code: string): (error: unknown) => boolean {
  return error => error instanceof QuorateError && error.code === code
}

describe('an encrypted database', () => {
  it('has nothing of its users in plain text in any file, at any time; a plain one has it in log, pages and changes', async () => {
    await lives({ ...SMALL, keys: KEYS }, async machine => assert.deepEqual(await machine.findText(MARKER), []))
    const found = new Set<string>()
    await lives(SMALL, async machine => {
      for (const path of await machine.findText(MARKER)) found.add(path.split('/')[2]!)
    })
    assert.deepEqual([...found].toSorted(), ['changes', 'log', 'pages'])
  })

  it('holds what was acknowledged, and tells its changes, over every end of its process', async () => {
    const machine = await lives({ ...SMALL, keys: KEYS }, () => Promise.resolve())
    const engine = await machine.open({ ...SMALL, keys: KEYS })
    await machine.run(assertHolds(engine, 4))
    const { token } = await machine.run(engine.kv('p').set('k', utf8Bytes('v')))
    await machine.run(engine.kv('p').set('k', utf8Bytes('w')))
    await machine.run(engine.close())
    machine.machine.crash('process')
    const again = await machine.open({ ...SMALL, keys: KEYS })
    const watch = again.watch({ project: 'p' }, { from: token })[Symbol.asyncIterator]()
    const { value } = await machine.run(watch.next())
    assert.equal((value as { type: string }).type, 'commit', 'from the changes on disk, not from the present state')
    await machine.run(watch.return!())
    await machine.run(again.close())
  })

  it('is not opened without its keys, by others, or with keys if it has none', async () => {
    const sealed = await lives({ ...SMALL, keys: KEYS }, () => Promise.resolve())
    await assert.rejects(sealed.open(SMALL), hasCode('seal_key_missing'))
    await assert.rejects(sealed.open({ ...SMALL, keys: { encryption: [A] } }), hasCode('seal_key_missing'))
    await assert.rejects(sealed.open({ ...SMALL, keys: { ...KEYS, encryption: [B] } }), hasCode('seal_key_wrong'))
    // Whoever takes the file of keys away has not made the directory a plain one.
    await sealed.run(sealed.machine.process!.files.remove('/data/keys.json'))
    await assert.rejects(sealed.open(SMALL), hasCode('seal_key_missing'))
    await assert.rejects(sealed.open({ ...SMALL, keys: KEYS }), hasCode('not_sealed'))
    const plain = new Machine(1)
    await plain.run((await plain.open(SMALL)).close())
    await assert.rejects(plain.open({ ...SMALL, keys: KEYS }), hasCode('not_sealed'))
  })

  it('goes on under another configured key and another data key without being written anew', async () => {
    const machine = await lives({ ...SMALL, keys: KEYS }, () => Promise.resolve())
    const next = { encryption: [B], integrity: [A] }
    await machine.run((await machine.open({ ...SMALL, keys: { encryption: [B, A], integrity: [A, B] } })).close())
    await assert.rejects(machine.open({ ...SMALL, keys: KEYS }), hasCode('seal_key_wrong'))
    const { files, random, ciphers } = machine.machine.process!
    const { directoryId } = JSON.parse(new TextDecoder().decode(machine.machine.disk.contents('/data/keys.json'))) as {
      directoryId: string
    }
    const rotated = rotateDataKey({ files, random, ciphers, path: '/data', directoryId, keys: next })
    assert.equal(await machine.run(rotated), 2)
    const engine = await machine.open({ ...SMALL, keys: next })
    await machine.run(assertHolds(engine, 4))
    await machine.run(fill(engine, 5))
    await machine.run(engine.checkpoint())
    await machine.run(engine.close())
    const again = await machine.open({ ...SMALL, keys: next })
    await machine.run(assertHolds(again, 5))
    await machine.run(again.close())
  })
})
