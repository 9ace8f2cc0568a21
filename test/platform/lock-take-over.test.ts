import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { FileError } from '../../src/platform/index.ts'
import { nodeFiles } from '../../src/platform/node/index.ts'

/** The contents of a lock whose socket is called after its nonce. */
function lockOf(nonce: string): string {
  return JSON.stringify({ pid: 1, host: 'h', bootId: 'b', nonce, socket: `lock-${nonce.slice(0, 16)}.sock` })
}

const DEAD = lockOf('a'.repeat(32))
const LIVE = lockOf('b'.repeat(32))

/** One taker of a dead lock, whom another outruns at a chosen call of the file system. */
describe('the take-over of a dead lock', () => {
  const { readFileSync, renameSync, writeFileSync } = fs
  let directory: string
  let lock: string
  let other: Server

  beforeEach(async () => {
    directory = fs.mkdtempSync(join(tmpdir(), 'quorate-take-over-'))
    lock = join(directory, 'LOCK')
    writeFileSync(lock, DEAD)
    other = createServer().listen(join(directory, `lock-${'b'.repeat(16)}.sock`))
    await once(other, 'listening')
  })

  afterEach(() => {
    mock.restoreAll()
    syncBuiltinESMExports()
    other.close()
    fs.rmSync(directory, { recursive: true, force: true })
  })

  /** Calls `outrun` once, after the taker's first look at the lock, or right before it moves the lock aside. */
  function at(moment: 'after the first look' | 'before the move', outrun: () => void): { moved: string[] } {
    let isOutrun = false
    const act = (): void => {
      if (!isOutrun) outrun()
      isOutrun = true
    }
    const moved: string[] = []
    mock.method(fs, 'readFileSync', (path: string, encoding: 'utf8') => {
      const text = readFileSync(path, encoding)
      if (path === lock && moment === 'after the first look') act()
      return text
    })
    mock.method(fs, 'renameSync', (from: string, to: string) => {
      if (from === lock && moment === 'before the move') act()
      moved.push(basename(from))
      renameSync(from, to)
    })
    syncBuiltinESMExports()
    return { moved }
  }

  async function refusedHolder(): Promise<string | undefined> {
    const error: unknown = await nodeFiles()
      .lock(directory)
      .then(
        () => undefined,
        (reason: unknown) => reason,
      )
    assert.ok(error instanceof FileError && error.code === 'directory_locked', String(error))
    return error.holder?.nonce
  }

  it('moves nothing when another has taken over since the holder was found dead', async () => {
    const { moved } = at('after the first look', () => writeFileSync(lock, LIVE))
    assert.equal(await refusedHolder(), 'b'.repeat(32))
    assert.deepEqual(moved, [])
    assert.equal(readFileSync(lock, 'utf8'), LIVE)
  })

  it('puts the lock back that it has moved, if that is of another who was faster', async () => {
    const { moved } = at('before the move', () => writeFileSync(lock, LIVE))
    assert.equal(await refusedHolder(), 'b'.repeat(32))
    assert.deepEqual(moved, ['LOCK'])
    assert.equal(readFileSync(lock, 'utf8'), LIVE)
    assert.deepEqual(fs.readdirSync(directory).sort(), ['LOCK', `lock-${'b'.repeat(16)}.sock`])
  })

  it('tries again when the lock is gone by the time of its move', async () => {
    at('before the move', () => fs.unlinkSync(lock))
    const taken = await nodeFiles().lock(directory)
    assert.equal(taken.holder.pid, process.pid)
    await taken.release()
  })
})
