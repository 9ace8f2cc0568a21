import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { hex, key, META, optionsFor, SEED } from './support.ts'

describe('a leaf that is split right where the new record goes', () => {
  it('takes it on the side on which it was counted', async () => {
    const files = new SimulatedDisk({ seed: SEED }).files()
    const retention = { maxVersions: 100, maxAgeMs: 60_000, now: () => 0 }
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { retention }))
    // Many small records, then large ones: half of the bytes is reached with the new one, in front of the large ones.
    const sizes = new Map<string, number>(Array.from({ length: 7 }, (_, i): [string, number] => [`a${i + 10}`, 8]))
    for (const [name, size] of [
      ['m1', 944],
      ['m2', 944],
      ['m3', 560],
      ['m4', 560],
      ['m0', 980],
    ] as const)
      sizes.set(name, size)
    keyspace.beginEpoch()
    let seq = 0
    for (const [name, size] of sizes) {
      keyspace.writer.beginEntry(++seq)
      assert.equal(keyspace.writer.prepare([key(name)]), undefined)
      keyspace.writer.put(key(name), new Uint8Array(size), seq, seq, 0)
    }
    keyspace.publish(seq, META)
    const view = keyspace.view()
    const cursor = view.cursor()
    const found: string[] = []
    while (view.advanceSync(cursor)) found.push(hex(cursor.key))
    assert.deepEqual(found, [...sizes.keys()].map(name => hex(key(name))).sort())
    view.close()
    await keyspace.close()
  })
})
