import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import { checkConfiguration, freePorts, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'
import { StartProgress } from '../../src/node/start-progress.ts'

const HOST = '127.0.0.1'
const ENTRIES = 2_000

interface Started {
  readonly status: string
  readonly phase: string
  readonly percent: number
}

function start(directory: string, adminPort: number, createPlatform: typeof nodePlatform): Promise<RunningNode> {
  const any = { port: 0 }
  const storage = { checkpointAgeMs: 86_400_000, checkpointLogBytes: 1 << 30 }
  const doors = { client: any, peer: any, admin: { port: adminPort } }
  const settings = { dataDirectory: directory, ...doors, storage, log: { level: 'silent' } }
  return startNode(checkConfiguration(settings, 'test'), createPlatform)
}

async function ask(port: number, path: string): Promise<{ status: number; text: string }> {
  try {
    const answer = await fetch(`http://${HOST}:${port}${path}`)
    return { status: answer.status, text: await answer.text() }
  } catch {
    return { status: 0, text: '' }
  }
}

describe('a node that starts', { timeout: 60_000 }, () => {
  let directory: string
  /** As a crash leaves it: a checkpoint, and much in the log beyond. */
  let crashed: string
  /** As an orderly end leaves it: a checkpoint of all. */
  let ended: string
  let port: number

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-start-'))
    crashed = join(directory, 'crashed')
    ended = join(directory, 'ended')
    port = (await freePorts(HOST, 1))[0]!
    const data = join(directory, 'data')
    const node = await start(data, 0, nodePlatform)
    const client = await connect(`ws://${HOST}:${node.clientAddress.port}`)
    await client.ddl({ type: 'createProject', project: 'p' })
    await cp(join(data, 'log'), join(directory, 'early log'), { recursive: true })
    const keys = client.kv('p')
    for (let i = 0; i < ENTRIES; i += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, j) => keys.set(`key-${i + j}`, new Uint8Array(100))))
    }
    await client.close()
    await cp(data, crashed, { recursive: true, filter: path => !/LOCK|\.sock$/.test(path) })
    await node.stop('end of the run')
    await cp(data, ended, { recursive: true })
  })
  after(() => rm(directory, { recursive: true }))

  it('answers probes before it has read its directory, and says how far it is, phase by phase', async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>(resolve => (release = resolve))
    /** Reads the log, and then waits before it opens the pages. */
    const gated: typeof nodePlatform = jobs => {
      const platform = nodePlatform(jobs)
      const open: typeof platform.files.open = async (path, mode) => {
        if (path.endsWith('/pages/data')) await gate
        return platform.files.open(path, mode)
      }
      return { ...platform, files: { ...platform.files, open } }
    }
    const starting = start(crashed, port, gated)
    const read = async (): Promise<Started> => JSON.parse((await ask(port, '/startupz')).text || '{}') as Started
    let first = await read()
    while (!(first.percent > 0)) first = await read()
    assert.deepEqual([first.status, first.phase], ['starting', 'check'])
    assert.ok(first.percent < 100, `${first.percent} %`)
    const statuses = async (): Promise<number[]> =>
      Promise.all(
        ['/livez', '/startupz', '/readyz', '/leaderz', '/metrics'].map(async path => (await ask(port, path)).status),
      )
    assert.deepEqual(await statuses(), [200, 503, 503, 503, 503])
    assert.equal(JSON.parse((await ask(port, '/admin/v1/status')).text).code, 'unavailable')
    release()
    const seen: Started[] = []
    do seen.push(await read())
    while (seen.at(-1)!.status !== 'started')
    const node = await starting
    const replayed = seen.filter(({ phase }) => phase === 'replay').map(({ percent }) => percent)
    assert.ok(replayed.length > 0, 'the replay was seen')
    assert.deepEqual(
      replayed,
      replayed.toSorted((a, b) => a - b),
    )
    assert.ok(replayed.every(percent => percent < 100))
    while ((await ask(port, '/readyz')).status !== 200);
    assert.deepEqual(await statuses(), [200, 200, 200, 200, 200])
    await node.stop('end of the test')
    assert.equal((await ask(port, '/livez')).status, 0)
  })

  it('ends with the reason when it cannot start, and its port is closed', async () => {
    const log = join(crashed, 'log')
    const file = `${log}/votes`
    const whole = await readFile(file)
    await writeFile(
      file,
      whole.map((byte, i) => (i === 9 ? byte ^ 0x10 : byte)),
    )
    await assert.rejects(start(crashed, port, nodePlatform), { code: 'damaged' })
    assert.equal((await ask(port, '/livez')).status, 0)
    await writeFile(file, whole)
  })

  it('ends when the replica fails while the rest is being opened, with nothing left open and nothing noted', async () => {
    // Pages that are newer than the log, put together out of two moments.
    const broken = join(directory, 'broken')
    await cp(ended, broken, { recursive: true })
    await rm(join(broken, 'log'), { recursive: true })
    await cp(join(directory, 'early log'), join(broken, 'log'), { recursive: true })
    await cp(join(crashed, 'identity.json'), join(broken, 'identity.json'))
    const identity = await readFile(join(broken, 'identity.json'))
    const stillOpen = new Set<object>()
    const watched: typeof nodePlatform = jobs => {
      const platform = nodePlatform(jobs)
      const lock: typeof platform.files.lock = async path => {
        const taken = await platform.files.lock(path)
        stillOpen.add(taken)
        return { ...taken, release: () => taken.release().then(() => void stillOpen.delete(taken)) }
      }
      return { ...platform, files: { ...platform.files, lock } }
    }
    await assert.rejects(start(broken, port, watched))
    assert.equal((await ask(port, '/livez')).status, 0)
    assert.equal(stillOpen.size, 0, 'the lock is released')
    assert.deepEqual(await readFile(join(broken, 'identity.json')), identity)
  })

  it('names who has the directory open, whether or not that one has its admin port too', async () => {
    const node = await start(crashed, port, nodePlatform)
    await assert.rejects(start(crashed, port, nodePlatform), { code: 'directory_locked' })
    const [other = 0] = await freePorts(HOST, 1)
    await assert.rejects(start(crashed, other, nodePlatform), { code: 'directory_locked' })
    assert.equal((await ask(other, '/livez')).status, 0)
    assert.equal((await ask(port, '/livez')).status, 200)
    await assert.rejects(start(join(directory, 'new'), port, nodePlatform), { code: 'address_unavailable' })
    await node.stop('end of the test')
  })
})

describe('the progress of a start', () => {
  it('goes from phase to phase, never back, and ends when what was committed is applied', () => {
    let nowMs = 1_000
    const progress = new StartProgress(() => nowMs)
    progress.report('check', 0.5)
    progress.report('check', 0.2)
    assert.deepEqual(progress.reading, { phase: 'check', share: 0.5 })
    progress.report('open', 0.1)
    assert.deepEqual(progress.reading, { phase: 'open', share: 0.1 })
    let applied = 100
    nowMs = 1_250
    progress.replay(100, 300, () => applied)
    nowMs = 9_000
    assert.deepEqual(progress.opening, { ms: 250, seq: 100, committedSeq: 300 })
    assert.deepEqual(progress.reading, { phase: 'replay', share: 0 })
    applied = 250
    assert.deepEqual(progress.reading, { phase: 'replay', share: 0.75 })
    applied = 300
    assert.deepEqual(progress.reading, { phase: 'started', share: 1 })
    applied = 299
    assert.deepEqual(progress.reading, { phase: 'started', share: 1 })
  })

  it('has nothing to wait for in a directory without entries', () => {
    const progress = new StartProgress()
    progress.replay(0, 0, () => 0)
    assert.equal(progress.reading.phase, 'started')
  })
})
