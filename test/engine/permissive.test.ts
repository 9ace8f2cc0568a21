import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { inspectState, openEngine, openPermissively, restoreBackup } from '../../src/engine/index.ts'
import type { Engine, EngineOptions, InspectedRegion, PermissiveEngine } from '../../src/engine/index.ts'
import { NO_SUPERBLOCK, readIdentity } from '../../src/log/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { checkDataDirectory } from '../../src/node/index.ts'
import type { ConfiguredKeys } from '../../src/sealing/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import type { SimulatedProcess } from '../../src/platform/simulated/index.ts'
import { runToEnd } from './run-to-end.ts'

const OPTIONS: EngineOptions = { pageBytes: 4096, budgetBytes: 1 << 20, segmentBytes: 64 << 10, checkpointAgeMs: 1e9 }
const PAGES = '/data/pages/data'
const KEYS = 4_000
const LARGE_EVERY = 500
const BATCH = 100
const text = new TextDecoder()

class Damaged {
  readonly world = new SimulatedWorld({ seed: 5, drainMicrotasks })
  readonly machine = new SimulatedMachine(this.world, { name: 'one' })

  get process(): SimulatedProcess {
    return this.machine.process ?? this.machine.start()
  }

  run<T>(task: Promise<T>): Promise<T> {
    return runToEnd(this.world, task)
  }

  open(keys?: ConfiguredKeys): Promise<Engine> {
    return this.run(openEngine('/data', { ...OPTIONS, ...(keys && { keys }) }, this.process))
  }

  permissive(keys?: ConfiguredKeys): Promise<PermissiveEngine> {
    return this.run(openPermissively('/data', keys === undefined ? {} : { keys }, this.process))
  }

  /** Keys, some of them large, in the state of two checkpoints; then `later` more in the log alone. */
  async prepare(later = 0, keys?: ConfiguredKeys): Promise<void> {
    const engine = await this.open(keys)
    await this.run(engine.ddl({ type: 'createProject', project: 'p' }))
    await this.run(this.#write(engine, 0, KEYS))
    await this.run(engine.checkpoint())
    await this.run(engine.kv('p').set('between', utf8Bytes('checkpoints')))
    await this.run(engine.checkpoint())
    for (let i = 0; i < later; i++) await this.run(this.#write(engine, KEYS + i, KEYS + i + 1))
    await this.run(engine.kv('p').set('last', utf8Bytes('one')))
    this.machine.crash('process')
  }

  async #write(engine: Engine, from: number, to: number): Promise<void> {
    for (let first = from; first < to; first += BATCH) {
      const mutations = Array.from({ length: Math.min(BATCH, to - first) }, (_, i) => {
        const [key, value] = [utf8Bytes(keyOf(first + i)), utf8Bytes(valueOf(first + i))]
        return { type: 'kvSet' as const, project: 'p', key, value }
      })
      await engine.commit({ mutations })
    }
  }

  /** Places of the page file, those of the newest root first. */
  async regions(kind: InspectedRegion['kind']): Promise<InspectedRegion[]> {
    const { files, clock } = this.process
    const { directoryId, groupId } = (await this.run(readIdentity(files, '/data')))!
    const found: InspectedRegion[] = []
    const place = {
      files,
      directory: '/data',
      directoryId,
      groupId,
      pageBytes: 4096,
      budgetBytes: 1 << 20,
      clock,
    } as const
    await this.run(inspectState(place, NO_SUPERBLOCK, region => found.push(region)))
    return found.filter(region => region.kind === kind)
  }

  flip(path: string, offset: number): void {
    this.machine.disk.flipBit(path, offset, 3)
  }
}

function keyOf(i: number): string {
  return `key ${String(i).padStart(5, '0')}`
}

function valueOf(i: number): string {
  return i % LARGE_EVERY === 0 ? `${i} `.repeat(2000) : `value ${i} ${'x'.repeat(60)}`
}

async function shown(damaged: Damaged, engine: PermissiveEngine): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  await damaged.run(
    (async () => {
      for await (const { key, value } of engine.kv('p').scan({ prefix: 'key' })) found.set(key, text.decode(value))
    })(),
  )
  for (const [key, value] of found) assert.equal(value, valueOf(Number(key.slice(4))), key)
  return found
}

function hasCode(code: string): (error: unknown) => boolean {
  return error => error instanceof QuorateError && error.code === code
}

describe('a permissive opening', () => {
  it('of a sound directory shows all of it, takes no writes, and marks it until an operator has decided', async () => {
    const damaged = new Damaged()
    await damaged.prepare(3)
    const log = await damaged.run(damaged.process.files.list('/data/log'))
    const contents = (): Uint8Array[] => log.map(name => damaged.machine.disk.contents(`/data/log/${name}`))
    const before = contents()
    const engine = await damaged.permissive()
    assert.deepEqual(engine.recovery.diagnostics, [])
    assert.deepEqual([engine.recovery.isComplete, engine.recovery.lastKnownSeq], [true, engine.recovery.seq])
    assert.equal((await shown(damaged, engine)).size, KEYS + 3)
    using view = engine.snapshot()
    assert.equal(text.decode(view.kv('p').get('last')), 'one')
    await assert.rejects(damaged.run(engine.kv('p').set('k', utf8Bytes('v'))), hasCode('read_only'))
    await assert.rejects(damaged.run(engine.ddl({ type: 'createProject', project: 'q' })), hasCode('read_only'))
    view[Symbol.dispose]()
    await damaged.run(engine.close())
    assert.deepEqual(contents(), before)
    await assert.rejects(damaged.open(), hasCode('untrusted_directory'))
    const { files } = damaged.process
    const marked = await damaged.run(checkDataDirectory(files, '/data'))
    assert.deepEqual([marked.verdict, marked.trust], ['clean', { openings: 1, decision: null }])
    await assert.rejects(damaged.run(checkDataDirectory(files, '/data', { accept: ' ' })), hasCode('invalid_argument'))
    const accepted = await damaged.run(checkDataDirectory(files, '/data', { accept: 'looked at, sound' }))
    assert.deepEqual(accepted.trust, { openings: 1, decision: { note: 'looked at, sound', verdict: 'clean' } })
    const strict = await damaged.open()
    assert.equal(text.decode(await damaged.run(strict.kv('p').get('last'))), 'one')
    await damaged.run(strict.close())
    await damaged.run((await damaged.permissive()).close())
    await assert.rejects(damaged.open(), hasCode('untrusted_directory'), 'a decision holds for what was before it')
  })

  it('of a damaged log shows the state before the damage, which can be backed up and restored', async () => {
    const damaged = new Damaged()
    await damaged.prepare(20)
    const { found } = { found: await damaged.run(checkDataDirectory(damaged.process.files, '/data')) }
    const frames = found.regions.filter(({ kind, seqs }) => kind === 'frame' && seqs !== undefined)
    const bad = frames.at(-10)!
    damaged.flip(bad.file, bad.offset + 300)
    await assert.rejects(damaged.open(), hasCode('damaged'))
    const engine = await damaged.permissive()
    const { diagnostics, seq, isComplete } = engine.recovery
    assert.ok(
      diagnostics.some(({ kind, file, offset }) => kind === 'frame' && file === bad.file && offset === bad.offset),
    )
    assert.deepEqual([isComplete, seq], [true, bad.seqs![0] - 1])
    const keys = await shown(damaged, engine)
    assert.ok(keys.size > KEYS && keys.size < KEYS + 20, `${keys.size} keys`)
    await damaged.run(engine.backup('/backup'))
    await damaged.run(engine.close())
    await damaged.run(restoreBackup(damaged.process, ['/backup'], '/restored'))
    const restored = await damaged.run(openEngine('/restored', OPTIONS, damaged.process))
    // And the one between the checkpoints; the last one is lost.
    assert.equal(await damaged.run(restored.kv('p').count()), keys.size + 1)
    await damaged.run(restored.close())
    const { verdict, trust } = await damaged.run(
      checkDataDirectory(damaged.process.files, '/data', { accept: 'never mind' }),
    )
    assert.deepEqual([verdict, trust?.decision], ['damaged', null], 'damage is not accepted')
  })

  it('of a damaged leaf, branch or large value passes over just that', async () => {
    for (const [kind, least, most] of [
      ['leaf', 1, 60],
      ['extent', 1, 1],
      ['branch', 100, KEYS - 100],
    ] as const) {
      const damaged = new Damaged()
      await damaged.prepare()
      const regions = await damaged.regions(kind)
      // Of branches the first is the root, and below the second lies what the checkpoints differ in.
      const region = regions.at(kind === 'branch' ? 2 : (regions.length / 2) | 0)!
      damaged.flip(PAGES, region.offset + 200)
      const engine = await damaged.permissive()
      const { diagnostics, isComplete, seq, lastKnownSeq } = engine.recovery
      const [diagnostic] = diagnostics
      assert.equal(diagnostics.length, 1)
      assert.deepEqual(
        [diagnostic!.kind, diagnostic!.file, diagnostic!.offset],
        [kind === 'extent' ? 'extent' : 'page', PAGES, region.offset],
      )
      assert.match(diagnostic!.expected, /^[0-9a-f]{8}$/)
      assert.match(diagnostic!.actual, /^[0-9a-f]{8}$/)
      assert.notEqual(diagnostic!.expected, diagnostic!.actual)
      assert.equal(
        isComplete,
        false,
        `${kind} at ${region.offset} of ${regions.length}: ${JSON.stringify(diagnostics)}`,
      )
      assert.ok(seq < lastKnownSeq, 'nothing is computed on a state that lacks records')
      const missing = KEYS - (await shown(damaged, engine)).size
      assert.ok(missing >= least && missing <= most, `${kind}: ${missing} keys are missing`)
      await assert.rejects(damaged.run(engine.backup('/backup')), hasCode('damaged'))
      await damaged.run(engine.close())
    }
  })

  it('of a damaged newest checkpoint goes on from the one before, and nothing is lost', async () => {
    for (const what of ['superblock', 'map', 'page'] as const) {
      const damaged = new Damaged()
      await damaged.prepare(5)
      const regions = await damaged.regions(what === 'page' ? 'leaf' : what)
      const newest = what === 'superblock' ? regions.toSorted((a, b) => b.seq - a.seq)[0]! : regions[0]!
      // The leaf with the newest change is the one that only the newest root has.
      const place = what === 'page' ? regions.toSorted((a, b) => b.seq - a.seq)[0]! : newest
      damaged.flip(PAGES, place.offset + (what === 'superblock' ? 60 : 150))
      if (what !== 'page') await assert.rejects(damaged.open(), hasCode('damaged'))
      const engine = await damaged.permissive()
      assert.equal(engine.recovery.isComplete, true, what)
      assert.equal((await shown(damaged, engine)).size, KEYS + 5)
      assert.equal(text.decode(await damaged.run(engine.kv('p').get('last'))), 'one')
      assert.equal(engine.recovery.diagnostics.length > 0, what !== 'map', 'the map is not looked at')
      await damaged.run(engine.close())
    }
  })

  it('of an encrypted and signed directory needs its keys, and passes over pages that are not its own', async () => {
    const keys = { encryption: [new Uint8Array(32).fill(1)], integrity: [new Uint8Array(32).fill(2)] }
    const damaged = new Damaged()
    await damaged.prepare(2, keys)
    await assert.rejects(damaged.permissive(), hasCode('seal_key_missing'))
    const whole = await damaged.permissive(keys)
    assert.deepEqual([whole.recovery.isComplete, (await shown(damaged, whole)).size], [true, KEYS + 2])
    await damaged.run(whole.close())
    const { files } = damaged.process
    const { ciphers, random } = damaged.process
    const sealing = { ciphers, random, keys }
    const { regions } = await damaged.run(checkDataDirectory(files, '/data', { sealing }))
    const leaves = regions.filter(({ kind }) => kind === 'leaf')
    damaged.flip(PAGES, leaves[leaves.length >> 1]!.offset + 500)
    const engine = await damaged.permissive(keys)
    assert.deepEqual([engine.recovery.isComplete, engine.recovery.diagnostics.length], [false, 1])
    const missing = KEYS - (await shown(damaged, engine)).size
    assert.ok(missing > 0 && missing < 60, `${missing} keys are missing`)
    await damaged.run(engine.close())
  })

  it('is refused where there is nothing', async () => {
    const damaged = new Damaged()
    await assert.rejects(damaged.permissive(), hasCode('not_found'))
  })
})
