import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeEnvelope, encodeRequest } from '../../../src/encoding/index.ts'
import type { EntryOutcome } from '../../../src/model/index.ts'
import { RequestTable } from '../../../src/raft/requests.ts'

const BYTES = 1_000

/** A request of a little more than `bytes`. */
function requestOf(session: number, serial: number, bytes: number, copy = 0): Uint8Array {
  const value = new Uint8Array(bytes)
  const envelope = encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'p', key: new Uint8Array(1), value }] })
  return encodeRequest({ caller: 'root', session, serial, acknowledgedThrough: 0, notAfterMicros: 0, copy }, envelope)
}

/** A table on a clock of its own, which takes about `BYTES`. */
class Rig {
  nowMs = 0
  readonly table = new RequestTable(() => this.nowMs, BYTES)

  isTaken(...request: Parameters<typeof requestOf>): boolean {
    return this.table.add(requestOf(...request), () => undefined) !== undefined
  }

  answer(session: number, serial: number): void {
    this.table.answer(session, serial, new Uint8Array(0))
  }
}

describe('a table of requests that is full', () => {
  it('takes nothing that was issued behind a refused request until that is offered again', () => {
    const rig = new Rig()
    assert.equal(rig.isTaken(7, 1, 800), true)
    assert.equal(rig.isTaken(7, 2, 500), false)
    assert.equal(rig.isTaken(7, 3, 10), false, 'it would fit, and overtake')
    assert.equal(rig.isTaken(8, 1, 10), true, 'another session does not wait')
    assert.equal(rig.isTaken(7, 1, 800, 1), true, 'a copy of what waits joins it')
    assert.equal(rig.isTaken(7, 3, 10), false, 'and lets nothing pass')
    rig.answer(7, 1)
    assert.equal(rig.isTaken(7, 3, 10, 1), false)
    assert.equal(rig.isTaken(7, 2, 500, 1), true)
    assert.equal(rig.isTaken(7, 3, 10, 2), true)
  })

  it('waits for a refused request no longer than a second', () => {
    const rig = new Rig()
    assert.equal(rig.isTaken(7, 1, 800), true)
    assert.equal(rig.isTaken(7, 2, 500), false)
    rig.nowMs = 999
    assert.equal(rig.isTaken(7, 3, 10), false)
    rig.nowMs = 1_000
    assert.equal(rig.isTaken(7, 3, 10), true)
  })

  it('takes one that is larger than the bound when nothing else waits', () => {
    const rig = new Rig()
    assert.equal(rig.isTaken(7, 1, 10 * BYTES), true)
    assert.equal(rig.isTaken(8, 1, 10), false)
    rig.answer(7, 1)
    assert.equal(rig.isTaken(8, 1, 10), true)
  })
})

describe('a table of requests', () => {
  it('places nothing that was answered while it waited to be placed again', () => {
    const { table } = new Rig()
    const taken = [1, 2, 3].map(serial => table.add(requestOf(7, serial, 10), () => undefined)!)
    table.answer(7, 1, new Uint8Array(0))
    assert.deepEqual(table.takeUnplaced(1), [taken[1], taken[2]])
    table.replaceAll()
    table.answer(7, 2, new Uint8Array(0))
    const copy = table.add(requestOf(7, 2, 10, 4), () => undefined)!
    assert.deepEqual(table.takeUnplaced(2), [taken[2], copy], 'the copy that has come since is another request')
    assert.equal(table.hasUnplaced, false)
  })
  it('asks an applied entry for its outcome only where somebody waits for it, and tells him and all copies', () => {
    const { table } = new Rig()
    const told: string[] = []
    let asked = 0
    const entry = (serial: number): EntryOutcome => ({
      seq: 20 + serial,
      session: 7,
      serial,
      isDuplicate: false,
      get outcome() {
        asked++
        return Uint8Array.of(serial)
      },
    })
    const timing = { fromMs: 0, toMs: 1 }
    table.applied(entry(1), timing)
    for (const name of ['first', 'copy', 'another copy']) {
      table.add(requestOf(7, 2, 10), outcome => told.push(`${name} ${outcome?.[0]}`))
    }
    table.applied(entry(1), timing)
    assert.equal(asked, 0)
    table.applied(entry(2), timing)
    table.applied(entry(2), timing)
    assert.deepEqual(told, ['first 2', 'copy 2', 'another copy 2'])
    assert.deepEqual([asked, table.latency.count, table.count], [1, 1, 0])
  })
})
