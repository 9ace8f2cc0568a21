import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ImageReader } from '../../../src/engine/keyspace/image-bytes.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Mutants } from '../../../src/engine/keyspace/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Dice, hex, key, META, optionsFor } from './support.ts'

const KEYS = 160
/** What matters happens in one of twenty runs: of other seeds there might be none. */
const SEED = 20261
const RUNS = 64
const MANIFEST = Uint8Array.of(1, 2, 3)
/** About one leaf: where chunks end depends on the run, for only a few ends matter. */
const chunkBytes = (run: number): number => 2_000 + ((run * 211) % 3_500)

/** A tree of few records a leaf, whose leaves changed last at many different seqs. */
async function sender(): Promise<Keyspace> {
  const dice = new Dice(SEED)
  const keyspace = await Keyspace.create(optionsFor(new SimulatedDisk({ seed: SEED }).files(), 4096))
  const put = (seq: number, at: number): void => {
    keyspace.writer.put(key(`k${String(at).padStart(4, '0')}`), dice.bytes(400 + dice.below(500)), seq, seq, 0)
  }
  keyspace.beginEpoch()
  keyspace.writer.beginEntry(1)
  for (let at = 0; at < KEYS; at++) put(1, at)
  keyspace.publish(1, META)
  for (let seq = 2; seq < 80; seq++) {
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(seq)
    put(seq, dice.below(KEYS))
    keyspace.publish(seq, META)
  }
  return keyspace
}

/** Fences and seqs of the leaves that an install makes, interrupted after `chunksMax` chunks. */
async function leavesOf(from: Keyspace, run: number, chunksMax: number, mutants: Mutants = {}): Promise<string[]> {
  const files = new SimulatedDisk({ seed: SEED }).files()
  const to = await Keyspace.create(optionsFor(files, 4096, { installProgressBytes: 1, mutants }))
  using view = from.view()
  for (const most of [chunksMax, Infinity]) {
    const install = await to.beginInstall('empty', MANIFEST)
    if (install.fence === undefined) throw new Error('nothing is left to install')
    const scan = view.changedSince(0, { from: install.fence })
    let taken = 0
    for (let chunk = await scan.next(chunkBytes(run)); chunk !== undefined && taken < most; taken++) {
      await install.apply(chunk.bytes)
      // What it has come to is on file by then.
      await drainMicrotasks()
      chunk = await scan.next(chunkBytes(run))
    }
    if (most === Infinity) await install.finish({ seq: view.seq, meta: META, digestS: view.root.digest })
    else await install.abort()
  }
  using made = to.view()
  const leaves: string[] = []
  const scan = made.changedSince(0, { from: new Uint8Array(0) })
  for (let chunk = await scan.next(1 << 20); chunk !== undefined; chunk = await scan.next(1 << 20)) {
    for (const reader = new ImageReader(chunk.bytes); reader.nextImage();) {
      leaves.push(`${hex(reader.lower)} ${reader.seq}`)
      while (reader.nextRecord());
    }
  }
  await to.close()
  return leaves
}

describe('the leaves that an interrupted install makes', () => {
  const differing = async (mutants: Mutants): Promise<number[]> => {
    const from = await sender()
    const whole = await leavesOf(from, 0, 0)
    assert.ok(whole.length > 20)
    const found: number[] = []
    for (let run = 1; run <= RUNS; run++) {
      const leaves = await leavesOf(from, run, 2 + (run % 16), mutants)
      if (leaves.join() !== whole.join()) found.push(run)
    }
    return found
  }

  it('have the seqs that they have in one that was not', async () => {
    assert.deepEqual(await differing({}), [])
  })

  it('would lack some if what changed last before the interruption was not kept', async () => {
    assert.ok((await differing({ gapSeqLost: true })).length > 0)
  })
})
