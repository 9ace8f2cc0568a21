import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAdminApp, formatMetrics, backupMetrics } from '../../src/admin/index.ts'
import type { AdminApp } from '../../src/admin/index.ts'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { receiveBackup, rehearseRestore, streamSource, verifyBackup } from '../../src/engine/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { BackupDesk } from '../../src/node/backup-desk.ts'
import { HEALTHY } from '../admin/rig.ts'
import { NAMES, Trio } from '../raft/replica/trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
const DIRECTORY = '/data/backups'

/** What answers may have. */
interface Fields {
  code?: string
  retryable?: boolean
  isCancelled?: boolean
  isWhole?: boolean
  role?: string
  current?: { name: string } | null
  ended: { job: number; error?: { code: string } }
  last: { seq: number } | null
  backups: { name: string; error?: { code: string }; manifest: { type: string; head: { seq: number } } }[]
}

const NOTHING: Fields = { ended: { job: 0 }, last: null, backups: [] }

/** The admin port of a follower of three nodes, with its backups. */
class Rig {
  readonly trio = new Trio(seed, { budgetBytes: 64 << 20, checkpointLogBytes: 64 << 20 })
  readonly actions: string[] = []
  readonly lines: string[] = []
  leader = ''
  name = ''
  session = 0
  desk!: BackupDesk
  app!: AdminApp

  async open(): Promise<this> {
    await this.trio.start()
    this.leader = await this.trio.untilLed()
    this.name = NAMES.find(name => name !== this.leader)!
    this.session = await this.trio.openSession(this.leader)
    await this.trio.commit(this.leader, this.session, PROJECT)
    await this.followed()
    await this.start()
    return this
  }

  /** The follower, which may apply later than the leader, has all that the leader has by now. */
  async followed(): Promise<void> {
    const { appliedSeq } = this.trio.node(this.leader).machine
    await this.trio.until('the follower is there', () => this.trio.node(this.name).machine.appliedSeq >= appliedSeq)
  }

  async start(): Promise<void> {
    const node = this.trio.node(this.name)
    const platform = this.trio.machines.get(this.name)!.process!
    const log = (fields: object, message: string): void => void this.lines.push(`${message} ${JSON.stringify(fields)}`)
    const opening = BackupDesk.open({
      platform,
      node,
      directory: DIRECTORY,
      mayKeep: true,
      logger: { info: log, warn: log },
    })
    this.desk = await this.run(opening)
    this.app = createAdminApp({
      service: node.replica,
      clock: platform.clock,
      timers: platform.timers,
      health: () => HEALTHY,
      readLocal: () => Promise.resolve(),
      authenticate: token => (token === 'ops' ? 'ops' : undefined),
      authenticateForBackups: token => (token === 'ops' || token === 'saver' ? token : undefined),
      metrics: [backupMetrics(() => this.desk.readings)],
      backups: this.desk,
      serverVersion: '0.1.0',
      actions: {
        transferLeadership: () => Promise.resolve(),
        drain: () => Promise.resolve(),
        checkpoint: () => node.replica.checkpoint(),
        audit: (limit, beforeSeq) => node.machine.auditRows(limit, beforeSeq),
      },
      onAction: (caller, action) => this.actions.push(`${caller} ${action}`),
    })
  }

  run<T>(work: Promise<T>, limitMs = 600_000): Promise<T> {
    return this.trio.world.runToCompletion(work, limitMs)
  }

  /** Keys of bytes that do not pack, some of them of the size of a page and more. */
  async fill(commits: number, bytes: number, from = 0): Promise<void> {
    let state = from + 1
    for (let i = from; i < from + commits; i++) {
      const words = new Uint32Array(bytes >>> 2)
      for (let at = 0; at < words.length; at++) words[at] = state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i
      const value = new Uint8Array(words.buffer)
      const set = { mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes(`k${i}`), value }] } as const
      await this.trio.commit(this.leader, this.session, set)
    }
    await this.followed()
  }

  async response(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const request = new Request(`http://127.0.0.1:7420${path}`, {
      method,
      headers: { authorization: 'Bearer saver', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return await this.run(Promise.resolve(this.app.fetch(request, { isLoopback: false })))
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string; json: Fields }> {
    const response = await this.response(method, path, body, headers)
    const text = await this.run(response.text())
    return { status: response.status, text, json: text.startsWith('{') ? (JSON.parse(text) as Fields) : NOTHING }
  }

  async idle(): Promise<void> {
    await this.trio.until('the desk is idle', () => !this.desk.readings.isRunning, 300_000)
  }

  get files() {
    return this.trio.machines.get(this.name)!.process!.files
  }
}

async function* parts(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

describe('backups of a node in its own directory', () => {
  it('are made, listed, verified, continued, handed out in parts and removed', async () => {
    const rig = await new Rig().open()
    await rig.fill(30, 700)
    assert.deepEqual((await rig.ask('POST', '/admin/v1/backups', { name: 'full' })).json, { job: 1, name: 'full' })
    await rig.idle()
    await rig.fill(10, 700, 100)
    const next = await rig.ask('POST', '/admin/v1/backups', { name: 'next', parent: 'full' })
    assert.equal(next.status, 202)
    await rig.idle()
    const { json } = await rig.ask('GET', '/admin/v1/backups')
    assert.deepEqual([json.current, json.ended.job, json.role], [null, 2, 'follower'])
    assert.deepEqual(
      json.backups.map(one => [one.name, one.manifest.type]),
      [
        ['full', 'full'],
        ['next', 'incremental'],
      ],
    )
    assert.equal(json.backups[1]!.manifest.head.seq, rig.trio.node(rig.name).machine.appliedSeq)
    const chain = [`${DIRECTORY}/full`, `${DIRECTORY}/next`]
    const platform = rig.trio.machines.get(rig.name)!.process!
    const rehearsed = await rig.run(rehearseRestore(platform, chain, '/scratch', { pageBytes: 4096 }))
    assert.equal(rehearsed.seq, json.last!.seq)
    const whole = await rig.response('GET', '/admin/v1/backups/full/images')
    const bytes = new Uint8Array(await rig.run(whole.arrayBuffer()))
    assert.equal(whole.headers.get('content-length'), String(bytes.length))
    const rest = await rig.response('GET', '/admin/v1/backups/full/images', undefined, { range: 'bytes=1000-' })
    assert.deepEqual(
      [rest.status, rest.headers.get('content-range')],
      [206, `bytes 1000-${bytes.length - 1}/${bytes.length}`],
    )
    assert.equal(Buffer.compare(Buffer.from(await rig.run(rest.arrayBuffer())), bytes.subarray(1000)), 0)
    assert.equal((await rig.ask('POST', '/admin/v1/backups/full/verify')).json.isWhole, true)
    const file = await rig.run(rig.files.open(`${DIRECTORY}/full/images`, 'readWrite'))
    await rig.run(file.write(Uint8Array.of(bytes[500]! ^ 1), 500))
    await rig.run(file.close())
    const damaged = await rig.ask('POST', '/admin/v1/backups/full/verify')
    assert.deepEqual([damaged.status, damaged.json.code], [500, 'damaged'])
    assert.equal((await rig.ask('DELETE', '/admin/v1/backups/full')).status, 200)
    assert.deepEqual(await rig.run(rig.files.list(DIRECTORY)), ['last.json', 'next'])
    assert.deepEqual(rig.actions, [
      'saver POST /admin/v1/backups full',
      'saver POST /admin/v1/backups next',
      'saver GET /admin/v1/backups/full/images',
      'saver GET /admin/v1/backups/full/images',
      'saver POST /admin/v1/backups/full/verify',
      'saver POST /admin/v1/backups/full/verify',
      'saver DELETE /admin/v1/backups/full',
    ])
  })

  it("are nobody else's, and refuse what names no backup", async () => {
    const rig = await new Rig().open()
    const other = { authorization: 'Bearer other' }
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['POST', '/stream'],
      ['POST', '/cancel'],
      ['GET', '/a'],
      ['DELETE', '/a'],
      ['POST', '/a/verify'],
      ['GET', '/a/images'],
    ] as const) {
      assert.equal((await rig.ask(method, `/admin/v1/backups${path}`, undefined, other)).status, 401, path)
    }
    assert.equal((await rig.ask('GET', '/admin/v1/status')).status, 401, 'whoever makes backups is no operator')
    assert.equal((await rig.ask('GET', '/admin/v1/backups', undefined, { authorization: 'Bearer ops' })).status, 200)
    assert.deepEqual(rig.actions, [])
    for (const name of ['..', '.', 'a/b', '', 'last.json', 'x'.repeat(101)]) {
      const { status, json } = await rig.ask('POST', '/admin/v1/backups', { name })
      assert.deepEqual([status, json.code], [400, 'invalid_argument'], name)
    }
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 7 })).status, 400)
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 'a', parent: 'none' })).json.code, 'not_found')
    assert.equal((await rig.ask('DELETE', '/admin/v1/backups/none')).json.code, 'not_found')
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 'a' })).status, 202)
    await rig.idle()
    const taken = await rig.ask('POST', '/admin/v1/backups', { name: 'a' })
    assert.deepEqual([taken.status, taken.json.code], [409, 'already_exists'])
    for (const path of ['identity.json', '..%2F..%2Fidentity.json', 'log']) {
      assert.equal((await rig.ask('GET', `/admin/v1/backups/a/${path}`)).status, 404, path)
    }
    for (const range of ['bytes=-5', 'bytes=1-2', 'bytes=99999999-', 'lines=1-']) {
      assert.equal((await rig.ask('GET', '/admin/v1/backups/a/images', undefined, { range })).status, 400, range)
    }
    assert.equal((await rig.ask('PUT', '/admin/v1/backups/a')).status, 405)
  })

  it('are made one at a time, end when they are cancelled, and leave nothing then', async () => {
    const rig = await new Rig().open()
    await rig.fill(20, 4_000)
    assert.equal((await rig.ask('POST', '/admin/v1/backups/cancel')).json.isCancelled, false)
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 'one' })).status, 202)
    rig.trio.machines.get(rig.name)!.stallDisk(5_000)
    const busy = await rig.ask('POST', '/admin/v1/backups', { name: 'two' })
    assert.deepEqual([busy.status, busy.json.code, busy.json.retryable], [503, 'busy', true])
    assert.equal((await rig.ask('POST', '/admin/v1/backups/stream', {})).json.code, 'busy')
    assert.equal((await rig.ask('DELETE', '/admin/v1/backups/one')).json.code, 'busy')
    assert.equal((await rig.ask('GET', '/admin/v1/backups')).json.current?.name, 'one')
    assert.equal((await rig.ask('POST', '/admin/v1/backups/cancel')).json.isCancelled, true)
    await rig.idle()
    const { json } = await rig.ask('GET', '/admin/v1/backups')
    assert.deepEqual([json.ended.error?.code, json.backups, json.last], ['aborted', [], null])
    assert.deepEqual(rig.desk.readings.cancelledTotal, 1)
  })

  it('leave the node the room that it needs', async () => {
    const rig = await new Rig().open()
    await rig.fill(5, 700)
    const { disk } = rig.trio.machines.get(rig.name)!
    disk.capacityBytes = disk.usedBytes + (200 << 20)
    const refused = await rig.ask('POST', '/admin/v1/backups', { name: 'a' })
    assert.deepEqual([refused.status, refused.json.code], [507, 'out_of_space'])
    disk.capacityBytes = disk.usedBytes + (300 << 20)
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 'a' })).status, 202)
    await rig.idle()
    assert.equal(rig.desk.readings.doneTotal, 1)
  })

  it('are remembered by the next process, which says how old the newest is', async () => {
    const rig = await new Rig().open()
    await rig.ask('POST', '/admin/v1/backups', { name: 'a' })
    await rig.idle()
    const { seq } = rig.desk.readings.last!
    await rig.run(rig.files.makeDirectory(`${DIRECTORY}/half`))
    await rig.run(rig.trio.node(rig.name).close())
    rig.trio.crash(rig.name)
    await rig.trio.start(rig.name)
    await rig.start()
    await rig.run(rig.trio.world.delay(5_000))
    const text = formatMetrics([...(await backupMetrics(() => rig.desk.readings).collect())])
    assert.match(text, new RegExp(`^quorate_backup_last_seq ${seq}$`, 'm'))
    const age = Number(/^quorate_backup_age_seconds (\S+)$/m.exec(text)?.[1])
    assert.ok(age >= 5 && age < 60, `${age} s`)
    const { json } = await rig.ask('GET', '/admin/v1/backups')
    assert.deepEqual(
      json.backups.map(({ name, error }) => [name, error?.code]),
      [
        ['a', undefined],
        ['half', 'not_found'],
      ],
    )
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 'half' })).json.code, 'already_exists')
    assert.equal((await rig.ask('DELETE', '/admin/v1/backups/half')).status, 200)
    assert.equal((await rig.ask('POST', '/admin/v1/backups', { name: 'half' })).status, 202)
  })
})

describe('a backup that is sent while it is made', () => {
  it('is whole where it arrives, full or continued, and what is not to be had is said as an error', async () => {
    const rig = await new Rig().open()
    await rig.fill(25, 900)
    const receive = async (target: string, body: unknown): Promise<Awaited<ReturnType<typeof verifyBackup>>> => {
      const { status, body: stream } = await rig.response('POST', '/admin/v1/backups/stream', body)
      assert.equal(status, 200)
      return await rig.run(receiveBackup(rig.files, streamSource('the node', parts(stream!)), target))
    }
    const full = await receive('/full', {})
    assert.equal(full.head.seq, rig.trio.node(rig.name).machine.appliedSeq)
    await rig.fill(5, 900, 50)
    const { backupId, historyId, state, head } = full
    const parent = { backupId, historyId, stateSeq: state.seq, headSeq: head.seq }
    const next = await receive('/next', { parent })
    assert.deepEqual([next.type, next.parentId, next.entries.firstSeq], ['incremental', backupId, head.seq + 1])
    const platform = rig.trio.machines.get(rig.name)!.process!
    await rig.run(rehearseRestore(platform, ['/full', '/next'], '/scratch', { pageBytes: 4096 }))
    for (const wrong of [
      { ...parent, historyId: '0'.repeat(32) },
      { ...parent, headSeq: 1e9 },
      { ...parent, headSeq: state.seq - 1 },
      { ...parent, stateSeq: 0 },
      { backupId },
      'full',
    ]) {
      const refused = await rig.ask('POST', '/admin/v1/backups/stream', { parent: wrong })
      assert.deepEqual([refused.status, refused.json.code], [400, 'invalid_argument'])
    }
    assert.equal(rig.desk.readings.isRunning, false)
  })

  it('waits for who takes it, holding little, and ends when nobody does', async () => {
    const rig = await new Rig().open()
    await rig.fill(60, 400_000)
    const { body } = await rig.response('POST', '/admin/v1/backups/stream', {})
    await rig.run(rig.trio.world.delay(50_000))
    const written = rig.desk.readings.writtenBytes
    assert.ok(written > 0 && written < 24 << 20, `${written} bytes of ${60 * 400_000} are under way`)
    assert.equal(rig.desk.readings.isRunning, true)
    await rig.trio.until('nobody took it for too long', () => !rig.desk.readings.isRunning, 30_000)
    await assert.rejects(rig.run(receiveBackup(rig.files, streamSource('the node', parts(body!)), '/t')), {
      code: 'timeout',
    })
    assert.deepEqual(await rig.run(rig.files.list('/t')), [])
    assert.equal(rig.desk.readings.failedTotal, 1)
    const again = await rig.response('POST', '/admin/v1/backups/stream', {})
    await rig.run(again.body!.cancel())
    await rig.idle()
    assert.equal(rig.desk.readings.cancelledTotal, 1)
  })

  it('says why it ends before its end', async () => {
    const rig = await new Rig().open()
    await rig.fill(60, 400_000)
    const { body } = await rig.response('POST', '/admin/v1/backups/stream', {})
    const receiving = receiveBackup(rig.files, streamSource('the node', parts(body!)), '/t')
    rig.trio.node(rig.name).replica.requireTrusted = () => {
      throw new QuorateError('fenced', 'the state differs from that of its peers')
    }
    await assert.rejects(rig.run(receiving), { code: 'fenced', message: 'the state differs from that of its peers' })
    assert.equal((await rig.ask('POST', '/admin/v1/backups/stream', {})).json.code, 'fenced')
    assert.equal(rig.desk.readings.failedTotal, 1)
    assert.ok(rig.lines.some(line => line.startsWith('a backup came to nothing') && line.includes('fenced')))
  })
})
