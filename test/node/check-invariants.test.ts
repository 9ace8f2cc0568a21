import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it, mock } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { KeyspaceStore } from '../../src/engine/keyspace-store.ts'
import { Layer } from '../../src/engine/layers.ts'
import { Engine } from '../../src/entry/engine.ts'
import { run } from '../cli/run.ts'

interface Answer {
  verdict: string
  inconsistencies?: { invariant: string; table: string; index: string }[]
  inconsistencyCount?: number
}

/** A directory with a table of 500 rows and an index; `losing`: the index loses the entries that are written to it. */
async function fill(data: string, losing: boolean): Promise<void> {
  const put: (this: KeyspaceStore, ...args: Parameters<KeyspaceStore['put']>) => void = Object.getOwnPropertyDescriptor(
    KeyspaceStore.prototype,
    'put',
  )!.value as KeyspaceStore['put']
  const planted = mock.method(
    KeyspaceStore.prototype,
    'put',
    function (this: KeyspaceStore, ...args: Parameters<typeof put>) {
      if (!losing || args[0][0] !== Layer.indexes) put.apply(this, args)
    },
  )
  try {
    const engine = await Engine.open(data, { budgetBytes: 1 << 20 })
    await engine.ddl({ type: 'createProject', project: 'p' })
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'n', type: 'integer' },
    ] as const
    const indexes = [{ name: 'byN', columns: ['n'] }]
    await engine.ddl({ type: 'createTable', project: 'p', table: 't', columns, primaryKey: ['id'], indexes })
    const rows = Array.from({ length: 500 }, (_, id) => ({ id, n: id % 7 }))
    await engine.commit({ mutations: [{ type: 'insert', project: 'p', table: 't', rows }] })
    await engine.checkpoint()
    await engine.close()
  } finally {
    planted.mock.restore()
  }
}

it('check data says which records do not go together, with an exit code of its own, unless only bytes are asked about', async () => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-invariants-'))
  try {
    const [sound, broken] = [join(root, 'sound'), join(root, 'broken')]
    await fill(sound, false)
    const fine = await run('check', 'data', sound, '--output', 'json')
    assert.equal(fine.code, ExitCode.fine, fine.error)
    const clean = JSON.parse(fine.text) as Answer
    assert.deepEqual([clean.verdict, clean.inconsistencies, clean.inconsistencyCount], ['clean', [], 0])
    await fill(broken, true)
    const found = await run('check', 'data', broken, '--output', 'json', '--accept', 'why not')
    assert.equal(found.code, ExitCode.inconsistent)
    assert.match(
      found.error,
      /500 records or counts do not go together.*index p\/app\/t\/byN key [0-9a-f]+: the row has no entry/,
    )
    const { verdict, inconsistencies, inconsistencyCount } = JSON.parse(found.text) as Answer
    assert.deepEqual([verdict, inconsistencyCount, inconsistencies?.length], ['inconsistent', 500, 500])
    const only = await run('check', 'data', broken, '--output', 'json', '--physical-only')
    assert.equal(only.code, ExitCode.fine, only.error)
    assert.deepEqual((JSON.parse(only.text) as Answer).inconsistencies, undefined)
  } finally {
    await rm(root, { recursive: true })
  }
})
