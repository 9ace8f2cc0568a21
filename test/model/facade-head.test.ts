import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QuorateError } from '../../src/model/index.ts'
import type { Database } from '../../src/model/index.ts'
import { open } from './facade-support.ts'

/** A database whose disk has `durableSeq` synced, and more when it is told to. */
async function slowDisk(): Promise<{
  database: Database
  seq: number
  sync: (error?: Error) => void
  waits: number[]
  untilWaiting: () => Promise<void>
}> {
  const { core, database } = await open()
  const { seq } = await database.ddl({ type: 'createProject', project: 'slow' })
  const state = { durableSeq: seq - 1 }
  const waits: number[] = []
  let settle: (error?: Error) => void = () => undefined
  Object.assign(core, {
    durability: {
      get durableSeq() {
        return state.durableSeq
      },
      untilDurable: (through: number) => {
        waits.push(through)
        return new Promise<void>((resolve, reject) => {
          settle = error => {
            if (error !== undefined) return reject(error)
            state.durableSeq = through
            resolve()
          }
        })
      },
    },
  })
  const untilWaiting = async (): Promise<void> => {
    while (waits.length === 0) await new Promise(setImmediate)
  }
  return { database, seq, sync: error => settle(error), waits, untilWaiting }
}

describe('waiting for what is durable', () => {
  it('ends when it is synced, and asks for no sync of what is', async () => {
    const { database, seq, sync, waits, untilWaiting } = await slowDisk()
    assert.equal((await database.head()).durableSeq, seq - 1)
    assert.equal((await database.head()).visibleSeq, seq)
    assert.equal((await database.waitForDurable(seq - 1)).durableSeq, seq - 1)
    assert.deepEqual(waits, [])
    const waiting = database.waitForDurable(seq)
    await untilWaiting()
    sync()
    assert.deepEqual([(await waiting).durableSeq, waits], [seq, [seq]])
  })

  it('ends with the time or the patience of its caller, and with what the disk says', async () => {
    const { database, seq, sync, waits, untilWaiting } = await slowDisk()
    await assert.rejects(database.waitForDurable(seq, { timeoutMs: 50 }), { code: 'timeout' })
    waits.length = 0
    const controller = new AbortController()
    const waiting = database.waitForDurable(seq, { signal: controller.signal })
    await untilWaiting()
    controller.abort()
    await assert.rejects(waiting, { code: 'aborted' })
    waits.length = 0
    const failing = database.waitForDurable(seq, { timeoutMs: 60_000 })
    await untilWaiting()
    sync(new QuorateError('storage_failed', 'no'))
    await assert.rejects(failing, { code: 'storage_failed' })
  })
})
