import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect, integerCodec, QuorateError } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { ProcessCluster } from './processes.ts'

const WRITERS = 8

/** Writers that each append keys of their own and count, and what was acknowledged to them. */
class Load {
  readonly #client: Client
  readonly acknowledged = new Set<string>()
  /** Requests of which nobody said whether they were applied. */
  readonly doubtful = new Set<string>()
  counted = 0
  countDoubtful = 0
  readonly #stopping = new AbortController()
  readonly #writers: Promise<void>[]

  constructor(client: Client, life: number) {
    this.#client = client
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(`${life}-${writer}`))
  }

  async #write(name: string): Promise<void> {
    const keys = this.#client.kv('load', { scope: 'keys' })
    const counters = this.#client.kv('load', { scope: 'counters', value: integerCodec(64) })
    let i = 0
    while (!this.#stopping.signal.aborted) {
      const key = `${name}-${i++}`
      try {
        await keys.set(key, Buffer.from(key), { ifAbsent: true })
        this.acknowledged.add(key)
      } catch (error) {
        if (!this.#isDoubtful(error)) throw error
        this.doubtful.add(key)
      }
      try {
        await counters.increment('all')
        this.counted++
      } catch (error) {
        if (!this.#isDoubtful(error)) throw error
        this.countDoubtful++
      }
    }
  }

  /** Whether an error leaves open if the request was applied; certain refusals are a fault of the cluster here. */
  #isDoubtful(error: unknown): boolean {
    return error instanceof QuorateError && (error.applied === 'unknown' || error.retryable)
  }

  /** Waits until `count` more keys are acknowledged. */
  async progress(count: number): Promise<void> {
    const target = this.acknowledged.size + count
    while (this.acknowledged.size < target && !this.#stopping.signal.aborted)
      await new Promise(resolve => setTimeout(resolve, 10))
  }

  abort(): void {
    this.#stopping.abort()
  }

  async stop(): Promise<void> {
    this.abort()
    await Promise.all(this.#writers)
  }
}

describe('three processes under load', { timeout: 240_000 }, suite => {
  let cluster: ProcessCluster
  let client: Client
  let load: Load

  before(async () => {
    cluster = await ProcessCluster.create()
    cluster.startAll()
    await cluster.leader()
    client = await connect(cluster.endpoints)
    await client.ddl([
      { type: 'createProject', project: 'load' },
      { type: 'createScope', project: 'load', scope: 'keys' },
      { type: 'createScope', project: 'load', scope: 'counters' },
    ])
    load = new Load(client, 0)
    // Whatever ends the suite ends its writers, or the process would never end.
    suite.signal.addEventListener('abort', () => load.abort())
    await load.progress(100)
  })
  after(async () => {
    await load.stop()
    await client.close()
    await cluster.remove()
  })

  it('goes on when the leader is killed, and takes it back', async () => {
    const leader = await cluster.leader()
    await cluster.kill(leader)
    await load.progress(100)
    cluster.start(leader)
    await load.progress(100)
  })

  it('goes on when a follower is killed, and takes it back', async () => {
    const follower = ((await cluster.leader()) + 1) % 3
    await cluster.kill(follower)
    await load.progress(100)
    cluster.start(follower)
    await load.progress(100)
  })

  it('goes on when the leader stands still, which then follows', async () => {
    const leader = await cluster.leader()
    cluster.signal(leader, 'SIGSTOP')
    await load.progress(50)
    const others = [0, 1, 2].filter(index => index !== leader)
    await cluster.leader(others)
    cluster.signal(leader, 'SIGCONT')
    await load.progress(100)
  })

  it('goes on when all are killed at once and started again', async () => {
    await Promise.all([0, 1, 2].map(index => cluster.kill(index)))
    cluster.startAll()
    await load.progress(100)
  })

  it('has lost nothing and done nothing twice', async () => {
    await load.stop()
    const found = new Set<string>()
    for await (const { key, value } of client.kv('load', { scope: 'keys' }).scan()) {
      assert.equal(Buffer.from(value).toString(), key)
      found.add(key)
    }
    for (const key of load.acknowledged) assert.ok(found.has(key), `${key} was acknowledged and is lost`)
    for (const key of found) assert.ok(load.acknowledged.has(key) || load.doubtful.has(key), `${key} was refused`)
    const counters = client.kv('load', { scope: 'counters', value: integerCodec(64) })
    const total = Number(await counters.get('all'))
    assert.ok(total >= load.counted, `${load.counted} increments were acknowledged, ${total} are there`)
    assert.ok(total <= load.counted + load.countDoubtful, `${total} of at most ${load.counted + load.countDoubtful}`)
  })
})
