import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A compiler that compiles nothing and fails if asked to. */
const FAKE_COMPILER = 'process.exitCode = Number(process.env.FAKE_COMPILER_EXIT ?? 0)\n'

describe('the scripts behind npm', () => {
  let checkout = ''

  beforeEach(() => {
    checkout = mkdtempSync(join(tmpdir(), 'quorate-scripts-'))
    cpSync(join(root, 'scripts'), join(checkout, 'scripts'), { recursive: true })
    write('node_modules/typescript/bin/tsc', FAKE_COMPILER)
  })
  afterEach(() => rmSync(checkout, { recursive: true }))

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(checkout, file)), { recursive: true })
    writeFileSync(join(checkout, file), text)
  }

  function run(script: string, args: readonly string[] = [], environment = {}): SpawnSyncReturns<string> {
    // Without its marker of a test in a test, which would silence the inner runner.
    const { NODE_TEST_CONTEXT: _, ...env } = { ...process.env, ...environment } as Record<string, string>
    return spawnSync(process.execPath, [join('scripts', script), ...args], { cwd: checkout, env, encoding: 'utf8' })
  }

  it('run-tests passes on that a test failed, after the closing lines of node', () => {
    write('test/a.test.ts', '')
    write('dist/test/a.test.js', "require('node:test').test('a', () => { throw new Error('no') })")
    write('test/b.test.ts', '')
    write('dist/test/b.test.js', "require('node:test').test('b', () => {})")
    const { status, stdout } = run('run-tests.mjs')
    assert.equal(status, 1)
    assert.match(stdout, /tests 2\n.*suites 0\n.*pass 1\n.*fail 1\n/)
    assert.equal(run('run-tests.mjs', ['b.test']).status, 0, 'a text keeps only the files whose path contains it')
  })

  it('run-tests removes compiled tests without a source, and only these', () => {
    write('test/kept.test.ts', '')
    write('dist/test/kept.test.js', "require('node:test').test('kept', () => {})")
    for (const ending of ['.js', '.js.map', '.d.ts']) write(`dist/test/gone.test${ending}`, 'stale')
    const { status, stdout } = run('run-tests.mjs')
    assert.equal(status, 0, stdout)
    assert.match(stdout, /removed dist\/test\/gone\.test\.js/)
    for (const ending of ['.js', '.js.map', '.d.ts'])
      assert.ok(!existsSync(join(checkout, `dist/test/gone.test${ending}`)))
    assert.ok(existsSync(join(checkout, 'dist/test/kept.test.js')))
  })

  it('run-tests without any test fails: an empty run proves nothing', () => {
    assert.equal(run('run-tests.mjs').status, 1)
  })

  it('start runs `quorate dev` with what was given, and ends with its exit code', () => {
    write('src/cli/main.ts', '')
    write('dist/src/cli/main.js', 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 4')
    const { status, stdout } = run('start.mjs', ['--data', 'a b'])
    assert.deepEqual(JSON.parse(stdout), ['dev', '--data', 'a b'])
    assert.equal(status, 4)
  })

  it('with-build stops with the compiler’s exit code and runs nothing', () => {
    write('bench/main.ts', '')
    write('dist/bench/main.js', "console.log('ran')")
    assert.equal(run('with-build.mjs', ['dist/bench/main.js']).stdout, 'ran\n')
    const { status, stdout } = run('with-build.mjs', ['dist/bench/main.js'], { FAKE_COMPILER_EXIT: '2' })
    assert.equal(status, 2)
    assert.equal(stdout, '')
  })
})
