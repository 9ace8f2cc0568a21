import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { Engine } from '../../src/entry/engine.ts'
import { createTable, defineTable, integer, text } from '../../src/model/index.ts'
import { run } from './run.ts'
import type { Ran } from './run.ts'

const things = defineTable('things', {
  project: 'p',
  columns: { id: integer().primaryKey(), name: text() },
  indexes: [{ columns: ['name'] }],
})

async function withData(body: (at: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-debug-'))
  const at = (name: string): string => join(folder, name)
  try {
    const engine = await Engine.open(at('data'))
    await engine.ddl([{ type: 'createProject', project: 'p' }, createTable(things)])
    await engine.ddl({ type: 'grant', caller: 'p-ann', permission: { type: 'kvRead', project: 'p' } })
    await engine.kv('p').set('secret', new TextEncoder().encode('hidden'))
    await engine.table(things).insertMany([1, 2, 3].map(id => ({ id, name: `n${id}` })))
    await engine.close()
    await body(at)
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('quorate debug', () => {
  it('runs the commands that read on a directory, and changes nothing in it', () =>
    withData(async at => {
      const identity = await readFile(at('data/identity.json'), 'utf8')
      const explore = (...args: string[]): Promise<Ran> => run('debug', 'explore', at('data'), '--', ...args)
      assert.match((await explore('project', 'list')).text, /^p\b/m)
      assert.match((await explore('table', 'list', 'p', 'app')).text, /things/)
      assert.equal((await explore('kv', 'get', 'p', 'app', 'secret')).text, 'hidden')
      assert.match((await explore('kv', 'scan', 'p', 'app', '--limit', '5')).text, /secret/)
      assert.equal((await explore('kv', 'scan-scopes', 'p', '--prefix', 'sec')).text, 'app\tsecret\thidden\n')
      const listedRows = await explore('audit', 'list', '--limit', '1')
      assert.match(listedRows.text, /granted[^\n]*p-ann[^\n]*\n1 kept, head [0-9a-f]{64}\n$/)
      const head = /head ([0-9a-f]{64})/.exec(listedRows.text)![1]!
      const verified = await explore('audit', 'verify', '--known', head)
      assert.deepEqual([verified.code, verified.text.includes('1 rows')], [ExitCode.fine, true])
      assert.equal((await explore('audit', 'verify', '--known', 'ab'.repeat(32))).code, ExitCode.failed)
      const rows = await explore('export', 'p', 'app', 'things')
      assert.deepEqual(
        rows.text
          .trimEnd()
          .split('\n')
          .map(line => JSON.parse(line) as unknown),
        [1, 2, 3].map(id => ({ id, name: `n${id}` })),
      )
      const listed = await run('debug', 'explore', at('data'), '--output', 'json', 'project', 'list')
      assert.deepEqual(
        (JSON.parse(listed.text) as { name: string }[]).map(({ name }) => name),
        ['p'],
      )
      assert.equal((await explore('kv', 'set', 'p', 'app', 'k', 'v')).code, ExitCode.usage)
      assert.equal((await explore('kv', 'get', 'p', 'app', 'none')).code, ExitCode.failed)
      assert.equal((await explore('status')).code, ExitCode.usage)
      assert.equal((await run('debug', 'explore', at('other'), 'project', 'list')).code, ExitCode.failed)
      assert.deepEqual((await readdir(at('.'))).toSorted(), ['data'])
      assert.equal(await readFile(at('data/identity.json'), 'utf8'), identity)
    }))

  it('shows the entries of the log, values only where they are asked for', () =>
    withData(async at => {
      const lines = (await run('debug', 'dump-log', at('data'))).text.trimEnd().split('\n')
      assert.match(lines[0]!, /^1 1 configuration \d+ \d+ bytes .*"1:engine"/)
      const written = lines.find(line => line.includes('kvSet p/app'))!
      assert.match(written, /^\d+ 1 transaction \d+ \d+ bytes \{"caller":"root"/)
      assert.ok(
        lines.some(line => line.includes('createTable p')) && lines.some(line => line.includes('insert p/app/things')),
      )
      assert.equal(lines.join('\n').includes('hidden'), false)
      const seq = written.split(' ')[0]!
      const one = await run('debug', 'dump-log', at('data'), '--from', seq, '--to', seq, '--full', '--output', 'json')
      const entry = JSON.parse(one.text) as { seq: number; isCommitted: boolean; detail: { mutations: unknown[] } }
      assert.deepEqual([String(entry.seq), entry.isCommitted], [seq, true])
      assert.ok(JSON.stringify(entry.detail).includes(Buffer.from('hidden').toString('base64')))
      const two = await run('debug', 'dump-log', at('data'), '--from', '2', '--limit', '2')
      assert.deepEqual(
        two.text
          .trimEnd()
          .split('\n')
          .map(line => line.split(' ')[0]),
        ['2', '3'],
      )
      assert.equal((await run('debug', 'dump-log', at('data'), '--from', '100000')).text, '')
    }))
})

describe('quorate dump', () => {
  it('exports, restores and compares directories and dumps', () =>
    withData(async at => {
      assert.match(
        (await run('dump', 'export', at('data'), at('dump'))).text,
        /: seq \d+, \d+ records, all [0-9a-f]{64}/,
      )
      assert.match(
        (await run('dump', 'restore', at('dump'), at('copy'))).text,
        /copy: restored to \d+, goes on at \d+ of/,
      )
      assert.equal((await run('dump', 'parity', at('data'), at('dump'), at('copy'))).code, ExitCode.fine)
      const engine = await Engine.open(at('copy'))
      assert.equal(await engine.table(things).count(), 3)
      await engine.close()
      const opened = await run('dump', 'parity', at('data'), at('copy'))
      assert.deepEqual([opened.code, opened.error.trim()], [ExitCode.failed, 'the states differ'])
      const data = await run('dump', 'parity', at('data'), at('copy'), '--data', '--output', 'json')
      assert.equal((JSON.parse(data.text) as { isEqual: boolean }).isEqual, true, 'a session alone makes no difference')
      assert.equal((await run('dump', 'export', at('data'), at('dump'))).code, ExitCode.failed)
      assert.equal((await run('dump', 'parity', at('data'), '--seq', 'x')).code, ExitCode.usage)
      assert.equal((await run('dump', 'export', at('data'), at('later'), '--seq', '999999')).code, ExitCode.failed)
      assert.equal((await run('dump', 'restore', at('dump'), at('copy'))).code, ExitCode.usage)
    }))
})
