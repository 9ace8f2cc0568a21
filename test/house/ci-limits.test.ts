import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const script = readFileSync(`${root}/.ci/run`, 'utf8')
const lines = script.split('\n').filter(line => !/^\s*#/.test(line))
/** What `limit` gives a command to end by itself before it is killed. */
const GRACE_SECONDS = 5

describe('.ci/run', () => {
  it('takes at most fifty minutes, even if every step hangs', () => {
    assert.match(script, new RegExp(`^limit\\(\\) \\{ timeout -k ${GRACE_SECONDS} "\\$@"`, 'm'))
    const limits = Array.from(script.matchAll(/\blimit (\d+) /g), ([, seconds]) => Number(seconds))
    assert.equal(limits.length, 8)
    const seconds = limits.reduce((sum, limit) => sum + limit + GRACE_SECONDS, 0)
    assert.ok(seconds <= 3_000, `${seconds} s`)
  })

  it('runs nothing without a limit', () => {
    const commands = lines.filter(line => /\b(npm|node|bash) [^>]/.test(line) && !/^\s*(step|echo|if \[) /.test(line))
    assert.ok(commands.length >= 8)
    for (const command of commands) assert.match(command, /\blimit \d+ |^node --version$/)
  })

  it('gives the containers what their parts may take together', () => {
    const line = lines.find(each => each.includes('docker-engine.sh'))!
    const [, preparation, whole, suite] = /SECONDS=(\d+) limit (\d+) .* timeout -k 5 (\d+) /.exec(line)!.map(Number)
    // Ending the engine takes some seconds.
    assert.ok(preparation! + suite! + GRACE_SECONDS + 10 <= whole!)
  })

  it('ends with the tests, and is a program that bash understands', () => {
    assert.match(script.trimEnd().split('\n').at(-1)!, /^limit \d+ npm test$/)
    assert.equal(spawnSync('bash', ['-n', '.ci/run'], { cwd: root }).status, 0)
  })
})
