import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { pathOfModule } from '../../src/platform/node/index.ts'
import { longRunEnvironment, longRunFlags } from '../../src/platform/node/long-run.ts'

const MODULE = new URL('../../src/platform/node/long-run.js', import.meta.url).href

describe('the flags of V8 for a node', () => {
  it('leave out what a version does not have', () => {
    const budget = (version: string): boolean =>
      longRunFlags(version).some(flag => flag.startsWith('--interrupt-budget'))
    assert.deepEqual(['11.3.244.8-node.33', '12.4.254.21-node.33', '13.6.233.17-node.37'].map(budget), [
      true,
      false,
      false,
    ])
    for (const version of ['11.3.244.8-node.33', '14.1.146.11-node.14']) {
      const flags = longRunFlags(version)
      assert.ok(flags.includes('--heap-growing-percent=300') && flags.includes('--no-allocation-site-pretenuring'))
    }
  })

  it('are all known to the one that runs this: it prints no error', () => {
    const program = `import { tuneForLongRun } from ${JSON.stringify(MODULE)}; tuneForLongRun(); console.log('tuned')`
    const args = ['--input-type=module', '--eval', program]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.deepEqual([status, stdout, stderr], [0, 'tuned\n', ''])
    const unknown = `import { setFlagsFromString } from 'node:v8'; setFlagsFromString('--no-such-flag=1')`
    const told = spawnSync(process.execPath, ['--input-type=module', '--eval', unknown], { encoding: 'utf8' })
    assert.match(told.stderr, /no-such-flag/, 'else the line above proves nothing')
  })
})

describe('the environment of a node', () => {
  it('asks for large pages, unless the operator has said something else', () => {
    const { GLIBC_TUNABLES, PATH } = longRunEnvironment({ PATH: '/bin' })
    assert.deepEqual([GLIBC_TUNABLES, PATH], ['glibc.malloc.hugetlb=1', '/bin'])
    const own = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=0' }
    assert.deepEqual(longRunEnvironment(own), own)
  })
})

it('a module has a path wherever the package lies', () => {
  assert.equal(pathOfModule('./main.js', 'file:///home/a%20b/%C3%BC%23/dev.js'), '/home/a b/ü#/main.js')
})
