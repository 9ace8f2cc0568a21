import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { usagesSchema } from '../../../src/transport/http/schemas.ts'
import { HttpRig } from './http-rig.ts'

describe('what projects hold, over HTTP', () => {
  it('is told with their quotas, which refuse with 507', async () => {
    const rig = await HttpRig.open()
    const ddl = (operation: object): ReturnType<HttpRig['ask']> =>
      rig.ask('POST', '/v1/ddl', { body: JSON.stringify(operation) })
    assert.equal((await ddl({ type: 'setQuota', project: 'p', bytes: 6 })).status, 200)
    assert.equal((await ddl({ type: 'setQuota', project: 'p', bytes: -1 })).status, 400)
    assert.equal((await rig.ask('PUT', '/v1/kv/p/app/ab', { body: '1234' })).status, 200)
    const refused = await rig.ask('PUT', '/v1/kv/p/app/c', { body: '' })
    assert.deepEqual([refused.status, refused.body.code], [507, 'quota_exceeded'])
    const one = await rig.ask('GET', '/v1/usage/p')
    assert.equal(one.status, 200, JSON.stringify(one.body))
    assert.equal(usagesSchema.safeParse(one.body).error, undefined)
    assert.equal(one.headers.get('quorate-token'), one.body.token)
    const { id, createdAtMicros, ...usage } = (one.body.projects as Record<string, unknown>[])[0]!
    assert.deepEqual([typeof id, typeof createdAtMicros], ['number', 'number'])
    assert.deepEqual(usage, { name: 'p', keys: 1, rows: 0, events: 0, bytes: 6, quota: { bytes: 6 } })
    assert.deepEqual((await rig.ask('GET', '/v1/usage')).body.projects, one.body.projects)
    assert.equal((await rig.ask('GET', '/v1/usage/none')).body.code, 'project_not_found')
    assert.equal((await rig.ask('GET', '/v1/usage/a/b')).status, 404)
    assert.equal((await rig.ask('POST', '/v1/usage/p', { body: '' })).status, 405)
  })
})
