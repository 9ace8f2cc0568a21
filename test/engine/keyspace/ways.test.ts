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

/** Empty, with memory for all of it. */
function createLarge(): Promise<KeyspaceType> {
  return Keyspace.create(optionsFor(new SimulatedDisk({ seed: 1 }).files(), 4096, { budgetBytes: 4 << 20 }))
}

describe('a key that is looked for after another', () => {
  const ORDERS: Record<string, (i: number) => number> = {
    'the one before it': i => i,
    'the one behind it': i => KEYS.length - 1 - i,
    'one far away': i => (i * 211) % KEYS.length,
    'neighbours on either side': i => (i ^ 1) % KEYS.length,
  }

  for (const [name, order] of Object.entries(ORDERS)) {
    it(`is found where it is, and where it would be: ${name}`, async () => {
      const keyspace = await createLarge()
      const { writer } = keyspace
      keyspace.beginEpoch()
      writer.beginEntry(1)
      for (const each of KEYS) writer.put(each, valueOf(1), 1, 1, 0)
      keyspace.publish(1, META)
      keyspace.beginEpoch()
      writer.beginEntry(2)
      for (let n = 0; n < KEYS.length; n++) {
        const i = order(n)
        assert.equal(writer.has(KEYS[i]!), true)
        // A new one just before it and just behind: at the ends of leaves these belong to the leaf before, or still to this one.
        for (const text of [`key ${String(i - 1).padStart(4, '0')}~`, `key ${String(i).padStart(4, '0')}!`]) {
          if (writer.has(key(text)) === false) writer.put(key(text), valueOf(2), 2, 2, 0)
          assert.equal(writer.has(key(text)), true)
        }
      }
      keyspace.publish(2, META)
      using view = keyspace.view()
      for (let i = 0; i < KEYS.length; i++) {
        assert.equal(view.getSync(KEYS[i]!)?.versionSeq, 1)
        assert.equal(view.getSync(key(`key ${String(i).padStart(4, '0')}!`))?.versionSeq, 2)
        assert.equal(view.getSync(key(`key ${String(i - 1).padStart(4, '0')}~`))?.versionSeq, 2)
      }
      assert.deepEqual((await keyspace.scrub()).damaged, [])
    })
  }

  it('has its pages copied in each epoch, though the entry and the way are the same', async () => {
    const keyspace = await createLarge()
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(2)
    keyspace.writer.put(KEYS[5]!, valueOf(50), 2, 1, 0)
    keyspace.publish(2, META)
    using before = keyspace.view()
    keyspace.beginEpoch(true)
    keyspace.writer.put(KEYS[5]!, valueOf(51), 2, 1, 0)
    keyspace.publish(2, META)
    using after = keyspace.view()
    assert.deepEqual(before.getSync(KEYS[5]!)?.value, valueOf(50))
    assert.deepEqual(after.getSync(KEYS[5]!)?.value, valueOf(51))
  })
})
