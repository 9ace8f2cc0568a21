import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Engine, listBackups, restoreBackup, verifyBackup } from '../../../src/entry/engine.ts'
import { QuorateError } from '../../../src/model/index.ts'

/** Backups as they were written by the versions that had these formats. */
const GOLDEN = join(import.meta.dirname, '../../../../test/engine/backup/golden')

async function withFolder(body: (at: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-versions-'))
  try {
    await body(name => join(folder, name))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A copy of a golden backup whose manifest says something else, with the check that goes with it. */
async function changed(target: string, change: (manifest: Record<string, unknown>) => void): Promise<void> {
  await cp(join(GOLDEN, '1.0-full'), target, { recursive: true })
  const manifest = JSON.parse(await readFile(join(target, 'manifest.json'), 'utf8')) as Record<string, unknown>
  change(manifest)
  await rewrite(target, `${JSON.stringify(manifest, undefined, 2)}\n`)
}

async function rewrite(target: string, text: string): Promise<void> {
  await writeFile(join(target, 'manifest.json'), text)
  await writeFile(join(target, 'manifest.check'), `sha256 ${createHash('sha256').update(text).digest('hex')}\n`)
}

function refusal(code: string): (error: unknown) => boolean {
  return error => error instanceof QuorateError && error.code === code
}

describe('a backup of another version', () => {
  for (const version of ['1.0', '1.1']) {
    it(`restores if its format is ${version}`, () =>
      withFolder(async at => {
        const chain = [join(GOLDEN, `${version}-full`), join(GOLDEN, `${version}-incremental`)]
        const found = await listBackups(GOLDEN)
        assert.ok(chain.every(one => found.some(({ directory }) => directory === one)))
        await restoreBackup(chain, at('data'))
        const engine = await Engine.open(at('data'))
        const kv = engine.kv('shop')
        const values = [await kv.get('first'), await kv.get('second')].map(value => Buffer.from(value!).toString())
        assert.deepEqual(values, ['one', 'two'])
        const table = engine.table({ project: 'shop', table: 'items' })
        assert.deepEqual(await table.query(q => q.where(c => c['name']!.eq('lamp'))).all(), [{ id: 1, name: 'lamp' }])
        await engine.close()
      }))
  }

  it('restores if its minor version is later, without what that adds', () =>
    withFolder(async at => {
      await changed(at('later'), manifest => Object.assign(manifest, { minor: 99, added: { by: 'a later version' } }))
      assert.equal((await verifyBackup(at('later'))).minor, 99)
      await restoreBackup([at('later')], at('data'))
      const engine = await Engine.open(at('data'))
      assert.equal(Buffer.from((await engine.kv('shop').get('first'))!).toString(), 'one')
      await engine.close()
    }))

  it('is refused if its format or its feature level is later, before anything is made', () =>
    withFolder(async at => {
      await changed(at('major'), manifest => Object.assign(manifest, { format: 2, state: 'elsewhere' }))
      await assert.rejects(restoreBackup([at('major')], at('data')), refusal('unsupported_version'))
      await changed(at('level'), manifest => Object.assign(manifest['state'] as object, { featureLevel: 2 }))
      await assert.rejects(restoreBackup([at('level')], at('data')), refusal('unsupported_version'))
      await assert.rejects(readFile(at('data/identity.json')), { code: 'ENOENT' })
    }))

  it('is damaged if what its check goes with is no manifest', () =>
    withFolder(async at => {
      const changes: ((manifest: Record<string, unknown>) => void)[] = [
        manifest => delete manifest['format'],
        manifest => delete manifest['state'],
        manifest => (manifest['backupId'] = 'me'),
        manifest => (manifest['type'] = 'incremental'),
        manifest => Object.assign(manifest['state'] as object, { seq: -1 }),
        manifest => Object.assign(manifest['head'] as object, { sum: ['0', 0] }),
        manifest => Object.assign(manifest['files'] as object, { images: { bytes: 1 } }),
      ]
      for (const [i, change] of changes.entries()) {
        await changed(at(`${i}`), change)
        await assert.rejects(verifyBackup(at(`${i}`)), refusal('damaged'), `change ${i}`)
      }
      await rewrite(at('0'), 'null\n')
      await assert.rejects(verifyBackup(at('0')), refusal('damaged'))
      await rewrite(at('0'), '{\n')
      await assert.rejects(verifyBackup(at('0')), refusal('damaged'))
    }))
})
