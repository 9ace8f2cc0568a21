import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FileError } from '../../src/platform/index.ts'
import type { LockHolder } from '../../src/platform/index.ts'
import { nodeFiles, readBootId } from '../../src/platform/node/index.ts'

const files = nodeFiles()
const made: string[] = []
const children: ChildProcess[] = []

after(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const directory of made) await rm(directory, { recursive: true, force: true })
})

type Answer = { held?: LockHolder; refused?: string; holder?: LockHolder }

async function newDirectory(...below: string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'quorate-lock-'))
  made.push(root)
  const directory = join(root, ...below)
  await mkdir(directory, { recursive: true })
  return directory
}

async function startHolder(directory: string): Promise<{ child: ChildProcess; answer: Answer }> {
  const child = fork(new URL('./lock-holder.js', import.meta.url), [directory])
  children.push(child)
  const [answer] = (await once(child, 'message')) as [Answer]
  return { child, answer }
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function refusal(directory: string): Promise<FileError> {
  const error = await files.lock(directory).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof FileError, `not refused: ${String(error)}`)
  return error
}

describe('the LOCK of a real directory', () => {
  it('names the other process that holds it', async () => {
    const directory = await newDirectory()
    const { child, answer } = await startHolder(directory)
    const error = await refusal(directory)
    assert.equal(error.code, 'directory_locked')
    assert.deepEqual(error.holder, answer.held)
    assert.equal(error.holder?.pid, child.pid)
    assert.equal(error.holder?.bootId, readBootId())
    assert.match(error.message, new RegExp(`process ${child.pid}`))
    await kill(child)
  })

  it('is taken over from a holder killed with -9, and leaves nothing of it', async () => {
    const directory = await newDirectory()
    const { child } = await startHolder(directory)
    await kill(child)
    assert.ok((await readdir(directory)).length === 2, 'the dead left its LOCK and its socket')
    const lock = await files.lock(directory)
    assert.equal(lock.holder.pid, process.pid)
    assert.deepEqual(
      (await readdir(directory)).map(name => name.replace(/[0-9a-f]{16}/, 'N')),
      ['LOCK', 'lock-N.sock'],
    )
    await lock.release()
    assert.deepEqual(await readdir(directory), [])
  })

  it('is not taken from a holder that is stopped', async () => {
    const directory = await newDirectory()
    const { child } = await startHolder(directory)
    child.kill('SIGSTOP')
    assert.equal((await refusal(directory)).code, 'directory_locked')
    await kill(child)
  })

  it('does not keep its process alive, and is free after a release', async () => {
    const directory = await newDirectory()
    const { child } = await startHolder(directory)
    const exit = once(child, 'exit')
    child.send('release')
    assert.deepEqual(await exit, [0, null])
    await (await files.lock(directory)).release()
  })

  it('holds in a directory whose path is too long for a socket', async () => {
    const directory = await newDirectory('d'.repeat(100), 'e'.repeat(100))
    const { child, answer } = await startHolder(directory)
    assert.ok((await readdir(directory)).some(name => name.endsWith('.sock')))
    assert.deepEqual((await refusal(directory)).holder, answer.held)
    await kill(child)
    const lock = await files.lock(directory)
    await lock.release()
    assert.deepEqual(await readdir(directory), [])
  })

  it('never has a file removed that it names as its socket', async () => {
    const directory = await newDirectory()
    for (const socket of ['identity.json', 'LOCK.aside-1', 'lock-0.sock.json']) {
      await writeFile(join(directory, socket), 'kept')
      await writeFile(join(directory, 'LOCK'), JSON.stringify({ pid: 1, host: 'h', bootId: 'b', nonce: 'aa', socket }))
      await (await files.lock(directory)).release()
      if (!socket.startsWith('LOCK')) assert.equal(await readFile(join(directory, socket), 'utf8'), 'kept')
    }
    await writeFile(join(directory, 'LOCK'), JSON.stringify({ pid: 1, host: 'h', bootId: 'b', nonce: 7, socket: 9 }))
    await (await files.lock(directory)).release()
  })

  it('is taken over when its file is damaged, or its socket was not copied along', async () => {
    for (const content of ['', '{"pid":', 'null', '{"pid":1,"nonce":"n","socket":"lock-gone.sock"}']) {
      const directory = await newDirectory()
      await writeFile(join(directory, 'LOCK'), content)
      const lock = await files.lock(directory)
      await lock.release()
      assert.deepEqual(await readdir(directory), [])
    }
  })

  it('has one winner when many take over from the dead at once', async () => {
    const directory = await newDirectory()
    const { child } = await startHolder(directory)
    await kill(child)
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => files.lock(directory)))
    const won = results.filter(result => result.status === 'fulfilled')
    assert.equal(won.length, 1)
    for (const result of results) {
      if (result.status === 'rejected') assert.equal((result.reason as FileError).code, 'directory_locked')
    }
    assert.equal((await readdir(directory)).length, 2)
    await won[0]?.value.release()
  })

  it('has the form of docs/formats/lock.md', async () => {
    const directory = await newDirectory()
    const lock = await files.lock(directory)
    const { pid, host, bootId, nonce } = lock.holder
    const text = await readFile(join(directory, 'LOCK'), 'utf8')
    const socket = `lock-${nonce.slice(0, 16)}.sock`
    assert.equal(text, `{"pid":${pid},"host":"${host}","bootId":"${bootId}","nonce":"${nonce}","socket":"${socket}"}\n`)
    assert.match(nonce, /^[0-9a-f]{32}$/)
    await lock.release()
  })

  it('removes the draft of a dead taker, and leaves that of a live one, even half written', async () => {
    const directory = await newDirectory()
    const live = createServer().listen(join(directory, `lock-${'b'.repeat(16)}.sock`))
    await once(live, 'listening')
    await writeFile(join(directory, `LOCK.new-${'a'.repeat(32)}`), '{"pid":1')
    await writeFile(join(directory, `LOCK.new-${'b'.repeat(32)}`), '')
    const lock = await files.lock(directory)
    const drafts = (await readdir(directory)).filter(name => name.startsWith('LOCK.new-'))
    assert.deepEqual(drafts, [`LOCK.new-${'b'.repeat(32)}`])
    await lock.release()
    live.close()
  })

  it('gives way to a live lock that a slow taker has moved aside', async () => {
    const directory = await newDirectory()
    const lock = await files.lock(directory)
    await files.rename(`${directory}/LOCK`, `${directory}/LOCK.aside-0123`)
    const error = await refusal(directory)
    assert.deepEqual(error.holder, lock.holder)
    assert.equal((await readdir(directory)).filter(name => name.startsWith('LOCK')).join(), 'LOCK')
    await lock.release()
    assert.deepEqual(await readdir(directory), [])
  })
})
