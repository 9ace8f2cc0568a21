import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { main as bank } from '../../examples/tables/bank.ts'
import { main as jobQueue } from '../../examples/tables/job-queue.ts'
import { main as migration } from '../../examples/tables/migration.ts'
import { main as typedTables } from '../../examples/tables/typed-tables.ts'

type Example = (directory: string, print: (line: string) => void) => Promise<void>

async function printed(example: Example): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-example-'))
  const lines: string[] = []
  try {
    await example(directory, line => lines.push(line))
  } finally {
    await rm(directory, { recursive: true })
  }
  return lines
}

it('the bank of tables moves what is there, once', async () => {
  assert.deepEqual(await printed(bank), [
    '10 transfers, 2 refused',
    'alice: 0',
    'bob: 1000000000000000000',
    'alice has sent 10 times: 1000000000000000000',
    'to nobody: row_not_found',
  ])
})

it('the job queue does every job, though a worker dies', async () => {
  const lines = await printed(jobQueue)
  assert.equal(lines[0], 'worker-1 took the mail to eve@example.org')
  assert.deepEqual(lines.slice(1, 4).toSorted(), [
    'worker-2 sent to ann@example.org, attempt 1',
    'worker-2 sent to bob@example.org, attempt 1',
    'worker-2 sent to eve@example.org, attempt 2',
  ])
  assert.deepEqual(lines.slice(4), ['worker-1 comes back: too late', '3 customers were told'])
})

it('the shop of typed tables reports what it sold', async () => {
  assert.deepEqual(await printed(typedTables), [
    '2 orders are paid',
    'shipped thing-1 of order 1',
    'Ann: 2 orders, 6240 cents',
    'Bob: 2 orders, 15499 cents',
    'Eve: 0 orders, 0 cents',
    'by customer_createdAt, in order',
    '2 orders are left',
  ])
})

it('the migrations lead to the new table and back', async () => {
  assert.deepEqual(await printed(migration), [
    'applied: 1 create-users, 2 first-users, 3 years-and-initials',
    'backfilled 1 of 1',
    'AL: Ada Lovelace, 36',
    'rolled back to 2: 36',
  ])
})
