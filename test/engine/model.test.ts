import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeOutcome, encodeTick, EntryKind, rangeDigest } from '../../src/encoding/index.ts'
import type { KeyTarget, Mutation, Outcome, TransactionEnvelope } from '../../src/encoding/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { at, bytes, Harness, nonce, request, SECOND, set } from './harness.ts'
import { Model } from './model.ts'
import { seed } from './seed.ts'

const SCOPES = ['app', 'other']

/** Makes random envelopes whose preconditions hold about as often as not. */
class Generator {
  readonly #random: SeededRandom
  readonly #model: Model

  constructor(random: SeededRandom, model: Model) {
    this.#random = random
    this.#model = model
  }

  below(count: number): number {
    return this.#random.u32() % count
  }

  key(): string {
    return `k${this.below(60) * 25}${'x'.repeat(this.below(3) === 0 ? this.below(200) : 0)}`
  }

  scope(): string {
    return SCOPES[this.below(5) === 0 ? 1 : 0]!
  }

  mutation(): Mutation {
    const target = at(this.key(), this.scope())
    const choice = this.below(10)
    if (choice < 5) {
      const value = this.#random.bytes(this.below(8) === 0 ? this.below(3_000) : this.below(60))
      return this.below(4) === 0
        ? { type: 'kvSet', ...target, value, ttlMs: this.below(20_000) }
        : { type: 'kvSet', ...target, value }
    }
    if (choice < 7) return { type: 'kvDelete', ...target }
    const by = this.below(6) === 0 ? (1n << 64n) - 1n : BigInt(this.below(5))
    const key = at(`n${this.below(4)}`, target.scope)
    const onMissing = this.below(4) === 0 ? 'reject' : 'zero'
    if (choice === 9) return this.computed(key, by)
    if (choice === 7) return { type: 'kvIncrement', ...key, by, width: 64, onMissing, onOverflow: 'saturate' }
    return {
      type: 'kvDecrement',
      ...key,
      by,
      width: 64,
      onMissing,
      onUnderflow: (['reject', 'saturate', 'ignore'] as const)[this.below(3)]!,
    }
  }

  /** Now and then on a key whose value is no number, or of another width. */
  computed(key: KeyTarget, by: bigint): Mutation {
    const width = this.below(5) === 0 ? 256 : 64
    const target = this.below(20) === 0 ? at(this.key(), key.scope) : key
    switch (this.below(5)) {
      case 0:
      case 1: {
        const onMissing = (['set', 'zero', 'reject'] as const)[this.below(3)]!
        return { type: this.below(2) === 0 ? 'kvMax' : 'kvMin', ...target, value: by, width, onMissing }
      }
      case 2: {
        const op = (['set', 'add', 'subtract'] as const)[this.below(3)]!
        const version = this.#model.version(target.scope!, Buffer.from(target.key).toString())
        const expected = this.below(2) === 0 && { expectedSeq: this.below(4) === 0 ? version + 1 : version }
        return { type: 'kvMutate', ...target, op, operand: by, width, ...expected }
      }
      case 3: {
        const bound = (): bigint => BigInt(this.below(12) - 6)
        const signed = by > 5n ? (1n << 63n) - 1n : by - 2n
        const min = this.below(2) === 0 && { min: bound() }
        const max = this.below(2) === 0 && { max: bound() }
        const onMissing = this.below(3) === 0 ? 'reject' : 'zero'
        return { type: 'kvAddSigned', ...target, by: signed, ...min, ...max, onMissing }
      }
      default:
        return { type: 'counterAdd', ...target, by, shards: 3, shard: this.below(3) }
    }
  }

  envelope(): TransactionEnvelope {
    const mutations = Array.from({ length: 1 + this.below(this.below(10) === 0 ? 30 : 3) }, () => this.mutation())
    const scope = this.scope()
    const key = this.key()
    const version = this.#model.version(scope, key)
    const guess = this.below(2) === 0 ? version : version + 1
    const choice = this.below(6)
    if (choice === 0) return { assertions: [{ type: 'keyVersion', ...at(key, scope), seq: guess }], mutations }
    if (choice === 1) return { readSet: { points: [{ ...at(key, scope), seq: guess }] }, mutations }
    if (choice === 2) {
      const reverse = this.below(2) === 0
      const limit = this.below(5)
      const [start, end] = [bytes(`k${this.below(60) * 25}`), bytes(`k${this.below(60) * 25}`)]
      const read = this.#model.scan(scope, start, end, reverse, limit)
      if (this.below(3) === 0) read.pop()
      return {
        readSet: { ranges: [{ project: 'p', scope, start, end, reverse, limit, digest: rangeDigest(read) }] },
        mutations,
      }
    }
    return this.below(12) === 0 ? { idempotencyKey: `i${this.below(5)}`, mutations } : { mutations }
  }
}

function plain(outcome: Outcome): unknown {
  return outcome.status === 'committed' ? outcome : { status: outcome.status, seq: outcome.seq, code: outcome.code }
}

describe('apply', () => {
  it('does what a plain map would do, for random transactions, ticks and sessions', async () => {
    const harness = await Harness.withProject()
    const model = new Model(harness.nextSeq)
    const random = new SeededRandom(seed)
    const generator = new Generator(random, model)
    for (let i = 0; i < 1_200; i++) {
      harness.timeMicros += generator.below(20) === 0 ? SECOND * generator.below(10) : 1
      if (generator.below(30) === 0) {
        await harness.tick(1 + generator.below(5))
        model.pass(harness.timeMicros)
        continue
      }
      const envelope = generator.envelope()
      const expected = model.apply(harness.nextSeq, harness.timeMicros, envelope)
      const actual = await harness.commit(envelope)
      assert.deepEqual(plain(actual), expected, `seed ${seed}, entry ${harness.entries.length}`)
    }
    for (const scope of SCOPES) {
      const result = harness.read({ type: 'scan', project: 'p', scope, limit: 10_000 })
      assert.deepEqual(result.type === 'scan' && result.entries, model.entries(scope), `seed ${seed}`)
      const backwards = harness.read({ type: 'scan', project: 'p', scope, limit: 10_000, reverse: true })
      assert.deepEqual(backwards.type === 'scan' && backwards.entries, model.entries(scope).toReversed())
    }
  })

  it('has the same outcomes, S and effect chain whatever pages, memory and batches it has', async () => {
    const random = new SeededRandom(seed + 1)
    const first = await Harness.withProject()
    const model = new Model(first.nextSeq)
    const generator = new Generator(random, model)
    await first.openSession({ nonce: nonce(5), kind: 'node' })
    const session = first.entries.length
    const filled = Array.from({ length: 1_500 }, (_, i) => set(`k${i}`, 'v'.repeat(400)))
    first.append(EntryKind.transaction, request({ mutations: filled }))
    for (let serial = 1; serial <= 500; serial++) {
      first.timeMicros += generator.below(30) === 0 ? SECOND : 1
      if (generator.below(20) === 0) first.append(EntryKind.tick, encodeTick(3))
      const envelope = generator.envelope()
      const copies = generator.below(10) === 0 ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        first.append(
          EntryKind.transaction,
          request(envelope, { session, serial, acknowledgedThrough: Math.max(0, serial - 40) }),
        )
      }
    }
    const outcomes = (await first.applyAll()).map(({ outcome }) => decodeOutcome(outcome))
    for (const [pageBytes, budgetBytes, batch] of [
      [4096, 1, 1],
      [4096, 40 * 4096, 7],
      [16384, 1, 64],
      [32768, 1 << 24, 1000],
    ] as const) {
      const other = await Harness.create({ pageBytes, budgetBytes })
      other.entries.push(...first.entries)
      const others: Outcome[] = []
      let colds = 0
      while (other.core.appliedSeq < other.entries.length) {
        const from = other.core.appliedSeq + 1
        const result = other.core.apply(
          other.batch(from, Math.min(other.entries.length, from + batch - 1)),
          () => false,
        )
        others.push(...result.outcomes.map(({ outcome }) => decodeOutcome(outcome)))
        if (result.cold !== undefined) colds++
        await result.cold
        // A checkpoint waits for the end of the entry under way.
        if (result.cold !== undefined) continue
        if (other.core.isBusy || random.u32() % 200 === 0) await other.checkpoint()
      }
      assert.deepEqual(others.slice(-outcomes.length), outcomes, `pages of ${pageBytes}`)
      assert.equal(other.digest(), first.digest(), `pages of ${pageBytes}, budget ${budgetBytes}, seed ${seed}`)
      if (budgetBytes === 1) assert.ok(colds > 10, `only ${colds} cold pages were met`)
      const { core: again } = await (await other.checkpoint().then(() => other)).reopen()
      assert.equal(JSON.stringify(again.digest), first.digest(), 'after a restart')
    }
  })
})
