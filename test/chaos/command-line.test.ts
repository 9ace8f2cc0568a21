import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const COMMANDS = {
  chaos: fileURLToPath(new URL('main.js', import.meta.url)),
  'bench:k6': fileURLToPath(new URL('../../../scripts/bench-k6.mjs', import.meta.url)),
}

for (const [name, file] of Object.entries(COMMANDS)) {
  describe(`npm run ${name}`, () => {
    const run = (...args: string[]) => spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' })

    it('prints its options when it is asked for help, and starts nothing', () => {
      const { status, stdout } = run('--help')
      assert.match(stdout, new RegExp(`^usage: npm run ${name} --`))
      assert.equal(stdout.includes('chaos for'), false)
      assert.equal(status, 0)
    })

    it('ends with 2 and the usage where it does not know an option', () => {
      const { status, stderr } = run('--bogus')
      assert.match(stderr, /'--bogus'.*\nusage: npm run /s)
      assert.equal(status, 2)
    })
  })
}

describe('npm run chaos', () => {
  it('ends with 2 where a number is none', () => {
    for (const value of ['x', '', 'Infinity']) {
      const { status, stderr } = spawnSync(process.execPath, [COMMANDS.chaos, `--minutes=${value}`], {
        encoding: 'utf8',
      })
      assert.match(stderr, /^--minutes takes a number\n/)
      assert.equal(status, 2)
    }
  })
})

describe('npm run bench:k6', () => {
  it('ends with 2 and the names that there are where it does not know one', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [COMMANDS['bench:k6'], ...args], { encoding: 'utf8' })
    const scenario = run('nothing')
    assert.match(scenario.stderr, /^no scenario nothing: contention, failover, .*smoke/)
    const thresholds = run('--thresholds', 'nothing')
    assert.equal(thresholds.stderr, 'no thresholds nothing: ci, nightly, smoke\n')
    assert.deepEqual([scenario.status, thresholds.status], [2, 2])
  })
})
