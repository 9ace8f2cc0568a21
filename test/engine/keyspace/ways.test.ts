import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Cold, Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Keyspace as KeyspaceType, RecordView } from '../../../src/engine/keyspace/index.ts'
import { key, META, optionsFor } from './support.ts'

const KEYS = Array.from({ length: 600 }, (_, i) => key(`key ${String(i).padStart(4, '0')}`))

function valueOf(i: number): Uint8Array {
  return new Uint8Array(200).fill(i)
}

/** Far more than fits in memory, all of it in the file. */
async function create(): Promise<KeyspaceType> {
  const files = new SimulatedDisk({ seed: 1 }).files()
  const keyspace = await Keyspace.create(optionsFor(files, 4096, { budgetBytes: 16 * 4096 }))
  keyspace.beginEpoch()
  keyspace.writer.beginEntry(1)
  KEYS.forEach((each, i) => keyspace.writer.put(each, valueOf(i), 1, 1, 0))
  keyspace.publish(1, META)
  await keyspace.checkpoint(wanted => Promise.resolve(wanted))
  return keyspace
}

async function read(keyspace: KeyspaceType, i: number): Promise<RecordView | undefined> {
  for (;;) {
    const found = keyspace.writer.get(KEYS[i]!)
    if (!(found instanceof Cold)) return found
    await keyspace.load(found)
  }
}

describe('the way to a key that was just looked for', () => {
  it('is gone again when its page has left memory', async () => {
    const keyspace = await create()
    assert.deepEqual((await read(keyspace, 5))?.value, valueOf(5))
    using view = keyspace.view()
    for (let pass = 0; pass < 4; pass++) {
      for (let i = 100; i < KEYS.length; i += 5) assert.deepEqual((await view.get(KEYS[i]!))?.value, valueOf(i))
    }
    assert.ok(keyspace.writer.get(KEYS[5]!) instanceof Cold)
    assert.deepEqual((await read(keyspace, 5))?.value, valueOf(5))
  })

  it('leads to the copy when the page was copied for another key, and back to nothing of the old one', async () => {
    const keyspace = await create()
    using before = keyspace.view()
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(2)
    await read(keyspace, 6)
    await read(keyspace, 5)
    keyspace.writer.put(KEYS[5]!, valueOf(50), 2, 1, 0)
    keyspace.writer.put(KEYS[6]!, valueOf(60), 2, 1, 0)
    keyspace.writer.put(KEYS[5]!, valueOf(51), 2, 1, 0)
    keyspace.publish(2, META)
    using after = keyspace.view()
    assert.deepEqual(after.getSync(KEYS[5]!)?.value, valueOf(51))
    assert.deepEqual(after.getSync(KEYS[6]!)?.value, valueOf(60))
    assert.deepEqual(before.getSync(KEYS[5]!)?.value, valueOf(5))
    assert.deepEqual(before.getSync(KEYS[6]!)?.value, valueOf(6))
  })
})
