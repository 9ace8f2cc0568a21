import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QuorateError } from '../../src/model/index.ts'
import type { FinishedJob, JobData, ReadResult, TableDescription } from '../../src/model/index.ts'
import { open } from './facade-support.ts'

const JOB: JobData = { id: '7.0', seq: 7, kind: 'buildIndex', project: 'shop', scope: 'app', table: 'a', name: 'by_x' }

/** Waits for the jobs of table `a`, each of `looks` being what there is at one look; `tables` are there in the end. */
async function wait(
  looks: readonly (readonly JobData[])[],
  tables: Readonly<Record<string, TableDescription['failures']>>,
): Promise<readonly FinishedJob[]> {
  const { core, database } = await open()
  let look = 0
  core.read = async request => {
    const answer = (result: ReadResult) => ({ result, seq: 9, historyId: 'h' })
    if (request.type === 'jobs') {
      const jobs = looks[look++] ?? []
      // After the first look the table has its name no more.
      if (request.table !== undefined && look > 1) throw new QuorateError('table_not_found', 'there is no such table')
      return answer({ type: 'jobs', jobs })
    }
    assert.ok(request.type === 'tables')
    const failures = tables[request.table!]
    if (failures === undefined) throw new QuorateError('table_not_found', 'there is no such table')
    const definition = { columns: [], primaryKey: [] }
    const table = { name: request.table!, id: 1, owner: '', definition, indexes: [], failures }
    return answer({ type: 'tables', tables: [table] })
  }
  return database.waitForJobs({ project: 'shop', table: 'a' })
}

describe('waiting for jobs', () => {
  it('ends when the table is dropped meanwhile', async () => {
    assert.deepEqual(await wait([[JOB], []], {}), [JOB])
    const unnamed: JobData = { id: JOB.id, seq: JOB.seq, kind: JOB.kind }
    assert.deepEqual(await wait([[JOB], [unnamed], []], {}), [JOB])
  })

  it('goes on under the new name of a table, and says what became of the job there', async () => {
    const renamed = { ...JOB, table: 'b', done: 3 }
    const failures = [{ name: 'by_x', message: 'twice', seq: 8 }]
    assert.deepEqual(await wait([[JOB], [renamed], [renamed], []], { b: failures }), [{ ...renamed, failure: 'twice' }])
  })

  it('waits for no others', async () => {
    const other = { ...JOB, id: '8.0', seq: 8, table: 'c' }
    assert.deepEqual(await wait([[JOB], [JOB, other], [other], [other]], { a: [] }), [JOB])
  })
})
