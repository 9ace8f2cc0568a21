import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { ProcessCluster } from './processes.ts'

describe('a member whose directory was emptied', { timeout: 240_000 }, () => {
  let cluster: ProcessCluster
  let client: Client

  before(async () => {
    cluster = await ProcessCluster.create()
    cluster.startAll()
    await cluster.leader()
    client = await connect(cluster.endpoints)
    await client.ddl({ type: 'createProject', project: 'wiped' })
  })
  after(async () => {
    await client.close()
    await cluster.remove()
  })

  async function admin(index: number, path: string): Promise<{ status: number; text: string }> {
    try {
      const answer = await fetch(`http://127.0.0.1:${cluster.nodes[index]!.ports.admin}${path}`)
      return { status: answer.status, text: await answer.text() }
    } catch (error) {
      return { status: 0, text: String(error) }
    }
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await delay(20)
  }

  it('is refused by the others and not ready, also where their log does not begin with the first entry any more', async () => {
    const leader = await cluster.leader()
    const wiped = leader === 2 ? 1 : 2
    const values = client.kv('wiped')
    const isShortened = async (): Promise<boolean> => {
      for (let i = 0; i < 16; i++) await values.set(`k${i}`, new Uint8Array(64 << 10))
      const { text } = await admin(leader, '/metrics')
      return Number(/^quorate_log_first_seq (\d+)$/m.exec(text)?.[1]) > 1
    }
    await until(isShortened)
    await cluster.kill(wiped)
    const { directory } = cluster.nodes[wiped]!
    for (const name of await readdir(directory)) {
      if (name !== 'config.yaml') await rm(join(directory, name), { recursive: true })
    }
    cluster.start(wiped)
    const joined = /\[-\]joined failed: (n\d) knows another directory under this name/
    await until(async () => joined.test((await admin(wiped, '/readyz')).text))
    await values.set('after', new Uint8Array(1))
    const { status, text } = await admin(wiped, '/readyz')
    assert.equal(status, 503)
    assert.match(text, joined)
    await until(() => Promise.resolve(/"reason":"directory"/.test(cluster.nodes[leader]!.errors)))
  })
})
