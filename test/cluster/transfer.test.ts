import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { ProcessCluster } from './processes.ts'
import type { CommandResult } from './processes.ts'

/** What is exported by the command line comes in again by it, into another place. */
describe('export and import', () => {
  let cluster: ProcessCluster
  let client: Client
  const fine = async (...args: string[]): Promise<CommandResult> => {
    const result = await cluster.run(...args)
    assert.equal(result.code, 0, result.errors)
    return result
  }
  const path = (name: string): string => join(cluster.directory, name)

  before(async () => {
    cluster = await ProcessCluster.create({ size: 1 })
    cluster.startAll()
    await cluster.leader()
    client = await connect(cluster.endpoints.split(',').map(endpoint => `ws://${endpoint}`))
    for (const project of ['from', 'to']) await client.ddl({ type: 'createProject', project })
  })

  after(async () => {
    await client?.close()
    await cluster.remove()
  })

  it('of keys', async () => {
    const from = client.kv('from')
    await from.setMany(Array.from({ length: 1_200 }, (_, i) => [`k${i}`, Buffer.from(`value, "${i}"\n`)] as const))
    await from.set('bytes', Uint8Array.of(255, 0))
    for (const file of ['keys.ndjson', 'keys.csv']) {
      const { errors } = await fine('export', 'from', 'app', '--out', path(file))
      assert.match(errors, /exported 1201 records as of seq \d+/)
      const { output } = await fine('import', 'to', 'app', '--file', path(file), '--batch', '100')
      assert.equal(output, 'imported 1201 records\n')
      const there = await fine('export', 'to', 'app')
      assert.equal(there.output, (await fine('export', 'from', 'app')).output)
      for await (const { key } of client.kv('to').scan()) await client.kv('to').delete(key)
    }
    assert.equal((await cluster.run('export', 'from', 'app', '--out', path('keys.csv'))).code, 1, 'it exists')
  })

  it('of rows, and a wrong record ends an import after what is before it', async () => {
    const columns = [
      { name: 'id', type: 'integer' as const },
      { name: 'amount', type: 'u256' as const },
      { name: 'note', type: 'text' as const, nullable: true },
    ]
    for (const project of ['from', 'to']) {
      const table = { project, scope: 'app', table: 't' }
      await client.ddl({ type: 'createTable', ...table, columns, primaryKey: ['id'] })
    }
    const from = client.table({ project: 'from', table: 't' })
    await from.insertMany(
      Array.from({ length: 300 }, (_, id) => ({
        id,
        amount: 2n ** 200n + BigInt(id),
        note: id % 3 === 0 ? null : `a,"${id}"`,
      })),
    )
    for (const file of ['rows.ndjson', 'rows.csv']) {
      await fine('export', 'from', 'app', 't', '--out', path(file))
      const { output } = await fine('import', 'to', 'app', 't', '--file', path(file))
      assert.equal(output, 'imported 300 records\n')
      const there = await fine('export', 'to', 'app', 't', '--format', 'csv')
      assert.equal(there.output, await readFile(path('rows.csv'), 'utf8').catch(() => there.output))
      for (let id = 0; id < 300; id++) await client.table({ project: 'to', table: 't' }).delete({ id })
    }
    await writeFile(path('wrong.csv'), 'id,amount\n1,1\n2,2\nx,3\n')
    const args = ['import', 'to', 'app', 't', '--batch', '1', '--file', path('wrong.csv')]
    for (let run = 0; run < 2; run++) {
      const { code, errors } = await cluster.run(...args)
      assert.deepEqual([code, errors], [2, "quorate: invalid_argument: record 3: id: 'x' is no integer\n"])
    }
    assert.equal(await client.table({ project: 'to', table: 't' }).count(), 2)
  })
})
