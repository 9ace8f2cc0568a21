import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HttpRig } from './http-rig.ts'

describe('a read over HTTP that waits', () => {
  it('is listed, and answered `cancelled` as soon as an operator ends it', async () => {
    const rig = await HttpRig.open()
    rig.trio.wire.cutOff.add(rig.name)
    let answer: Awaited<ReturnType<HttpRig['ask']>> | undefined
    const asked = rig.ask('GET', '/v1/kv/p/app/a').then(given => (answer = given))
    await new Promise(setImmediate)
    const [running, ...others] = rig.core.reads.running()
    assert.equal(others.length, 0)
    const { id, ageMs: _, ...rest } = running!
    assert.deepEqual(rest, { door: 'node', kind: 'get', caller: 'root', project: 'p', state: 'waiting' })
    assert.equal(rig.core.reads.cancel('read-999'), false)
    assert.equal(rig.core.reads.cancel('commit-1-1'), false)
    assert.equal(rig.core.reads.cancel(id), true)
    await asked
    assert.deepEqual([answer?.status, answer?.body.code], [503, 'cancelled'])
    assert.deepEqual(rig.core.reads.running(), [])
  })

  it('ends with its client', async () => {
    const rig = await HttpRig.open()
    rig.trio.wire.cutOff.add(rig.name)
    const gone = new AbortController()
    const read = rig.core.read(
      { type: 'get', project: 'p', scope: 'app', keys: [Uint8Array.of(1)] },
      { signal: gone.signal },
    )
    assert.equal(rig.core.reads.running().length, 1)
    gone.abort()
    await assert.rejects(read, { code: 'aborted' })
    assert.deepEqual(rig.core.reads.running(), [])
  })
})
