import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { archiveTarget, backupSource, createBackup, openOffline } from '../../src/engine/index.ts'
import { Engine, verifyBackup } from '../../src/entry/engine.ts'
import { nodePlatform } from '../../src/platform/node/index.ts'
import { run } from './run.ts'

/** What a node would send of a small database. */
async function archiveOf(directory: string): Promise<Uint8Array> {
  const engine = await Engine.open(directory)
  await engine.ddl({ type: 'createProject', project: 'p' })
  for (let i = 0; i < 20; i++) await engine.kv('p').set(`k${i}`, new Uint8Array(500).fill(i))
  await engine.close()
  const platform = nodePlatform()
  const state = await openOffline(directory, platform)
  const parts: Uint8Array[] = []
  try {
    const sink = { write: (bytes: Uint8Array) => Promise.resolve(void parts.push(bytes.slice())) }
    const target = await archiveTarget(sink, platform.random)
    await createBackup(platform, backupSource(state.machine, state.log), target)
  } finally {
    await state.close()
  }
  return Buffer.concat(parts)
}

type Answer = (outgoing: ServerResponse, asked: string) => void

/** The admin port of a node whose streams are answered one after the other by `answers`. */
async function withNode(answers: Answer[], body: (endpoint: string, asked: string[]) => Promise<void>): Promise<void> {
  const asked: string[] = []
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    let sent = ''
    for await (const part of incoming) sent += String(part)
    if (incoming.url !== '/admin/v1/backups/stream') {
      outgoing.end(
        JSON.stringify({ role: 'follower', appliedSeq: 1e9, current: null, ended: null, last: null, backups: [] }),
      )
      return
    }
    asked.push(sent)
    answers.shift()!(outgoing, sent)
  }
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await body(`127.0.0.1:${(server.address() as AddressInfo).port}`, asked)
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}

async function withFolder(body: (at: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-node-backup-'))
  try {
    await body(name => join(folder, name))
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('quorate backup create of a node', () => {
  it('begins anew where the connection breaks or the node fails for a while, and keeps nothing of what came', () =>
    withFolder(async at => {
      const archive = await archiveOf(at('data'))
      const broken: Answer = outgoing => {
        outgoing.write(archive.subarray(0, archive.length / 2), () => outgoing.destroy())
      }
      const busy: Answer = outgoing => {
        outgoing.statusCode = 503
        outgoing.end(
          JSON.stringify({ code: 'busy', message: 'another one is under way', retryable: true, applied: 'no' }),
        )
      }
      const whole: Answer = outgoing => void outgoing.end(archive)
      await withNode([broken, busy, whole], async (endpoint, asked) => {
        const made = await run('backup', 'create', at('backup'), '--admin-endpoints', endpoint)
        assert.deepEqual([made.code, made.error, asked.length], [ExitCode.fine, '', 3])
        await verifyBackup(at('backup'))
      })
      await withNode([broken, broken], async (endpoint, asked) => {
        const args = ['backup', 'create', at('none'), '--admin-endpoints', endpoint, '--attempts', '2']
        const made = await run(...args)
        assert.deepEqual([made.code, asked.length], [ExitCode.unavailable, 2])
        assert.deepEqual(await readdir(at('none')), [])
      })
    }))

  it('says what the node says, and takes nothing that is damaged or is not a backup', () =>
    withFolder(async at => {
      const archive = await archiveOf(at('data'))
      const changed = archive.slice()
      changed[200]! ^= 1
      const refusals: [Answer, ExitCode, string][] = [
        [outgoing => void outgoing.end(changed), ExitCode.damage, 'damaged'],
        [outgoing => void outgoing.end(archive.subarray(0, -9)), ExitCode.damage, 'damaged'],
        [outgoing => void outgoing.end('<html>'), ExitCode.damage, 'damaged'],
        [
          outgoing => {
            outgoing.statusCode = 401
            outgoing.end(JSON.stringify({ code: 'unauthenticated', message: 'a token is needed' }))
          },
          ExitCode.failed,
          'unauthenticated',
        ],
      ]
      for (const [answer, code, word] of refusals) {
        await withNode([answer], async endpoint => {
          const made = await run('backup', 'create', at('backup'), '--admin-endpoints', endpoint)
          assert.equal(made.code, code, made.error)
          assert.ok(made.error.includes(word), made.error)
          assert.deepEqual(await readdir(at('backup')).catch(() => []), [])
        })
      }
    }))

  it('tells the node what the parent covers, and nothing else of it', () =>
    withFolder(async at => {
      const archive = await archiveOf(at('data'))
      await withNode([outgoing => void outgoing.end(archive)], async endpoint => {
        await run('backup', 'create', at('full'), '--admin-endpoints', endpoint)
      })
      const { backupId, historyId, state, head } = await verifyBackup(at('full'))
      await withNode([outgoing => void outgoing.end(archive)], async (endpoint, asked) => {
        await run('backup', 'create', at('next'), '--parent', at('full'), '--admin-endpoints', endpoint)
        assert.deepEqual(JSON.parse(asked[0]!), {
          parent: { backupId, historyId, stateSeq: state.seq, headSeq: head.seq },
        })
      })
    }))
})
