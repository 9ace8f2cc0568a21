import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  clientMessagesFromJson,
  clientMessagesToJson,
  ddlFromJson,
  envelopeFromJson,
  fromBase64,
  QuorateError,
  serverMessagesFromJson,
  serverMessagesToJson,
  toBase64,
  toJson,
} from '../../../src/model/index.ts'
import { createRandom, randomBytes, seed } from './random.ts'
import { bytes, clientSamples } from './samples.ts'
import { serverSamples } from './server-samples.ts'

const MAX = 1 << 20

function isMalformed(error: unknown): boolean {
  return error instanceof QuorateError && error.code === 'malformed_request'
}

describe('the JSON client wire', () => {
  it('gives back every message of a client', () => {
    assert.deepEqual(clientMessagesFromJson(clientMessagesToJson(clientSamples), MAX), clientSamples)
  })

  it('gives back every message of a server', () => {
    assert.deepEqual(serverMessagesFromJson(serverMessagesToJson(serverSamples), MAX), serverSamples)
  })

  it('has bytes as {"$b"}, integers beyond 2^53 as texts, and the envelope and outcome as data', () => {
    assert.equal(
      toJson({ b: Buffer.from([1, 2]), n: 2n ** 53n - 1n, big: 2n ** 53n }),
      '{"b":{"$b":"AQI="},"n":9007199254740991,"big":"9007199254740992"}',
    )
    const commit = clientMessagesToJson(clientSamples.slice(2, 3))
    assert.match(commit, /"type":"kvSet","project":"shop","scope":"app","key":\{"\$b":"AQ=="\}/)
    const outcome = serverMessagesToJson(serverSamples.slice(2, 3))
    assert.match(outcome, /"results":\[null,true,false,9,"1267650600228229401496703205376"\]/)
  })

  it('takes an envelope with as little as it needs', () => {
    const text =
      '{"mutations":[{"type":"kvIncrement","project":"p","key":{"$b":""},"by":"18446744073709551615","width":64}]}'
    assert.deepEqual(envelopeFromJson(text, MAX), {
      mutations: [{ type: 'kvIncrement', project: 'p', key: bytes(), by: 2n ** 64n - 1n, width: 64 }],
    })
    assert.deepEqual(ddlFromJson('{"type":"dropProject","project":"p","ifExists":true}', MAX), [
      { type: 'dropProject', project: 'p', ifExists: true },
    ])
  })

  it('takes null where a field may be absent, but not where null is a value', () => {
    const text = `{"idempotencyKey":null,"readSet":null,"mutations":[
      {"type":"kvSet","project":"p","scope":null,"key":{"$b":""},"value":{"$b":""},"ttlMs":null},
      {"type":"insert","project":"p","table":"t","rows":[{"a":null}],"onConflict":null}]}`
    assert.deepEqual(envelopeFromJson(text, MAX), {
      mutations: [
        { type: 'kvSet', project: 'p', key: bytes(), value: bytes() },
        { type: 'insert', project: 'p', table: 't', rows: [{ a: null }] },
      ],
    })
  })

  it('refuses a misspelt field where it decides about data', () => {
    const wrong = [
      '{"mutations":[],"assertion":[]}',
      '{"mutations":[{"type":"kvSet","project":"p","key":{"$b":""},"value":{"$b":""},"ttlMS":1}]}',
      '{"mutations":[],"assertions":[{"type":"keyExists","project":"p","key":{"$b":""},"expect":false}]}',
    ]
    for (const text of wrong) assert.throws(() => envelopeFromJson(text, MAX), isMalformed, text)
    assert.throws(() => ddlFromJson('{"type":"dropProject","project":"p","ifExist":true}', MAX), isMalformed)
  })

  it('refuses what is no number, no bytes, no list, no JSON, out of range', () => {
    const set = (value: string): string =>
      `{"mutations":[{"type":"kvSet","project":"p","key":{"$b":""},"value":${value}}]}`
    for (const value of ['"AQ=="', '{"$b":"AQ="}', '{"$b":"AR=="}', '{"$b":"AQ==","x":1}', '[1]', 'null']) {
      assert.throws(() => envelopeFromJson(set(value), MAX), isMalformed, value)
    }
    for (const by of ['-1', '1.5', '"-1"', '"1e3"', '9007199254740993', 'null', '""']) {
      const text = `{"mutations":[{"type":"kvIncrement","project":"p","key":{"$b":""},"by":${by},"width":64}]}`
      assert.throws(() => envelopeFromJson(text, MAX), isMalformed, by)
    }
    for (const text of [
      '',
      '{',
      '{}',
      '[1]',
      '[{"type":"ping"}]',
      '[{"type":"ping","requestId":4294967296}]',
      '[{"type":"nothing","requestId":1}]',
    ]) {
      assert.throws(() => clientMessagesFromJson(text, MAX), isMalformed, text)
    }
    assert.throws(() => clientMessagesFromJson('['.repeat(200_000), MAX), isMalformed)
  })

  it('refuses what only the binary form cannot hold', () => {
    const text = clientMessagesToJson(clientSamples.slice(2, 3)).replace('"by":5', '"by":"18446744073709551616"')
    assert.throws(() => clientMessagesFromJson(text, MAX), isMalformed)
  })

  it('refuses a frame above its bound', () => {
    assert.throws(() => clientMessagesFromJson('[         ]', 10), { code: 'frame_too_large' })
  })

  it('gives a message or malformed_request for a text with a field taken out or replaced', () => {
    const random = createRandom(seed)
    const junk = ['null', '-1', '1e400', '"x"', '[]', '{}', '{"$b":"!"}', 'true', '{"__proto__":1}']
    const texts = clientSamples.map(m => clientMessagesToJson([m]))
    const answers = serverSamples.map(m => serverMessagesToJson([m]))
    for (let round = 0; round < 4000; round++) {
      const isServer = random(2) === 1
      const text = isServer ? answers[random(answers.length)]! : texts[random(texts.length)]!
      const colons = [...text.matchAll(/":/g)].map(match => match.index)
      const at = colons[random(colons.length)]! + 2
      const rest = /^("(?:[^"\\]|\\.)*"|[\w.+-]+|\{\}|\[\]|[[{])/.exec(text.slice(at))![0]
      const changed = text.slice(0, at) + junk[random(junk.length)]! + text.slice(at + rest.length)
      try {
        if (isServer) serverMessagesFromJson(changed, MAX)
        else clientMessagesFromJson(changed, MAX)
      } catch (error) {
        assert.ok(isMalformed(error), String(error))
      }
    }
  })
})

describe('base64', () => {
  it('is that of Node for every length, and gives the bytes back', () => {
    const random = createRandom(seed)
    for (let length = 0; length < 70; length++) {
      const sample = randomBytes(random, length)
      assert.equal(toBase64(sample), Buffer.from(sample).toString('base64'))
      assert.deepEqual(fromBase64(toBase64(sample)), sample)
    }
  })

  it('is refused without padding, with foreign characters, or with bits that no byte takes', () => {
    for (const text of ['A', 'AA', 'AAA', '====', 'A===', 'AA=A', 'AA-_', 'AB==', 'AAB=', 'AAé=', ' AAA']) {
      assert.equal(fromBase64(text), undefined, text)
    }
  })
})
