import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MalformedBytes } from '../../../src/encoding/index.ts'
import { clientFrame, readClientFrame, readServerFrame, serverFrame } from './frames.ts'
import { createRandom, damage, randomBytes, seed } from './random.ts'
import { clientSamples, envelope } from './samples.ts'
import { serverSamples } from './server-samples.ts'

describe('damaged frames', () => {
  it('give a message or MalformedBytes, nothing else', () => {
    const random = createRandom(seed)
    const frames: [Uint8Array, (frame: Uint8Array) => unknown][] = [
      ...clientSamples.map(m => [clientFrame([m]), readClientFrame] as [Uint8Array, (frame: Uint8Array) => unknown]),
      ...serverSamples.map(m => [serverFrame([m]), readServerFrame] as [Uint8Array, (frame: Uint8Array) => unknown]),
    ]
    let refused = 0
    for (let round = 0; round < 200; round++) {
      for (const [frame, read] of frames) {
        try {
          read(damage(random, frame))
        } catch (error) {
          assert.ok(error instanceof MalformedBytes, String(error))
          refused++
        }
      }
    }
    assert.ok(refused > 1000)
  })

  it('are refused wherever they are cut', () => {
    for (const message of clientSamples) {
      const frame = clientFrame([message])
      for (let end = 1; end < frame.length; end++) {
        assert.throws(() => readClientFrame(frame.subarray(0, end)), MalformedBytes)
      }
    }
  })

  it('of random bytes under every message code are refused or read', () => {
    const random = createRandom(seed + 1)
    for (let round = 0; round < 20_000; round++) {
      const frame = randomBytes(random, 12 + random(64))
      new DataView(frame.buffer).setUint32(0, frame.length, true)
      const isServer = random(2) === 1
      frame[4] = isServer ? 64 + random(11) : random(11)
      frame.fill(0, 5, 8)
      try {
        if (isServer) readServerFrame(frame)
        else readClientFrame(frame)
      } catch (error) {
        assert.ok(error instanceof MalformedBytes, String(error))
      }
    }
  })

  it('with hostile MessagePack are refused: extensions, 0xC1, depth, __proto__, bytes after the end', () => {
    const hostile: [string, number[]][] = [
      ['record extension', [0xd4, 0x72, 0x40]],
      ['timestamp', [0xd6, 0xff, 0, 0, 0, 1]],
      ['0xC1', [0xc1]],
      ['depth', [...Array.from({ length: 100_000 }, () => 0x91), 0xc0]],
      ['__proto__', [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]],
      ['key that is a number', [0x81, 0x01, 0x01]],
      ['bytes after the end', [0x80, 0x80]],
      ['a list longer than the frame', [0xdd, 0xff, 0xff, 0xff, 0xff]],
      ['text that is not UTF-8', [0xa1, 0xff]],
      ['nothing', []],
    ]
    for (const [name, body] of hostile) {
      const frame = new Uint8Array([...clientFrame([{ type: 'ping', requestId: 1 }]), ...body])
      frame[4] = 1
      new DataView(frame.buffer).setUint32(0, frame.length, true)
      assert.throws(() => readClientFrame(frame), MalformedBytes, name)
    }
  })

  it('do not reach the envelope: a commit hands it on as it came', () => {
    const [message] = readClientFrame(clientFrame(clientSamples.slice(2, 3)))
    assert.ok(message?.type === 'commit')
    assert.deepEqual(message.envelope, envelope)
  })
})
