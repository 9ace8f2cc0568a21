import type { Model } from './history.ts'

/** A key with values and versions: reads, writes, deletes and compare-and-set. */
export type RegisterInput =
  | { readonly type: 'read' }
  | { readonly type: 'write'; readonly value: string }
  | { readonly type: 'delete' }
  /** Writes if the last change has `expectedSeq` (0 = absent). */
  | { readonly type: 'compareAndSet'; readonly expectedSeq: number; readonly value: string }

export type RegisterOutput =
  /** `seq` is checked where it is known; 0 = absent. */
  | { readonly type: 'value'; readonly value: string | undefined; readonly seq?: number }
  /** Written at `seq`. */
  | { readonly type: 'written'; readonly seq?: number }
  /** A failed condition, with the seq that was found. */
  | { readonly type: 'refused'; readonly actualSeq?: number }

export interface RegisterState {
  readonly value: string | undefined
  /** 0 = absent. Undefined = not known, because the write that made it never told its seq. */
  readonly seq: number | undefined
  /** The highest seq known so far: versions only rise. */
  readonly highestSeq: number
}

const ABSENT: RegisterState = { value: undefined, seq: 0, highestSeq: 0 }

export const registerModel: Model<RegisterState, RegisterInput, RegisterOutput> = {
  initial: ABSENT,
  isBlind: input => input.type === 'write' || input.type === 'delete',
  step(state, input, output) {
    switch (input.type) {
      case 'read':
        return stepRead(state, output)
      case 'write':
        return stepWrite(state, input.value, output)
      case 'delete':
        return stepWrite(state, undefined, output)
      case 'compareAndSet':
        return stepCompareAndSet(state, input, output)
      default:
        throw new RangeError('an unknown input')
    }
  },
  describeState: ({ value, seq, highestSeq }) =>
    `${value === undefined ? 'absent' : JSON.stringify(value)}@${seq}<${highestSeq}`,
  describeOperation: (input, output) =>
    `${JSON.stringify(input)} -> ${output === undefined ? '?' : JSON.stringify(output)}`,
}

function stepRead(state: RegisterState, output: RegisterOutput | undefined): { state: RegisterState } | undefined {
  if (output === undefined) return undefined
  if (output.type !== 'value' || output.value !== state.value) return undefined
  if (output.seq === undefined) return { state }
  return withSeq(state, output.seq)
}

/** The state with what was learnt of its seq; undefined if it cannot have it. */
function withSeq(state: RegisterState, seq: number): { state: RegisterState } | undefined {
  if (state.seq !== undefined) return state.seq === seq ? { state } : undefined
  if (seq <= state.highestSeq) return undefined
  return { state: { ...state, seq, highestSeq: seq } }
}

function stepWrite(
  state: RegisterState,
  value: string | undefined,
  output: RegisterOutput | undefined,
): { state: RegisterState } | undefined {
  if (output !== undefined && output.type !== 'written') return undefined
  const { highestSeq } = state
  const seq = output?.seq
  if (seq !== undefined && seq <= highestSeq) return undefined
  const next = Math.max(highestSeq, seq ?? 0)
  return { state: { value, seq: value === undefined ? 0 : seq, highestSeq: next } }
}

function stepCompareAndSet(
  state: RegisterState,
  input: Extract<RegisterInput, { type: 'compareAndSet' }>,
  output: RegisterOutput | undefined,
): { state: RegisterState } | undefined {
  if (output?.type === 'refused') {
    const known = output.actualSeq === undefined ? { state } : withSeq(state, output.actualSeq)
    return known?.state.seq === input.expectedSeq ? undefined : known
  }
  const learnt = withSeq(state, input.expectedSeq)
  return learnt === undefined ? undefined : stepWrite(learnt.state, input.value, output)
}

export type CounterInput = { readonly type: 'read' } | { readonly type: 'add'; readonly by: bigint }
/** The number read, or the number after the addition. */
export type CounterOutput = bigint

export const counterModel: Model<bigint, CounterInput, CounterOutput> = {
  initial: 0n,
  step(state, input, output) {
    const next = input.type === 'add' ? state + input.by : state
    if (output === undefined) return input.type === 'add' ? { state: next } : undefined
    return output === next ? { state: next } : undefined
  },
  describeState: String,
  describeOperation: (input, output) => `${input.type === 'add' ? `add ${input.by}` : 'read'} -> ${output ?? '?'}`,
}

export type ListInput = { readonly type: 'read' } | { readonly type: 'append'; readonly element: string }
export type ListOutput = { readonly type: 'list'; readonly elements: readonly string[] } | { readonly type: 'appended' }

/** A list to which elements are appended. With elements that are never appended twice a read tells the whole order: the strictest model. */
export const listModel: Model<readonly string[], ListInput, ListOutput> = {
  initial: [],
  step(state, input, output) {
    if (input.type === 'append') {
      return output === undefined || output.type === 'appended' ? { state: [...state, input.element] } : undefined
    }
    if (output === undefined) return undefined
    const isSame =
      output.type === 'list' &&
      output.elements.length === state.length &&
      output.elements.every((element, index) => element === state[index])
    return isSame ? { state } : undefined
  },
  describeState: state => JSON.stringify(state),
  describeOperation: (input, output) =>
    `${JSON.stringify(input)} -> ${output === undefined ? '?' : JSON.stringify(output)}`,
}
