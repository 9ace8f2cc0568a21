import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/output.ts'
import { nodeFiles, readEnvironment } from '../../src/platform/node/index.ts'
import { ProcessCluster, type CommandResult } from './processes.ts'

/** The commands run in this process, the nodes in their own. */
describe('the commands of tables on three nodes', { timeout: 120_000 }, () => {
  let cluster: ProcessCluster

  before(async () => {
    cluster = await ProcessCluster.create()
    cluster.startAll()
    await cluster.leader()
  })
  after(() => cluster.remove())

  async function run(...args: string[]): Promise<Pick<CommandResult, 'code' | 'output' | 'errors'>> {
    const printed = { output: '', errors: '' }
    const terminal: Terminal = {
      isTerminal: false,
      columns: 80,
      write: text => void (printed.output += typeof text === 'string' ? text : new TextDecoder().decode(text)),
      writeError: text => void (printed.errors += text),
      readInput: () => Promise.resolve(new Uint8Array(0)),
    }
    const context = { environment: readEnvironment(), files: nodeFiles(), terminal }
    const code = await runProgram(context, [...args, '--endpoints', cluster.endpoints])
    return { code, ...printed }
  }

  it('tells what projects hold, and bounds it', async () => {
    await run('project', 'create', 'held')
    const set = await run('project', 'quota', 'held', '--bytes', '1KiB', '--records', '2', '--output', 'json')
    assert.deepEqual([set.code, (JSON.parse(set.output) as { quota: object }).quota], [0, { bytes: 1024, records: 2 }])
    assert.equal((await run('kv', 'set', 'held', 'app', 'a', '12345')).code, 0)
    assert.equal((await run('kv', 'set', 'held', 'app', 'b', '1')).code, 0)
    const refused = await run('kv', 'set', 'held', 'app', 'c', '1')
    assert.equal(refused.code, 1)
    assert.match(refused.errors, /quota_exceeded/)
    assert.match((await run('project', 'show', 'held')).output, /held +2 +0 +0 +8 +2 +1024/)
    assert.match((await run('project', 'show')).output, /held +2/)
    assert.equal((await run('project', 'quota', 'held', '--bytes', '1.5MiB')).code, 2)
    assert.match((await run('project', 'quota', 'held', '--records', 'none')).output, /any +1024/)
    assert.equal((await run('kv', 'set', 'held', 'app', 'c', '1')).code, 0)
    assert.equal((await run('project', 'show', 'none')).code, 1)
  })

  it('creates, changes, fills, reads and drops a table', async () => {
    await run('project', 'create', 'store', '--if-not-exists')
    const file = join(cluster.nodes[0]!.directory, '..', 'orders.yaml')
    await writeFile(
      file,
      'columns:\n  - {name: id, type: u64}\n  - {name: customer, type: text}\n  - {name: note, type: text, nullable: true}\n' +
        'primaryKey: [id]\nindexes:\n  - {name: by_customer, columns: [customer]}\n',
    )
    const at = ['store', 'app', 'orders'] as const
    const created = await run('table', 'create', ...at, file)
    assert.deepEqual([created.code, created.output], [0, 'table orders created\n'], created.errors)
    assert.match((await run('table', 'create', ...at, file)).errors, /already_exists/)
    const rows = JSON.stringify([
      { id: 1, customer: 'ann' },
      { id: '18446744073709551615', customer: 'bob', note: 'late' },
    ])
    const filled = await run('table', 'insert', ...at, rows, '--output', 'json')
    const { token: from } = JSON.parse(filled.output) as { token: string }
    assert.equal((await run('table', 'insert', ...at, '{"id":1,"customer":"eve"}')).code, 1)
    assert.equal((await run('table', 'insert', ...at, '{"id":1,"customer":"eve"}', '--upsert')).code, 0)
    await run('kv', 'set', 'store', 'app', 'greeting', 'hello')
    const told = await run('watch', ...at, '--from', from, '--limit', '1')
    assert.match(told.output, /^\d+\tput\tid=1\tid=1 customer=eve note=null\n$/, told.errors)
    const ofKeys = await run('watch', 'store', 'app', '--from', from, '--limit', '1')
    assert.match(ofKeys.output, /^\d+\tput\tgreeting\thello\n$/)
    const json = await run('watch', ...at, '1', '--from', from, '--limit', '1', '--output', 'json')
    assert.deepEqual((JSON.parse(json.output) as { changes: { row: unknown }[] }).changes[0]!.row, {
      id: 1,
      customer: 'eve',
      note: null,
    })
    assert.match((await run('watch', 'store', 'app', 'none')).errors, /table_not_found/)
    assert.equal(
      (await run('table', 'scan', ...at)).output,
      'ID                    CUSTOMER  NOTE\n                   1  eve       null\n18446744073709551615  bob       late\n',
    )
    const one = await run('table', 'get', ...at, '18446744073709551615', '--output', 'json')
    assert.equal((JSON.parse(one.output) as { row: { note: string } }).row.note, 'late')
    assert.equal((await run('table', 'get', ...at, 'id=7')).code, 1)
    assert.equal((await run('table', 'get', ...at, 'seven')).code, 2)
    const change =
      '[{"type":"addColumn","column":{"name":"grade","type":"text","default":"b"}},{"type":"dropIndex","name":"by_customer"}]'
    assert.equal((await run('table', 'alter', ...at, change)).code, 0)
    assert.match((await run('table', 'describe', ...at)).output, /grade +text +no +b/)
    assert.match((await run('table', 'list', 'store')).output, /orders +2 +4 +id/)
    const query = '{"project":"store","from":"orders","where":{"op":"eq","column":"customer","value":"bob"},"limit":5}'
    const found = await run('query', query, '--output', 'json')
    assert.deepEqual(JSON.parse(found.output), {
      id: '18446744073709551615',
      customer: 'bob',
      note: 'late',
      grade: 'b',
    })
    assert.match((await run('query', query, '--explain')).output, /^fullScan/)
    assert.match(
      (await run('query', query, '--diagnose')).output,
      /^fullScan, seq \d+: 1 rows, \d+ bytes, .*\n {2}scan .*: 1 rows, read 2/,
    )
    assert.equal((await run('query', query, '--diagnose', '--explain')).code, 2)
    const page = await run('query', '{"project":"store","from":"orders","limit":1}', '--page')
    assert.match(page.output, /more: --cursor \S+\n$/)
    assert.equal((await run('query', '{"project":"store","form":"orders"}')).code, 2)
    assert.equal((await run('query', './no-such-file')).code, 2)
    const operations =
      '[{"type":"createScope","project":"other","scope":"s"},{"type":"createProject","project":"other"}]'
    assert.match((await run('ddl', operations)).errors, /project_not_found: operation 0 \(createScope other\/s\)/)
    assert.match(
      (await run('ddl', operations, '--order', 'dependencies')).output,
      /^seq \d+: 2 of 2 changed something\n$/,
    )
    assert.equal((await run('ddl', '[{"type":"none"}]')).code, 2)
    assert.equal((await run('table', 'drop', ...at)).output, 'table orders dropped\n')
    assert.equal((await run('table', 'drop', ...at, '--if-exists')).output, 'table orders does not exist\n')
  })

  it('checks and commits transactions, reads and follows events, waits for jobs', async () => {
    await run('project', 'create', 'till', '--if-not-exists')
    const emit = (key: string): string =>
      JSON.stringify({
        mutations: [{ type: 'emitEvent', project: 'till', topic: 'sales', key, payload: '{"cents":5}' }],
      })
    const checked = await run('preflight', emit('a'))
    assert.match(checked.output, /^would change 0 rows and 0 keys, and emit 1 events, as of seq \d+\n$/, checked.errors)
    assert.equal((await run('event', 'list', 'till', 'app')).output, 'no events\n')
    const committed = await run('commit', emit('a'), '--with-preflight', '--output', 'json')
    const { seq } = JSON.parse(committed.output) as { seq: number }
    assert.match((await run('event', 'emit', 'till', 'app', 'sales', 'b', '{}')).output, /^seq \d+\n$/)
    assert.equal(
      (await run('event', 'list', 'till', 'app', '--limit', '1')).output,
      `${seq}\tsales\ta\t{"cents":5}\nmore: --after ${seq}\n`,
    )
    const list = async (...args: string[]): Promise<string> => (await run('event', 'list', 'till', ...args)).output
    assert.match(await list('--key', 'b'), /^\d+\ttill\/app\tsales\tb\t\{\}\n$/)
    assert.equal(await list('app', '--where', '/cents=5'), `${seq}\tsales\ta\t{"cents":5}\n`)
    assert.equal(await list('app', '--where', '/cents=five'), 'no events\n')
    assert.equal(await list('app', '--to-seq', String(seq), '--reverse'), `${seq}\tsales\ta\t{"cents":5}\n`)
    assert.equal(await list('app', '--to-time', '2020-01-01T00:00:00Z'), 'no events\n')
    assert.match(await list('app', '--from-time', '2020-01-01T00:00:00Z'), /\ta\t.*\n.*\tb\t/)
    assert.equal((await run('event', 'list', 'till', 'app', '--where', 'cents')).code, 2)
    assert.equal((await run('event', 'list', 'till', 'app', '--from-time', 'now')).code, 2)
    assert.equal((await run('event', 'commit', String(seq))).output, `${seq}\ttill/app\tsales\ta\t{"cents":5}\n`)
    assert.match(
      (await run('event', 'summary', 'till', 'app')).output,
      /^2 events of seq \d+ to \d+, 25 bytes\nTOPIC +EVENTS.*\nsales +2 +25 /,
    )
    const followed = await run('event', 'follow', 'till', 'app', '--after', String(seq), '--limit', '1')
    assert.match(followed.output, /^\d+\tsales\tb\t\{\}\n$/)
    assert.equal(
      (await run('event', 'compact', 'till', 'app', '--keep-last', '1')).output,
      `1 events of seq ${seq} to ${seq} are being removed\n`,
    )
    assert.equal(
      (await run('event', 'compact', 'till', 'app', '--keep-last', '1', '--max-events', '9')).output,
      'there is nothing to remove\n',
    )
    assert.equal((await run('job', 'wait', 'till')).code, 0)
    assert.equal((await run('job', 'list', 'till')).output, 'no jobs\n')
    assert.match((await run('event', 'list', 'till', 'app', '--output', 'json')).output, /"removedThroughSeq":[1-9]/)
    const lifecycle = async (...args: string[]): Promise<string> => (await run('lifecycle', 'list', ...args)).output
    assert.match(await lifecycle('till'), /^\d+\tprojectCreated\ttill\n\d+\tscopeCreated\ttill\/app\n$/)
    assert.match(
      await lifecycle('--type', 'tableAltered', '--limit', '1'),
      /^\d+\ttableAltered\tstore\/app\/orders\t\w+\n/,
    )
    assert.equal(await lifecycle('nowhere'), 'nothing\n')
    assert.equal(await lifecycle('till', '--to-time', '2020-01-01T00:00:00Z'), 'nothing\n')
    assert.match((await run('lifecycle', 'follow', 'till', '--limit', '1')).output, /^\d+\tprojectCreated\ttill\n$/)
    assert.equal((await run('lifecycle', 'list', '--type', 'none')).code, 2)
    assert.match(
      (await run('event', 'list', '_system', 'app', '--key', 'till/app')).output,
      /\tscopeCreated\ttill\/app\t/,
    )
    const refused = await run('preflight', '{"mutations":[{"type":"kvDelete","project":"none","key":{"$b":"YQ=="}}]}')
    assert.deepEqual([refused.code, /project_not_found/.test(refused.errors)], [1, true])
    assert.equal((await run('commit', '{"mutations":[{"type":"none"}]}')).code, 2)
    assert.equal((await run('event', 'list', 'till', 'app', '--after', 'x')).code, 2)
    assert.equal((await run('job', 'list', 'none')).code, 1)
  })
})
