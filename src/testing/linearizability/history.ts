/**
 * What clients saw: operations with the times of their calls and returns, on one clock. Whoever records one must take `calledAt` before
 * the request is sent and `returnedAt` after the answer has come.
 */
export interface Operation<Input, Output> {
  /** Operations on different keys do not touch each other and are judged apart. */
  readonly key: string
  readonly input: Input
  /** What the client was told. Undefined = the outcome is unknown: it may have happened at any time after the call, or never. */
  readonly output: Output | undefined
  readonly calledAt: number
  /** Without meaning where the output is undefined. */
  readonly returnedAt: number
}

/** What a key may do: a sequential machine. Pure; states are never changed in place. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /**
   * The state after `input`, if `output` is what it may answer in `state`; undefined if it is not. `output` undefined = nobody knows the
   * answer: the state after its effect; undefined if it has none in `state`, for then it need not have happened.
   */
  step(state: State, input: Input, output: Output | undefined): { state: State } | undefined
  /**
   * Whether `input` with unknown output gives the same state with and without another unknown operation just before it: then that other
   * one need not have happened. Saves most of the search where many outcomes are unknown; absent = never.
   */
  isBlind?(input: Input): boolean
  /** Equal states and only they have equal texts. */
  describeState(state: State): string
  describeOperation(input: Input, output: Output | undefined): string
}

export type Verdict =
  | { readonly result: 'linearizable'; readonly steps: number }
  /** No order of the key's operations explains what was seen. */
  | { readonly result: 'illegal'; readonly steps: number; readonly key: string; readonly explanation: string }
  /** The step budget was used up before the search ended. */
  | { readonly result: 'undecided'; readonly steps: number; readonly key: string }
