// What the facade costs above its core: `kv.set` and `kv.get` against a core that answers at once, with the same calls made to the
// core by hand beside them. Prints us per call (median of the rounds). Run: node dist/bench/facade/overhead.js
import { encodeEnvelope, encodePlainCommit, utf8Bytes } from '../../src/encoding/index.ts'
import { createDatabase, type CoreOutcome, type CoreRead, type DatabaseCore } from '../../src/model/index.ts'

const ROUNDS = 15
const CALLS = 20_000
/** Calls under way at once. */
const BATCH = 100

const historyId = '0'.repeat(32)
const committed: CoreOutcome = { outcome: encodePlainCommit(12_345), historyId }
const value = new Uint8Array(256).fill(7)
const entry = { key: utf8Bytes('user/123456'), value, seq: 5, createdSeq: 5, expiresAtMicros: undefined }
const found: CoreRead = { result: { type: 'get', entries: [entry] }, seq: 5, historyId }

const core = {
  submit: () => Promise.resolve(committed),
  read: () => Promise.resolve(found),
} as unknown as DatabaseCore
const kv = createDatabase(core).kv('shop')
const key = utf8Bytes('user/123456')
const request = { type: 'get', project: 'shop', scope: 'app', keys: [key] } as const

async function measure(call: (i: number) => Promise<unknown>): Promise<number> {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Processor time, not wall time: other work on the machine does not count.
    const start = process.cpuUsage()
    for (let done = 0; done < CALLS; done += BATCH) {
      const batch: Promise<unknown>[] = []
      for (let i = 0; i < BATCH; i++) batch.push(call(done + i))
      await Promise.all(batch)
    }
    const { user, system } = process.cpuUsage(start)
    rounds.push((user + system) / CALLS)
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1]!
}

const envelope = encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'shop', key, value }] })
const submit = await measure(() => core.submit(envelope, {}))
const read = await measure(() => core.read(request, {}))
const set = await measure(i => kv.set(`user/${100_000 + i}`, value))
const setText = await measure(i => kv.set(`usér/${100_000 + i}`, value))
const setWith = await measure(i => kv.set(`user/${100_000 + i}`, value, { ttlMs: 1000 }))
const get = await measure(i => kv.get(`user/${100_000 + i}`))
const report = {
  set: set - submit,
  setBeyondAscii: setText - submit,
  setWithOptions: setWith - submit,
  get: get - read,
}
for (const [name, us] of Object.entries(report)) console.log(`${name.padEnd(16)} ${us.toFixed(2)} us above the core`)
console.log(`(core by hand: submit ${submit.toFixed(2)} us, read ${read.toFixed(2)} us)`)
