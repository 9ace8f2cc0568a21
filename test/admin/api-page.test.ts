import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, describe, it } from 'node:test'
import { createStartingApp } from '../../src/admin/index.ts'
import type { BackupActions } from '../../src/admin/index.ts'
import { AdminRig } from './rig.ts'

const ROUTE = /^\| `([A-Z]+) (\/[^`]*)` \| (`\w+`)? ?\|/gm

interface DocumentedRoute {
  readonly method: string
  readonly path: string
  readonly role: string | undefined
}

/** A path of the app as the page writes it: `:name` is NAME there, and the check of a probe is its name. */
function written(path: string): string {
  return path.replace(':check', 'NAME').replaceAll(/:(\w+)/g, (_, name: string) => name.toUpperCase())
}

describe('docs/reference/admin-api.md', () => {
  let routes: DocumentedRoute[]
  /** The roles that were asked for: nobody has any. */
  const wanted: string[] = []
  const rig = new AdminRig()

  before(async () => {
    const refuse = (role: string) => (): undefined => void wanted.push(role)
    rig.also = {
      backups: {} as BackupActions,
      authenticate: refuse('admin'),
      authenticateForBackups: refuse('backup'),
    }
    await rig.open()
    const page = await readFile('docs/reference/admin-api.md', 'utf8')
    routes = [...page.matchAll(ROUTE)].map(([, method, path, role]) => ({
      method: method!,
      path: path!,
      role: role?.replaceAll('`', ''),
    }))
  })

  it('has every route that a node serves, and no other', () => {
    assert.deepEqual(
      routes.map(({ method, path }) => `${method} ${path}`).sort(),
      rig.app.routes.map(({ method, path }) => `${method} ${written(path)}`).sort(),
    )
  })

  it('says which of them ask for a token, and for which', async () => {
    for (const { method, path, role } of routes) {
      if (role === undefined) continue
      wanted.length = 0
      assert.equal((await rig.ask(method, path)).status, 401, `${method} ${path}`)
      assert.deepEqual(wanted, [role], `${method} ${path}`)
    }
    assert.deepEqual(
      routes.filter(({ role }) => role === undefined).filter(({ path }) => /^\/(admin|metrics)/.test(path)),
      [],
    )
  })

  it('has all methods of a path, as its refusal of others has them', async () => {
    for (const path of new Set(routes.map(each => each.path))) {
      const { status, headers } = await rig.ask('PATCH', path)
      assert.equal(status, 405, path)
      const methods = routes.filter(each => each.path === path).map(({ method }) => method)
      const expected = methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
      assert.equal(headers.get('allow'), expected.join(', '), path)
    }
  })

  it('has the probes as what a node that starts serves', () => {
    const starting = createStartingApp(() => ({ phase: 'check', share: 0 }))
    assert.deepEqual(
      starting.routes.map(({ path }) => written(path)).sort(),
      routes.flatMap(({ path }) => (/z(\/|$)/.test(path) ? [path] : [])).sort(),
    )
  })
})
