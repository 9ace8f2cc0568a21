import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scopesListSchema } from '../../../src/transport/http/schemas.ts'
import { HttpRig } from './http-rig.ts'

interface Listed {
  scope: string
  text: string
}

async function filled(): Promise<HttpRig> {
  const rig = await HttpRig.open()
  for (const scope of ['b', 'empty', 'zed']) {
    const operation = { type: 'createScope', project: 'p', scope }
    assert.equal((await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(operation) })).status, 200)
  }
  for (const key of ['app/a1', 'app/a2', 'b/a1', 'zed/a9', 'zed/x']) {
    assert.equal((await rig.ask('PUT', `/v1/kv/p/${key}`, { body: key })).status, 200)
  }
  return rig
}

describe('the keys of all scopes, over HTTP', () => {
  it('come page by page, all of one seq', async () => {
    const rig = await filled()
    for (const reverse of [false, true]) {
      const seen: string[] = []
      let cursor: string | undefined
      let first: string | undefined
      do {
        const more = cursor === undefined ? '' : `&cursor=${cursor}`
        const page = await rig.ask('GET', `/v1/kv/p?limit=1&reverse=${reverse}${more}`)
        assert.equal(page.status, 200, JSON.stringify(page.body))
        assert.equal(scopesListSchema.safeParse(page.body).error, undefined)
        first ??= page.body.token as string
        assert.equal(page.body.token, first)
        assert.equal(page.headers.get('quorate-token'), first)
        seen.push(...(page.body.entries as Listed[]).map(({ scope, text }) => `${scope}/${text}`))
        cursor = page.body.cursor as string | undefined
        await rig.ask('PUT', `/v1/kv/p/app/late${seen.length}`, { body: '' })
      } while (cursor !== undefined)
      const own = seen.filter(key => !key.includes('late'))
      const all = ['app/a1', 'app/a2', 'b/a1', 'zed/a9', 'zed/x']
      assert.deepEqual(own, reverse ? all.toReversed() : all)
      assert.equal(new Set(seen).size, seen.length)
      if (!reverse) assert.equal(own.length, seen.length, 'what came later is not seen')
    }
    const keys = await rig.ask('GET', '/v1/kv/p?prefix=a9&values=false')
    assert.deepEqual(
      (keys.body.entries as Listed[]).map(({ scope, text }) => [scope, text]),
      [['zed', 'a9']],
    )
    assert.equal('value' in (keys.body.entries as Listed[])[0]!, false)
  })

  it('are read of a state that is made once', async () => {
    const rig = await filled()
    const openView = rig.core.openView.bind(rig.core)
    let views = 0
    rig.core.openView = options => {
      views++
      return openView(options)
    }
    const page = await rig.ask('GET', '/v1/kv/p')
    assert.deepEqual([page.status, (page.body.entries as Listed[]).length, views], [200, 5, 1])
    const older = await rig.ask('GET', `/v1/kv/p?consistency=local&limit=1`)
    await rig.ask('PUT', '/v1/kv/p/app/late', { body: '' })
    views = 0
    const rest = await rig.ask('GET', `/v1/kv/p?cursor=${String(older.body.cursor)}`)
    assert.deepEqual([rest.status, (rest.body.entries as Listed[]).length, views], [200, 4, 1])
  })

  it('refuse what is no request of theirs', async () => {
    const rig = await filled()
    assert.equal((await rig.ask('GET', '/v1/kv/none')).body.code, 'project_not_found')
    assert.equal((await rig.ask('GET', '/v1/kv/p?cursor=AAAA')).body.code, 'invalid_argument')
    const { cursor } = (await rig.ask('GET', '/v1/kv/p/app?limit=1')).body
    assert.equal((await rig.ask('GET', `/v1/kv/p?limit=1&cursor=${String(cursor)}`)).body.code, 'invalid_argument')
    assert.equal((await rig.ask('PUT', '/v1/kv/p', { body: '' })).status, 405)
  })
})
