import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { Engine } from '../../src/entry/engine.ts'
import { nodeFiles } from '../../src/platform/node/index.ts'
import { run as runCommand, runWith } from './run.ts'
import type { Ran } from './run.ts'

const run = (...args: string[]): Promise<Ran> => runCommand('backup', ...args)

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-backup-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function set(directory: string, key: string): Promise<number> {
  const engine = await Engine.open(directory)
  await engine.ddl({ type: 'createProject', project: 'p', ifNotExists: true })
  const { seq } = await engine.kv('p').set(key, new Uint8Array(100).fill(1))
  await engine.close()
  return seq
}

async function keys(directory: string): Promise<string[]> {
  const engine = await Engine.open(directory)
  const found: string[] = []
  for await (const { key } of engine.kv('p').scan()) found.push(key)
  await engine.close()
  return found
}

describe('quorate backup', () => {
  it('creates, lists, verifies and restores a chain, to its end and to a seq', () =>
    withFolder(async folder => {
      const at = (name: string): string => join(folder, name)
      const first = await set(at('data'), 'a')
      assert.match(
        (await run('create', at('b/1'), '--data', at('data'))).text,
        /: full, restores \d+ to \d+, \d+ bytes\n$/,
      )
      await set(at('data'), 'b')
      const made = await run('create', at('b/2'), '--data', at('data'), '--parent', at('b/1'), '--output', 'json')
      const manifest = JSON.parse(made.text) as { type: string; entries: { firstSeq: number } }
      assert.equal(manifest.type, 'incremental')
      const from = String(manifest.entries.firstSeq)
      assert.match(
        (await run('list', at('b/2'))).text,
        new RegExp(`: incremental, with its parent restores ${from} to \\d+, \\d+ bytes\n$`),
        'what its parent does not reach',
      )
      assert.equal((await run('restore', at('between'), at('b/1'), at('b/2'), '--seq', from)).code, ExitCode.fine)
      const listed = JSON.parse((await run('list', at('b'), '--output', 'json')).text) as { directory: string }[]
      assert.deepEqual(
        listed.map(one => one.directory),
        [at('b/1'), at('b/2')],
      )
      const verified = await run('verify', at('b/1'), at('b/2'))
      assert.match(verified.text, /: whole\n.*: whole, restored to \d+ with digest [0-9a-f]{16}\n$/)
      assert.match((await run('verify', at('b/1'), at('b/2'), '--files-only')).text, /: whole\n.*: whole\n$/)
      assert.match((await run('verify', at('b/2'))).text, /: whole\n$/)
      assert.equal((await run('verify', at('b/1'), '--scratch', at('data'))).code, ExitCode.usage)
      assert.deepEqual(await keys(at('data')), ['a', 'b'])
      const restored = await run('restore', at('new'), at('b/1'), at('b/2'))
      assert.deepEqual([restored.code, restored.error], [ExitCode.fine, ''])
      assert.deepEqual(await keys(at('new')), ['a', 'b'])
      assert.equal(
        (await run('restore', at('old'), at('b/1'), at('b/2'), '--time', '2120-02-29T23:59:59.5Z')).code,
        ExitCode.fine,
      )
      assert.deepEqual(await keys(at('old')), ['a', 'b'])
      assert.notEqual((await run('restore', at('x'), at('b/1'), '--seq', String(first - 1))).code, ExitCode.fine)
      assert.notEqual((await run('restore', at('x'), at('b/1'), '--time', '1999-12-31T23:59Z')).code, ExitCode.fine)
      assert.notEqual((await run('restore', at('x'), at('b/2'))).code, ExitCode.fine)
      assert.equal((await readdir(folder)).includes('x'), false)
    }))

  it('restores one project out of a chain into another database, and says what it would do before', () =>
    withFolder(async folder => {
      const at = (name: string): string => join(folder, name)
      await set(at('data'), 'a')
      await run('create', at('b/1'), '--data', at('data'))
      const second = await set(at('data'), 'b')
      await run('create', at('b/2'), '--data', at('data'), '--parent', at('b/1'))
      await set(at('other'), 'own')
      const restore = (...args: string[]): Promise<Ran> =>
        run('restore-project', 'p', at('b/1'), at('b/2'), '--data', at('other'), ...args)
      const dry = await restore('--to', 'q', '--dry-run')
      assert.deepEqual([dry.text, dry.error], ['p as q: 2 keys and 0 rows would be restored\n', ''])
      const refused = await restore()
      assert.deepEqual([refused.code, refused.error.includes('already_exists')], [ExitCode.failed, true])
      assert.deepEqual(await keys(at('other')), ['own'])
      assert.equal((await restore('--to', 'q')).text, 'p as q: 2 keys and 0 rows restored\n')
      assert.equal((await restore('--to', 'earlier', '--seq', String(second - 1))).text.includes(' 1 keys'), true)
      // As an interrupted run leaves it.
      await run('restore', at('b/1.restoring'), at('b/1'))
      assert.equal((await restore('--into-existing')).code, ExitCode.fine)
      assert.deepEqual(await keys(at('other')), ['a', 'b', 'own'])
      assert.notEqual((await run('restore-project', 'p', at('b/1'), '--data', at('dota'))).code, ExitCode.fine)
      assert.deepEqual((await readdir(at('b'))).toSorted(), ['1', '2'])
      assert.deepEqual((await readdir(folder)).toSorted(), ['b', 'data', 'other'])
    }))

  it('makes a member anew, or leaves alone what is there where that is wanted', () =>
    withFolder(async folder => {
      const at = (name: string): string => join(folder, name)
      await set(at('data'), 'a')
      await run('create', at('b'), '--data', at('data'))
      await writeFile(at('config.yaml'), 'name: n0\ndataDirectory: ./member\n')
      const restore = (...args: string[]): Promise<Ran> =>
        run('restore-member', at('b'), '--config', at('config.yaml'), ...args)
      const first = await restore('--skip-existing')
      assert.deepEqual([first.code, first.error], [ExitCode.fine, ''])
      const identity = await readFile(at('member/identity.json'), 'utf8')
      assert.equal((await restore()).code, ExitCode.usage)
      const again = await restore('--skip-existing')
      assert.deepEqual([again.code, again.error.includes('stays as it is')], [ExitCode.fine, true])
      assert.equal(await readFile(at('member/identity.json'), 'utf8'), identity)
      await writeFile(at('member/identity.json'), identity.replace('"isComplete": true', '"isComplete": false'))
      assert.notEqual((await restore('--skip-existing')).code, ExitCode.fine, 'a changed identity is damage')
      const args = ['backup', 'restore-member', at('b'), '--config', at('config.yaml')]
      const beside = { QUORATE_ENDPOINTS: 'a:1', QUORATE_TOKEN: 'x', QUORATE_DATA_DIRECTORY: at('another') }
      assert.equal((await runWith(beside, nodeFiles(), ...args)).code, ExitCode.fine)
      assert.equal((await runWith({ QUORATE_DATADIR: 'x' }, nodeFiles(), ...args)).code, ExitCode.usage)
    }))

  it('says damage with its exit code, and makes no database of a wrong name', () =>
    withFolder(async folder => {
      const at = (name: string): string => join(folder, name)
      await set(at('data'), 'a')
      await writeFile(at('key'), new Uint8Array(32).fill(3))
      assert.equal((await run('create', at('b'), '--data', at('data'), '--key-file', at('key'))).code, ExitCode.fine)
      assert.notEqual((await run('verify', at('b'))).code, ExitCode.fine)
      assert.equal((await run('verify', at('b'), '--key-file', at('key'))).code, ExitCode.fine)
      const images = await readFile(at('b/images'))
      images[images.length - 1]! ^= 1
      await writeFile(at('b/images'), images)
      const verified = await run('verify', at('b'), '--key-file', at('key'))
      assert.deepEqual([verified.code, verified.error.includes('images')], [ExitCode.damage, true])
      assert.notEqual((await run('create', at('c'), '--data', at('dota'))).code, ExitCode.fine)
      assert.equal((await readdir(folder)).includes('dota'), false)
      assert.notEqual((await run('restore', at('y'), at('b'), '--time', 'yesterday')).code, ExitCode.fine)
    }))
})
