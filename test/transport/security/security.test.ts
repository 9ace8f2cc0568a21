import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { QuorateError } from '../../../src/model/index.ts'
import { nodeFiles } from '../../../src/platform/node/index.ts'
import {
  isLoopbackHost,
  openTokens,
  readClusterSecret,
  requireSafeBind,
} from '../../../src/transport/security/index.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-security-'))
})
after(() => rm(directory, { recursive: true }))

const files = nodeFiles()
const ALICE = 'alice-alice-alice-alice'
const OPS = 'ops-ops-ops-ops-ops-ops'

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, content)
  return path
}

function invalid(mustNotSay = ''): (error: unknown) => boolean {
  return error =>
    error instanceof QuorateError &&
    error.code === 'configuration_invalid' &&
    (mustNotSay === '' || !error.message.includes(mustNotSay))
}

describe('bearer tokens', () => {
  it('come from YAML or JSON, as text or as a hash, and stand for a caller with roles', async () => {
    const hash = createHash('sha256').update(OPS).digest('hex')
    const yaml = `tokens:\n  - token: ${ALICE}\n    caller: alice\n  - sha256: ${hash}\n    caller: ops\n    roles: [client, admin]\n`
    const json = JSON.stringify({
      tokens: [
        { token: ALICE, caller: 'alice' },
        { sha256: hash, caller: 'ops', roles: ['client', 'admin'] },
      ],
    })
    for (const path of [await file('tokens.yaml', yaml), await file('tokens.json', json)]) {
      const tokens = await openTokens(files, path)
      assert.equal(tokens.count, 2)
      assert.deepEqual(tokens.holderOf(ALICE), { caller: 'alice', roles: ['client'] })
      assert.deepEqual(tokens.holderOf(OPS), { caller: 'ops', roles: ['client', 'admin'] })
      for (const wrong of ['', hash, `${ALICE} `, ALICE.slice(1), ALICE.toUpperCase(), 'x'.repeat(10_000)]) {
        assert.equal(tokens.holderOf(wrong), undefined)
      }
      assert.equal(tokens.holderOfHeader(`Bearer ${ALICE}`)?.caller, 'alice')
      assert.equal(tokens.holderOfHeader(`bearer ${ALICE}`)?.caller, 'alice')
      for (const wrong of [
        undefined,
        '',
        ALICE,
        `Basic ${ALICE}`,
        `Bearer ${ALICE} x`,
        'Bearer ',
        `Bearer  ${ALICE}`,
      ]) {
        assert.equal(tokens.holderOfHeader(wrong), undefined)
      }
    }
  })

  it('change on reload only, and stay if the file has become unsound', async () => {
    const path = await file('changing.yaml', `tokens: [{token: ${ALICE}, caller: alice}]`)
    const tokens = await openTokens(files, path)
    await file('changing.yaml', `tokens: [{token: ${OPS}, caller: ops}]`)
    assert.equal(tokens.holderOf(OPS), undefined)
    await tokens.reload()
    assert.equal(tokens.holderOf(ALICE), undefined)
    assert.equal(tokens.holderOf(OPS)?.caller, 'ops')
    await file('changing.yaml', 'tokens: nonsense')
    await assert.rejects(tokens.reload(), invalid())
    assert.equal(tokens.holderOf(OPS)?.caller, 'ops')
  })

  it('are refused with the path and the field, and without the secret', async () => {
    const unsound = [
      'tokens: [{token: short, caller: a}]',
      `tokens: [{token: ${ALICE}}]`,
      `tokens: [{token: ${ALICE}, caller: a, roles: []}]`,
      `tokens: [{token: ${ALICE}, caller: a, roles: [king]}]`,
      `tokens: [{token: ${ALICE}, caller: a, extra: 1}]`,
      `tokens: [{token: ${ALICE}, sha256: "${'0'.repeat(64)}", caller: a}]`,
      `tokens: [{token: ${ALICE}, caller: a}, {token: ${ALICE}, caller: b}]`,
      `tokens: [{token: ${ALICE}, caller: a}`,
      `"${ALICE}`,
      '',
      '[]',
    ]
    for (const content of unsound) {
      const path = await file('unsound.yaml', content)
      await assert.rejects(openTokens(files, path), invalid(ALICE), content)
    }
    await assert.rejects(openTokens(files, join(directory, 'absent')), invalid())
    await assert.rejects(openTokens(files, await file('binary', Uint8Array.of(0xff, 0xfe, 0x80))), invalid())
  })
})

describe('the cluster secret', () => {
  it('is the text of a file without the white space at its ends, and not too short', async () => {
    const secret = await readClusterSecret(files, await file('secret', '  0123456789abcdef\n'))
    assert.equal(Buffer.from(secret).toString(), '0123456789abcdef')
    await assert.rejects(readClusterSecret(files, await file('short', '0123456789abcde\n\n\n')), invalid('0123456789'))
    await assert.rejects(readClusterSecret(files, join(directory, 'absent')), invalid())
  })
})

describe('a bind', () => {
  it('is safe on loopback, with authentication, or when insecurity is spelled out', () => {
    for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1', '[::1]', '::ffff:127.0.0.1']) {
      assert.ok(isLoopbackHost(host), host)
      requireSafeBind({ host, hasAuth: false, insecure: false })
    }
    for (const host of [
      '0.0.0.0',
      '::',
      '',
      '10.0.0.1',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.256',
      'db1',
    ]) {
      assert.ok(!isLoopbackHost(host), host)
      assert.throws(() => requireSafeBind({ host, hasAuth: false, insecure: false, door: 'client' }), invalid())
      requireSafeBind({ host, hasAuth: true, insecure: false })
      requireSafeBind({ host, hasAuth: false, insecure: true })
    }
  })
})
