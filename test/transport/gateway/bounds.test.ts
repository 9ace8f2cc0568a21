import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { requestSerial } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { NodeService, OutcomeHandler } from '../../../src/model/index.ts'
import { commit, get, put, Rig, withMethods } from './client.ts'
import type { TestClient } from './client.ts'

const busy = new QuorateError('busy', 'test', { retryable: true })
const unavailable = new QuorateError('unavailable', 'test', { retryable: true })
const HELD_BACK_MS = 2_000

/** Commits that the node has taken and not answered. */
class Taken {
  readonly handlers = new Map<number, OutcomeHandler>()

  readonly wrap = (service: NodeService): NodeService =>
    withMethods(service, {
      submit: (request, onOutcome) => void this.handlers.set(requestSerial(request), onOutcome),
    })

  get serials(): number[] {
    return [...this.handlers.keys()]
  }

  refuse(serial: number, error: QuorateError): void {
    this.handlers.get(serial)!(undefined, error)
    this.handlers.delete(serial)
  }
}

describe('the answers of a client that takes none', () => {
  it('are held up to the bound, and beyond it the connection is closed at once', async () => {
    const rig = await Rig.open({ limits: { heldBytesMax: 100_000 } })
    const client = await rig.welcome()
    client.say(commit(2, 1, put('a', 'x'.repeat(30_000))))
    await rig.until('the write', () => client.find('outcome', 2) !== undefined)
    client.link.isSlow = true
    for (const requestId of [3, 4, 5]) {
      client.say(get(requestId, 'a'))
      await rig.until('the read', () => client.find('readResult', requestId) !== undefined)
    }
    assert.ok(client.link.bufferedBytes > 90_000)
    assert.equal(rig.gateway.stats.connections, 1)
    client.say(get(6, 'a'))
    await rig.until('the end', () => client.link.closed !== undefined, 100)
    assert.deepEqual([client.link.closed?.code, rig.gateway.stats.slowClosedTotal], [1013, 1])
    assert.equal(rig.gateway.stats.connections, 0)
  })
})

describe('commits of many bytes', () => {
  it('stop further reading while too many bytes are unanswered, until half of them are answered', async () => {
    const taken = new Taken()
    const rig = await Rig.open({ limits: { inFlightBytesMax: 10_000 }, wrap: taken.wrap })
    const client = await rig.welcome()
    const large = put('a', 'x'.repeat(4_000))
    client.say(commit(2, 1, large), commit(3, 2, large))
    assert.equal(client.link.isPaused, false)
    for (const serial of [3, 4, 5]) client.say(commit(serial + 1, serial, large))
    assert.deepEqual([taken.serials, client.link.isPaused], [[1, 2, 3], true])
    taken.refuse(1, unavailable)
    await rig.pass(100)
    assert.deepEqual([taken.serials, client.link.isPaused], [[2, 3], true], 'more than half is unanswered')
    taken.refuse(2, unavailable)
    await rig.until('the next two', () => taken.serials.length === 3)
    assert.deepEqual(taken.serials, [3, 4, 5])
    assert.equal(client.link.isPaused, true)
    for (const serial of [3, 4, 5]) taken.refuse(serial, unavailable)
    await rig.pass(100)
    assert.equal(client.link.isPaused, false)
  })
})

describe('what comes behind a serial that was refused as busy', () => {
  async function heldBack(...refused: readonly number[]): Promise<{ rig: Rig; client: TestClient; taken: Taken }> {
    const taken = new Taken()
    const rig = await Rig.open({ wrap: taken.wrap })
    const client = await rig.welcome()
    const serials = [...refused].sort((a, b) => a - b)
    client.say(...serials.map(serial => commit(serial + 1, serial, put('a', '1'))))
    for (const serial of refused) taken.refuse(serial, busy)
    return { rig, client, taken }
  }

  it('is refused as busy, with the wait that it should take, as one that was not applied', async () => {
    const { rig, client, taken } = await heldBack(1)
    client.say(commit(12, 2, put('a', '2')), commit(13, 3, put('a', '3'), { copy: 1 }))
    await rig.pass(10)
    assert.deepEqual(taken.serials, [])
    const errors = [12, 13].map(id => client.find('error', id)!.error)
    assert.deepEqual(
      errors.map(({ code, retryable, applied }) => [code, retryable, applied]),
      [
        ['busy', true, 'no'],
        ['busy', true, 'unknown'],
      ],
    )
    assert.ok(errors.every(({ backoffMs }) => backoffMs! > 0))
  })

  it('is taken once the first that was refused comes again, in whatever order they were', async () => {
    for (const refused of [
      [1, 2, 3],
      [3, 1, 2],
    ]) {
      const { client, taken } = await heldBack(...refused)
      client.say(commit(12, 2, put('a', '2')))
      assert.deepEqual(taken.serials, [])
      client.say(commit(13, 1, put('a', '1')), commit(14, 2, put('a', '2')), commit(15, 3, put('a', '3')))
      assert.deepEqual(taken.serials, [1, 2, 3])
    }
  })

  it('is taken once the client says that it has given that up', async () => {
    const { client, taken } = await heldBack(4)
    client.say(commit(12, 5, put('a', '2'), { acknowledgedThrough: 3 }))
    assert.deepEqual(taken.serials, [])
    client.say(commit(13, 5, put('a', '2'), { acknowledgedThrough: 4 }), commit(14, 6, put('a', '3')))
    assert.deepEqual(taken.serials, [5, 6])
  })

  it('is taken when that does not come again for two seconds', async () => {
    const { rig, client, taken } = await heldBack(1)
    await rig.pass(HELD_BACK_MS - 100)
    client.say(commit(12, 2, put('a', '2')))
    assert.deepEqual(taken.serials, [])
    await rig.pass(200)
    client.say(commit(13, 2, put('a', '2')), commit(14, 3, put('a', '3')))
    assert.deepEqual(taken.serials, [2, 3])
  })

  it('is not held back on another connection, whose session is another', async () => {
    const { rig, taken } = await heldBack(1)
    const other = await rig.welcome()
    other.say(commit(2, 2, put('a', '2')))
    assert.deepEqual(taken.serials, [2])
  })
})
