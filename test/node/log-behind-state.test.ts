import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import { checkConfiguration, checkDataDirectory, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'
import { run } from '../cli/run.ts'

const { files, random } = nodePlatform()

function start(directory: string): Promise<RunningNode> {
  const any = { port: 0 }
  const storage = { segmentBytes: 1 << 16, checkpointAgeMs: 86_400_000, checkpointLogBytes: 1 << 30, pageBytes: 4096 }
  const settings = { dataDirectory: directory, client: any, peer: any, admin: any, storage, log: { level: 'silent' } }
  return startNode(checkConfiguration(settings, 'test'), nodePlatform)
}

/** What a kill of the node of this directory would leave now. */
function copy(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, filter: path => !/LOCK|\.sock$/.test(path) })
}

describe('a log and a state that do not go together', { timeout: 120_000 }, () => {
  let directory: string
  /** Killed: after a checkpoint, and later with several segments of log behind it. */
  let early: string
  let late: string
  /** Killed right after one more checkpoint. */
  let checkpointed: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-behind-'))
    const running = join(directory, 'running')
    early = join(directory, 'early')
    late = join(directory, 'late')
    checkpointed = join(directory, 'checkpointed')
    const node = await start(running)
    const { host, port } = node.adminAddress
    const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
    const takeCheckpoint = (): Promise<Response> =>
      fetch(`http://${host}:${port}/admin/v1/checkpoint`, { method: 'POST' })
    await client.ddl({ type: 'createProject', project: 'p' })
    await takeCheckpoint()
    await copy(running, early)
    for (let i = 0; i < 100; i++) await client.kv('p').set(`key-${i}`, random.bytes(4_000))
    await copy(running, late)
    await takeCheckpoint()
    await copy(running, checkpointed)
    await client.close()
    await node.stop('end of the run')
  })
  after(() => rm(directory, { recursive: true }))

  async function segments(from: string): Promise<string[]> {
    const names = await readdir(join(from, 'log'))
    return names.filter(name => name.startsWith('segment-')).toSorted()
  }

  async function requireRefused(name: string, from: string, change: (to: string) => Promise<void>): Promise<string> {
    const to = join(directory, name)
    await copy(from, to)
    assert.notEqual((await checkDataDirectory(files, to)).verdict, 'damaged', name)
    await change(to)
    const { verdict, damage } = await checkDataDirectory(files, to)
    assert.deepEqual([verdict, damage.length], ['damaged', 1], name)
    const { file, offset, reason } = damage[0]!
    await assert.rejects(start(to), { code: 'damaged', detail: { file, offset } })
    return `${file.slice(to.length + 1)} ${reason}`
  }

  it('is damage where the log of an older moment was put back, which knows nothing of the newest superblock', async () => {
    const what = await requireRefused('older', checkpointed, async to => {
      await rm(join(to, 'log'), { recursive: true })
      await cp(join(early, 'log'), join(to, 'log'), { recursive: true })
    })
    assert.match(what, /^pages\/data superblock \d+ was never announced in the log, which is older$/)
  })

  it('is damage where the first segments behind the checkpoint are missing', async () => {
    const [first, second] = await segments(late)
    assert.ok((await segments(late)).length > 4)
    for (const gone of [[first!], [first!, second!]]) {
      const what = await requireRefused(`without ${gone.length}`, late, async to => {
        for (const name of gone) await rm(join(to, 'log', name))
      })
      assert.match(what, new RegExp(`^log/${gone.at(-1)!} a segment before \\d+ is missing`, 'u'))
    }
  })

  it('is damage behind a restored state, too: segments of what was committed since are missing, and nothing is voided', async () => {
    const restored = join(directory, 'restored')
    const config = join(directory, 'restored.yaml')
    await writeFile(config, `name: n0\ndataDirectory: ${restored}\nstorage: { pageBytes: 4096 }\n`)
    const backup = join(directory, 'backup')
    const made = await run('backup', 'create', backup, '--data', checkpointed)
    assert.equal(made.code, 0, made.error)
    const member = await run('backup', 'restore-member', backup, '--config', config)
    assert.equal(member.code, 0, member.error)
    const copied = join(directory, 'restored and killed')
    const node = await start(restored)
    const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
    for (let i = 0; i < 100; i++) await client.kv('p').set(`later-${i}`, random.bytes(4_000))
    await copy(restored, copied)
    await client.close()
    await node.stop('end of the run')
    const names = await segments(copied)
    assert.ok(names.length > 4)
    // The first holds nothing: the restored log was begun anew when the node started.
    for (const count of [2, 3]) {
      const gone = names.slice(0, count)
      const what = await requireRefused(`restored without ${count}`, copied, async to => {
        for (const name of gone) await rm(join(to, 'log', name))
      })
      assert.match(what, new RegExp(`^log/${gone.at(-1)!} a segment before \\d+ is missing`, 'u'))
      assert.deepEqual(await segments(join(directory, `restored without ${count}`)), names.slice(count))
    }
  })

  it('is damage where the newest segments are missing and the one prepared behind them is there', async () => {
    const names = await segments(late)
    for (const count of [1, 2]) {
      const gone = names.slice(-1 - count, -1)
      const what = await requireRefused(`without the last ${count}`, late, async to => {
        for (const name of gone) await rm(join(to, 'log', name))
      })
      assert.match(what, new RegExp(`^log/${gone[0]!} a segment between others is missing`, 'u'))
    }
  })
})
