import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, utf8Bytes } from '../../src/encoding/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { SeededRandom, simulatedCiphers, SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { keyId, openSeal, parseKeys, readKeyNumbers, rotateDataKey } from '../../src/sealing/index.ts'
import type { ConfiguredKeys, Seal, SealedDirectory } from '../../src/sealing/index.ts'

const DIRECTORY_ID = '000102030405060708090a0b0c0d0e0f'
const [A, B, C] = [1, 2, 3].map(fill => new Uint8Array(32).fill(fill)) as [Uint8Array, Uint8Array, Uint8Array]
const CONTEXT = utf8Bytes('c')

class Place {
  readonly disk = new SimulatedDisk({ seed: 1 })
  #random = new SeededRandom(1)

  async with(keys?: ConfiguredKeys): Promise<SealedDirectory> {
    const files = this.disk.files()
    await files.makeDirectory('/d')
    return { files, random: this.#random, ciphers: simulatedCiphers(), path: '/d', directoryId: DIRECTORY_ID, keys }
  }

  async open(keys?: ConfiguredKeys, mode: 'create' | 'open' | 'look' = 'open'): Promise<Seal | undefined> {
    return openSeal(await this.with(keys), mode)
  }

  get text(): string {
    return new TextDecoder().decode(this.disk.contents('/d/keys.json'))
  }

  async replace(text: string): Promise<void> {
    const files = this.disk.files()
    await files.remove('/d/keys.json')
    const file = await files.open('/d/keys.json', 'create')
    file.writeSync(utf8Bytes(text), 0)
    await file.close()
  }
}

function refuses(code: string, pattern: RegExp): (error: unknown) => boolean {
  return error => error instanceof QuorateError && error.code === code && pattern.test(error.message)
}

describe('the keys of a directory', () => {
  it('are made once, open again, and are nowhere in plain text', async () => {
    const place = new Place()
    const box = (await place.open({ encryption: [A], integrity: [B] }, 'create'))!.wrap(CONTEXT, A)
    const again = await place.open({ encryption: [A], integrity: [B] })
    assert.deepEqual(again!.unwrap(CONTEXT, box), A)
    place.disk.crash('power')
    assert.deepEqual((await place.open({ encryption: [A], integrity: [B] }))!.unwrap(CONTEXT, box), A)
    assert.ok(!place.text.includes('01'.repeat(32)))
  })

  it('are needed, the right ones, all of them, and no others', async () => {
    const place = new Place()
    await place.open({ encryption: [A] }, 'create')
    const before = place.text
    await assert.rejects(place.open(), refuses('seal_key_missing', /encryption/))
    await assert.rejects(place.open({ integrity: [A] }), refuses('seal_key_missing', /encryption/))
    await assert.rejects(
      place.open({ encryption: [B] }),
      refuses('seal_key_wrong', new RegExp(keyId(simulatedCiphers(), A))),
    )
    await assert.rejects(place.open({ encryption: [A], integrity: [B] }), refuses('not_sealed', /integrity/))
    await assert.rejects(place.open({ encryption: [A.subarray(0, 31)] }), refuses('invalid_argument', /32 bytes/))
    await assert.rejects(place.open({ encryption: [] }), refuses('invalid_argument', /at least one/))
    assert.equal(place.text, before)
  })

  it('of a directory without any are none, and a configured one is refused', async () => {
    const place = new Place()
    assert.equal(await place.open(undefined, 'create'), undefined)
    assert.equal(await place.open(), undefined)
    assert.deepEqual(await readKeyNumbers(place.disk.files(), '/d'), [])
    await assert.rejects(
      place.open({ encryption: [A] }),
      refuses('not_sealed', /made without keys, or the file is lost/),
    )
  })

  it('an interrupted creation leaves none of its own behind', async () => {
    const place = new Place()
    await place.open({ encryption: [A] }, 'create')
    assert.equal(await place.open(undefined, 'create'), undefined)
    assert.equal(await place.open(), undefined)
  })

  it('go from one configured key to the next: the new one first, then alone', async () => {
    const place = new Place()
    const box = (await place.open({ encryption: [A], integrity: [A] }, 'create'))!.wrap(CONTEXT, C)
    await assert.rejects(place.open({ encryption: [B], integrity: [A] }), refuses('seal_key_wrong', /encryption/))
    await place.open({ encryption: [B, A], integrity: [A] }, 'look')
    await assert.rejects(place.open({ encryption: [B], integrity: [A] }, 'look'), refuses('seal_key_wrong', /./))
    await place.open({ encryption: [B, A], integrity: [C, A] })
    const seal = await place.open({ encryption: [B], integrity: [C] })
    assert.deepEqual(seal!.unwrap(CONTEXT, box), C, 'the data was not written again')
    await assert.rejects(place.open({ encryption: [A], integrity: [C] }), refuses('seal_key_wrong', /encryption/))
  })

  it('a new data key is what is written with; the former ones still read', async () => {
    const place = new Place()
    const keys = { encryption: [A], integrity: [B] }
    const box = (await place.open(keys, 'create'))!.wrap(CONTEXT, C)
    assert.equal(box[0], 1)
    assert.equal(await rotateDataKey(await place.with(keys)), 2)
    const seal = (await place.open(keys))!
    assert.deepEqual(seal.unwrap(CONTEXT, box), C)
    assert.equal(seal.wrap(CONTEXT, C)[0], 2)
    const found = await readKeyNumbers(place.disk.files(), '/d')
    assert.deepEqual(
      found.map(({ purpose, number, isCurrent }) => [purpose, number, isCurrent]),
      [
        ['encryption', 1, false],
        ['integrity', 1, true],
        ['encryption', 2, true],
      ],
    )
    await assert.rejects(
      rotateDataKey(await place.with({ encryption: [C], integrity: [B] })),
      refuses('seal_key_wrong', /./),
    )
  })

  it('cannot be rotated where nothing is encrypted', async () => {
    const place = new Place()
    await place.open({ integrity: [A] }, 'create')
    await assert.rejects(rotateDataKey(await place.with({ integrity: [A] })), refuses('not_sealed', /no data key/))
  })

  it('say with their tags which one is current', async () => {
    const place = new Place()
    const keys = { encryption: [A] }
    await place.open(keys, 'create')
    await rotateDataKey(await place.with(keys))
    const { checksum, ...content } = JSON.parse(place.text) as { checksum: string; keys: { isCurrent: boolean }[] }
    for (const key of content.keys) key.isCurrent = !key.isCurrent
    const forged = crc32(utf8Bytes(JSON.stringify(content)))
      .toString(16)
      .padStart(8, '0')
    assert.notEqual(forged, checksum)
    await place.replace(JSON.stringify({ ...content, checksum: forged }))
    await assert.rejects(place.open(keys), refuses('seal_key_wrong', /encryption/))
  })

  it('that were changed, or are of another directory, are damage', async () => {
    const place = new Place()
    await place.open({ encryption: [A] }, 'create')
    const { text } = place
    await place.replace(text.replace('"number": 1', '"number": 2'))
    await assert.rejects(place.open({ encryption: [A] }), refuses('damaged', /keys\.json/))
    for (const bad of ['', '{}', 'null', '[]', text.replace('"format": 1', '"format": 2')]) {
      await place.replace(bad)
      await assert.rejects(place.open({ encryption: [A] }), refuses('damaged', /keys\.json/))
    }
    await place.replace(text)
    const files = place.disk.files()
    const moved = { ...(await place.with({ encryption: [A] })), files, directoryId: 'ff'.repeat(16) }
    await assert.rejects(openSeal(moved, 'open'), refuses('damaged', /another directory/))
  })
})

describe('a file of keys', () => {
  it('has one a line, hexadecimal or Base64, and says which line is none', () => {
    const text = `# the new one\n${'0A'.repeat(32)}\n\n  ${Buffer.alloc(40, 5).toString('base64')}\r\n`
    assert.deepEqual(
      parseKeys(text, 'f').map(key => [key.length, key[0]]),
      [
        [32, 10],
        [40, 5],
      ],
    )
    for (const [bad, line] of [
      ['ab'.repeat(31), 1],
      [`${'ab'.repeat(32)}\nnot a key`, 2],
      [Buffer.alloc(31).toString('base64'), 1],
    ] as const) {
      assert.throws(
        () => parseKeys(bad, '/etc/key'),
        error =>
          refuses('configuration_invalid', new RegExp(`/etc/key: line ${line} `))(error) &&
          !String(error).includes('not a key\n'),
      )
    }
    assert.throws(() => parseKeys('# nothing\n', 'f'), refuses('configuration_invalid', /no key in it/))
  })
})
