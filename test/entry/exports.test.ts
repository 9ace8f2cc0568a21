import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'

type Conditions = string | { readonly [condition: string]: Conditions }

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, Conditions>>
  readonly bin: Readonly<Record<string, string>>
  readonly files: readonly string[]
}

/** Every target of an export, with the conditions that lead to it. */
function targetsOf(
  target: Conditions,
  conditions: readonly string[] = [],
): { path: string; conditions: readonly string[] }[] {
  if (typeof target === 'string') return [{ path: target, conditions }]
  return Object.entries(target).flatMap(([condition, inner]) => targetsOf(inner, [...conditions, condition]))
}

describe('the package as it would be published', () => {
  it('holds whatever its exports and programs name, with types beside code, and the most special condition first', async () => {
    const manifest = JSON.parse(await readFile('package.json', 'utf8')) as Manifest
    const isShipped = (path: string): boolean =>
      existsSync(path) && manifest.files.some(kept => path.startsWith(`./${kept}/`) || path === `./${kept}`)
    for (const [door, target] of Object.entries(manifest.exports)) {
      if (door === './package.json') continue // always in a package
      for (const { path, conditions } of targetsOf(target)) {
        assert.ok(isShipped(path), `'${door}' leads to ${path}, which is not in the package`)
        assert.equal(path.endsWith('.d.ts'), conditions.at(-1) === 'types', `'${door}' ${conditions.join(' ')}`)
      }
      if (typeof target === 'string') continue
      const order = Object.keys(target)
      assert.equal(order.at(-1), 'default', `'${door}' ends with default`)
      assert.ok(order.indexOf('types') < order.indexOf('default'), `'${door}' has types before code`)
      assert.ok(!order.includes('browser') || order[0] === 'browser', `'${door}' asks for a browser first`)
    }
    for (const program of Object.values(manifest.bin)) {
      assert.ok(isShipped(program), program)
      assert.match(await readFile(program, 'utf8'), /^#!\/usr\/bin\/env node\n/)
    }
  })

  it('can be loaded by its own name, through every door', async () => {
    const { name, exports } = JSON.parse(await readFile('package.json', 'utf8')) as Manifest
    for (const door of Object.keys(exports)) {
      if (door.endsWith('.json')) continue
      const specifier = `${name}${door.slice(1)}`
      const loaded = (await import(specifier)) as Record<string, unknown>
      assert.ok(Object.keys(loaded).length > 0 || door === './testing', `${specifier} exports nothing`)
    }
  })
})
