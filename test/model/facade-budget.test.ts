import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CoreOptions, Database } from '../../src/model/index.ts'
import { bytes, failure, open } from './facade-support.ts'

const READ_MS = 400

/** A database whose reads take `READ_MS` each, and the time that each request was given. */
async function slow(): Promise<{ database: Database; given: (number | undefined)[] }> {
  const { core, database } = await open()
  const columns = [{ name: 'id', type: 'integer' } as const]
  for (const table of ['a', 'b']) {
    await database.ddl({ type: 'createTable', project: 'shop', table, columns, primaryKey: ['id'] })
  }
  const given: (number | undefined)[] = []
  const [read, submit] = [core.read.bind(core), core.submit.bind(core)]
  core.read = (request, options: CoreOptions) => {
    given.push(options.timeoutMs)
    core.clock.nowMs += READ_MS
    return read(request, options)
  }
  core.submit = (envelope, options: CoreOptions) => {
    given.push(options.timeoutMs)
    return submit(envelope, options)
  }
  return { database, given }
}

const set = (key: string) =>
  ({ mutations: [{ type: 'kvSet', project: 'shop', key: bytes(key), value: bytes('1') }] }) as const
const drops = ['a', 'b'].map(table => ({ type: 'dropTable', project: 'shop', table }) as const)
const order = { order: 'dependencies' } as const

describe('the time that a caller gives', () => {
  it('is that of a preflight and its commit together', async () => {
    const { database, given } = await slow()
    await database.commitWithPreflight(set('a'), { timeoutMs: 1_000 })
    assert.deepEqual(given.splice(0), [1_000, 1_000 - READ_MS])
    await database.commitWithPreflight(set('b'))
    assert.deepEqual(given.splice(0), [undefined, undefined])
    await failure(database.commitWithPreflight(set('c'), { timeoutMs: READ_MS }), 'timeout')
    assert.deepEqual(given, [READ_MS])
    assert.equal(await database.kv('shop').get('c'), undefined)
  })

  it('is that of a list of catalog operations together with what is read to order it', async () => {
    const { database, given } = await slow()
    await failure(database.ddl(drops, { ...order, timeoutMs: READ_MS }), 'timeout')
    assert.deepEqual(given.splice(0), [READ_MS])
    await database.ddl(drops, { ...order, timeoutMs: 1_000 })
    assert.deepEqual(given, [1_000, 1_000 - READ_MS])
  })
})
