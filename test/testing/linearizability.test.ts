import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import {
  checkLinearizable,
  counterModel,
  listModel,
  registerModel,
  type CounterInput,
  type ListInput,
  type ListOutput,
  type Model,
  type Operation,
  type RegisterInput,
  type RegisterOutput,
} from '../../src/testing/index.ts'
import { seed } from '../platform/seed.ts'

type RegisterOperation = Operation<RegisterInput, RegisterOutput>

/** `at(1, 4, input, output)`: called at 1, returned at 4. */
function on<I, O>(key: string, calledAt: number, returnedAt: number, input: I, output: O | undefined): Operation<I, O> {
  return { key, input, output, calledAt, returnedAt }
}
const at = (
  calledAt: number,
  returnedAt: number,
  input: RegisterInput,
  output: RegisterOutput | undefined,
  key = 'k',
): RegisterOperation => on(key, calledAt, returnedAt, input, output)
const counted = (
  from: number,
  to: number,
  input: CounterInput,
  output: bigint | undefined,
): Operation<CounterInput, bigint> => on('n', from, to, input, output)
const listed = (from: number, to: number, input: ListInput, output: ListOutput): Operation<ListInput, ListOutput> =>
  on('l', from, to, input, output)

const write = (value: string): RegisterInput => ({ type: 'write', value })
const read: RegisterInput = { type: 'read' }
const cas = (expectedSeq: number, value: string): RegisterInput => ({ type: 'compareAndSet', expectedSeq, value })
const sees = (value: string | undefined, seq?: number): RegisterOutput => ({
  type: 'value',
  value,
  ...(seq !== undefined && { seq }),
})
const written = (seq?: number): RegisterOutput => ({ type: 'written', ...(seq !== undefined && { seq }) })
const refused = (actualSeq: number): RegisterOutput => ({ type: 'refused', actualSeq })

const judge = (history: RegisterOperation[]): string => checkLinearizable(registerModel, history).result

describe('a history of a register', () => {
  it('is legal if some order within the intervals explains it', () => {
    assert.equal(judge([]), 'linearizable')
    assert.equal(
      judge([at(0, 9, write('a'), written()), at(1, 2, read, sees(undefined)), at(3, 4, read, sees('a'))]),
      'linearizable',
    )
    // Intervals that touch may overlap.
    assert.equal(judge([at(0, 2, write('a'), written()), at(2, 3, read, sees(undefined))]), 'linearizable')
  })

  it('is illegal if a read is stale, sees the future or goes back', () => {
    assert.equal(judge([at(0, 1, write('a'), written()), at(2, 3, read, sees(undefined))]), 'illegal')
    assert.equal(judge([at(0, 1, read, sees('a')), at(2, 3, write('a'), written())]), 'illegal')
    const flicker = [at(0, 9, write('a'), written()), at(1, 2, read, sees('a')), at(3, 4, read, sees(undefined))]
    assert.equal(judge(flicker), 'illegal')
    assert.equal(judge([at(0, 1, read, sees('never written'))]), 'illegal')
  })

  it('lets an unknown write happen late or never, and not twice', () => {
    const lost = at(0, 0, write('a'), undefined)
    assert.equal(judge([lost, at(5, 6, read, sees(undefined)), at(100, 101, read, sees('a'))]), 'linearizable')
    assert.equal(judge([lost, at(5, 6, read, sees(undefined))]), 'linearizable')
    const twice = [lost, at(5, 6, read, sees('a')), at(7, 8, write('b'), written()), at(9, 10, read, sees('a'))]
    assert.equal(judge(twice), 'illegal')
    const early = [at(5, 0, write('a'), undefined), at(1, 2, read, sees('a'))]
    assert.equal(judge(early), 'illegal')
  })

  it('keeps versions: they rise, belong to their write, and decide compare-and-set', () => {
    const base = [at(0, 1, write('a'), written(5))]
    assert.equal(judge([...base, at(2, 3, read, sees('a', 5)), at(4, 5, cas(5, 'b'), written(8))]), 'linearizable')
    assert.equal(judge([...base, at(2, 3, read, sees('a', 6))]), 'illegal')
    assert.equal(judge([...base, at(2, 3, write('b'), written(4))]), 'illegal')
    assert.equal(judge([...base, at(2, 3, cas(5, 'b'), refused(5))]), 'illegal')
    assert.equal(judge([...base, at(2, 3, cas(4, 'b'), refused(5))]), 'linearizable')
    assert.equal(judge([...base, at(2, 3, cas(4, 'b'), written(9))]), 'illegal')
    // Two who took the same version cannot both have won.
    const both = [...base, at(2, 9, cas(5, 'b'), written(7)), at(3, 8, cas(5, 'c'), written(8))]
    assert.equal(judge(both), 'illegal')
    // A write that nobody heard of has some version above those before it.
    const unheard = [...base, at(2, 0, write('x'), undefined)]
    assert.equal(judge([...unheard, at(3, 4, read, sees('x', 9)), at(5, 6, cas(9, 'y'), written(10))]), 'linearizable')
    assert.equal(judge([...unheard, at(3, 4, read, sees('x', 4))]), 'illegal')
    assert.equal(
      judge([...base, at(2, 3, { type: 'delete' }, written(6)), at(4, 5, cas(0, 'z'), written(7))]),
      'linearizable',
    )
  })

  it('is judged key by key, and the guilty key is named', () => {
    const good = [at(0, 1, write('a'), written(), 'x'), at(2, 3, read, sees('a'), 'x')]
    const bad = [at(0, 1, write('a'), written(), 'y'), at(2, 3, read, sees(undefined), 'y')]
    const verdict = checkLinearizable(registerModel, [...good, ...bad])
    assert.ok(verdict.result === 'illegal')
    assert.equal(verdict.key, 'y')
    assert.match(verdict.explanation, /no order explains:\n.*"read"/)
    assert.throws(() => judge([at(5, 4, read, sees(undefined))]), RangeError)
  })
})

describe('histories of counters and lists', () => {
  it('count every addition once', () => {
    const add = (by: bigint): CounterInput => ({ type: 'add', by })
    const total = (history: Operation<CounterInput, bigint>[]): string =>
      checkLinearizable(counterModel, history).result
    assert.equal(
      total([counted(0, 5, add(1n), 2n), counted(0, 5, add(1n), 1n), counted(6, 7, { type: 'read' }, 2n)]),
      'linearizable',
    )
    assert.equal(total([counted(0, 5, add(1n), 1n), counted(0, 5, add(1n), 1n)]), 'illegal')
    assert.equal(total([counted(0, 0, add(1n), undefined), counted(1, 2, { type: 'read' }, 2n)]), 'illegal')
  })

  it('show every append in one order', () => {
    const append = (element: string): ListInput => ({ type: 'append', element })
    const list = (...elements: string[]): ListOutput => ({ type: 'list', elements })
    const judgeList = (history: Operation<ListInput, ListOutput>[]): string =>
      checkLinearizable(listModel, history).result
    const appends = [listed(0, 9, append('a'), { type: 'appended' }), listed(0, 9, append('b'), { type: 'appended' })]
    assert.equal(judgeList([...appends, listed(10, 11, { type: 'read' }, list('b', 'a'))]), 'linearizable')
    assert.equal(judgeList([...appends, listed(10, 11, { type: 'read' }, list('b'))]), 'illegal')
    const split = [listed(1, 2, { type: 'read' }, list('a')), listed(3, 4, { type: 'read' }, list('b'))]
    assert.equal(judgeList([...appends, ...split]), 'illegal')
  })
})

/** A register that takes effect at a random moment within each call: legal by construction. */
function legalHistory(random: SeededRandom, count: number, clients: number): RegisterOperation[] {
  const operations: { effectAt: number; draft: RegisterOperation; isLost: boolean }[] = []
  const freeAt = Array.from({ length: clients }, () => 0)
  for (let i = 0; i < count; i++) {
    const client = random.below(clients)
    const calledAt = freeAt[client]! + random.between(0, 3)
    const returnedAt = calledAt + random.between(1, 12)
    freeAt[client] = returnedAt + 1
    const input = random.pick<RegisterInput>([read, read, write(`v${i}`), { type: 'delete' }, cas(-1, `c${i}`)])
    const isLost = input.type !== 'read' && random.chance(0.08)
    const effectAt = random.uniform(calledAt, isLost ? returnedAt + 40 : returnedAt)
    operations.push({ effectAt, isLost, draft: at(calledAt, returnedAt, input, undefined) })
  }
  let value: string | undefined
  let seq = 0
  return operations
    .sort((a, b) => a.effectAt - b.effectAt)
    .map(({ effectAt, isLost, draft }, index): RegisterOperation => {
      const apply = (next: string | undefined): RegisterOutput => {
        value = next
        seq = next === undefined ? 0 : index + 1
        return written(index + 1)
      }
      let { input } = draft
      if (input.type === 'compareAndSet')
        input = { ...input, expectedSeq: random.chance(0.6) ? seq : Math.max(0, seq - 1) }
      const happens = !isLost || random.chance(0.5)
      let output: RegisterOutput | undefined
      if (input.type === 'read') output = sees(value, seq)
      else if (!happens) output = undefined
      else if (input.type === 'write') output = apply(input.value)
      else if (input.type === 'delete') output = apply(undefined)
      else output = seq === input.expectedSeq ? apply(input.value) : refused(seq)
      assert.ok(isLost || effectAt <= draft.returnedAt)
      return { ...draft, input, output: isLost ? undefined : output }
    })
}

/** Tries every order of every choice of the unknown ones: right by its simplicity, for few operations. */
function bruteForce<S, I, O>(model: Model<S, I, O>, history: readonly Operation<I, O>[]): boolean {
  const place = (state: S, left: readonly Operation<I, O>[]): boolean => {
    if (left.every(operation => operation.output === undefined)) return true
    return left.some(operation => {
      const mustWait = left.some(
        other => other !== operation && other.output !== undefined && other.returnedAt < operation.calledAt,
      )
      if (mustWait) return false
      const next = model.step(state, operation.input, operation.output)
      return (
        next !== undefined &&
        place(
          next.state,
          left.filter(other => other !== operation),
        )
      )
    })
  }
  return place(model.initial, history)
}

/** Changes one answer, so that a history may have become illegal. */
function mutate(random: SeededRandom, history: readonly RegisterOperation[]): RegisterOperation[] {
  const changed = [...history]
  const index = random.below(changed.length)
  const operation = changed[index]!
  const other = random.pick(history).output
  const output =
    operation.input.type === 'read'
      ? other?.type === 'value'
        ? other
        : sees('v0')
      : random.chance(0.5)
        ? written(random.between(1, 9))
        : refused(random.below(9))
  if (random.chance(0.3)) {
    const shift = random.between(-15, 15)
    changed[index] = { ...operation, calledAt: operation.calledAt + shift, returnedAt: operation.returnedAt + shift }
  } else changed[index] = { ...operation, output }
  return changed
}

describe('the checker', () => {
  it('agrees with trying every order, on legal and on mutated histories', () => {
    const random = new SeededRandom(seed).split('brute force')
    let illegal = 0
    for (let round = 0; round < 1500; round++) {
      const draw = random.split(`${round}`)
      const legal = legalHistory(draw, draw.between(1, 7), 3)
      assert.equal(judge(legal), 'linearizable', JSON.stringify(legal))
      const history = mutate(draw, legal)
      const expected = bruteForce(registerModel, history) ? 'linearizable' : 'illegal'
      assert.equal(judge(history), expected, JSON.stringify(history))
      if (expected === 'illegal') illegal++
    }
    assert.ok(illegal > 300, `only ${illegal} of the mutated histories were illegal`)
  })

  it('accepts long legal histories of many clients, and finds one wrong answer in them', () => {
    const random = new SeededRandom(seed).split('long')
    let found = 0
    for (let round = 0; round < 5; round++) {
      const draw = random.split(`${round}`)
      const legal = legalHistory(draw, 200, 5)
      const verdict = checkLinearizable(registerModel, legal, { maxSteps: 300_000 })
      assert.equal(verdict.result, 'linearizable')
      const reads = legal.flatMap((operation, index) => (operation.input.type === 'read' && index > 100 ? [index] : []))
      const broken = [...legal]
      const index = draw.pick(reads)
      // What the key held before the history was half over.
      broken[index] = { ...legal[index]!, output: sees('v1', 2) }
      const { result } = checkLinearizable(registerModel, broken, { maxSteps: 300_000 })
      assert.notEqual(result, 'linearizable')
      if (result === 'illegal') found++
    }
    assert.ok(found >= 4, `${found} of 5 were decided`)
  })

  it('ends after its steps, and says so', () => {
    // Writes at once that nobody heard of, and a read that no order explains.
    const unknown = Array.from({ length: 22 }, (_, index) => at(0, 0, write(`${index}`), undefined))
    const verdict = checkLinearizable(registerModel, [...unknown, at(1, 2, read, sees('never'))], { maxSteps: 10 })
    assert.deepEqual(verdict, { result: 'undecided', steps: 11, key: 'k' })
  })
})
