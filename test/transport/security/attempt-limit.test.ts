import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AttemptLimit, networkOf } from '../../../src/transport/security/index.ts'

class Rig {
  nowMs = 1_000
  readonly limit: AttemptLimit

  constructor(addressesMax = 4_096) {
    const clock = { monotonicMs: () => this.nowMs, wallMicros: () => 0 }
    this.limit = new AttemptLimit({ clock, burst: 3, refillMs: 1_000, addressesMax })
  }

  fail(address: string, times = 1): void {
    for (let i = 0; i < times; i++) this.limit.failed(address)
  }
}

describe('the bound on wrong tokens', () => {
  it('lets an address fail a few times, then once in a while', () => {
    const rig = new Rig()
    rig.fail('10.0.0.1', 2)
    assert.equal(rig.limit.waitMs('10.0.0.1'), 0)
    rig.fail('10.0.0.1')
    assert.equal(rig.limit.waitMs('10.0.0.1'), 1_000)
    rig.nowMs += 400
    assert.equal(rig.limit.waitMs('10.0.0.1'), 600)
    rig.nowMs += 600
    assert.equal(rig.limit.waitMs('10.0.0.1'), 0)
    rig.fail('10.0.0.1')
    assert.equal(rig.limit.waitMs('10.0.0.1'), 1_000)
    rig.nowMs += 100_000
    rig.fail('10.0.0.1', 2)
    assert.equal(rig.limit.waitMs('10.0.0.1'), 0, 'it has the whole bucket again, and no more')
    rig.fail('10.0.0.1')
    assert.ok(rig.limit.waitMs('10.0.0.1') > 0)
    assert.deepEqual([rig.limit.failedTotal, rig.limit.limitedTotal], [7, 4])
  })

  it('concerns nobody else', () => {
    const rig = new Rig()
    rig.fail('10.0.0.1', 5)
    assert.equal(rig.limit.waitMs('10.0.0.2'), 0)
  })

  it('remembers a bounded number of addresses, those that failed last', () => {
    const rig = new Rig(100)
    rig.fail('10.0.0.1', 3)
    for (let i = 0; i < 1_000; i++) {
      rig.fail(`10.1.${i >> 8}.${i & 255}`)
      rig.fail('10.0.0.1')
      assert.ok(rig.limit.size <= 100)
    }
    assert.ok(rig.limit.waitMs('10.0.0.1') > 0, 'who goes on failing is not forgotten')
  })

  it('takes the network of an IPv6 machine for one address', () => {
    assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:0db8:1:2::9'))
    assert.notEqual(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'))
    assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1')
    assert.equal(networkOf('::1'), networkOf('0:0:0:0:0:0:0:1'))
    assert.equal(networkOf('fe80::1%eth0'), networkOf('fe80::2'))
    const rig = new Rig()
    for (let i = 0; i < 3; i++) rig.fail(`2001:db8::${i}`)
    assert.ok(rig.limit.waitMs('2001:db8::ffff') > 0)
  })
})
