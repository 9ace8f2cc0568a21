import { counterShardKey } from '../../src/encoding/index.ts'
import type { KvMutation } from '../../src/encoding/index.ts'

/** What is stored under a key. */
export interface Present {
  value: Uint8Array
  seq: number
}

/** What a computing mutation does: the code of its refusal, or its answer and, if it writes, the value. */
export type Computed = string | { result: bigint; value?: Uint8Array }

/** Numbers are read and written digit by digit, so that nothing of the engine's is shared. */
function read(value: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(value).toString('hex')}`)
}

function store(number: bigint, bits: number): Uint8Array {
  const unsigned = number < 0n ? number + (1n << BigInt(bits)) : number
  return Uint8Array.from(Buffer.from(unsigned.toString(16).padStart(bits / 4, '0'), 'hex'))
}

/** The key that the mutation writes. */
export function writtenKey(mutation: KvMutation): Uint8Array {
  return mutation.type === 'counterAdd' ? counterShardKey(mutation.key, mutation.shard) : mutation.key
}

/** kvMax, kvMin, kvMutate, kvAddSigned and counterAdd, in the plainest way. */
export function compute(mutation: KvMutation, present: Present | undefined): Computed {
  switch (mutation.type) {
    case 'kvMax':
    case 'kvMin': {
      const { value, width, onMissing = 'set' } = mutation
      if (present === undefined) {
        if (onMissing === 'reject') return 'key_missing'
        const result = onMissing === 'zero' && mutation.type === 'kvMin' ? 0n : value
        return { result, value: store(result, width) }
      }
      if (present.value.length !== width / 8) return 'not_a_number'
      const number = read(present.value)
      const wins = mutation.type === 'kvMax' ? value > number : value < number
      return wins ? { result: value, value: store(value, width) } : { result: number }
    }
    case 'kvMutate': {
      const { operand, width, op, expectedSeq } = mutation
      if (present !== undefined && present.value.length !== width / 8) return 'not_a_number'
      if (expectedSeq !== undefined && expectedSeq !== (present?.seq ?? 0)) return 'assertion_failed'
      const number = present === undefined ? 0n : read(present.value)
      if (op === 'subtract' && operand > number) return 'underflow'
      const result = op === 'set' ? operand : op === 'add' ? number + operand : number - operand
      if (result >> BigInt(width) !== 0n) return 'overflow'
      return { result, value: store(result, width) }
    }
    case 'kvAddSigned': {
      const { by, min, max, onMissing } = mutation
      if (min !== undefined && max !== undefined && min > max) return 'invalid_argument'
      if (present === undefined && onMissing === 'reject') return 'key_missing'
      if (present !== undefined && present.value.length !== 8) return 'not_a_number'
      const number = present === undefined ? 0n : BigInt.asIntN(64, read(present.value))
      const result = number + by
      if (result > (max ?? 2n ** 63n - 1n)) return 'overflow'
      if (result < (min ?? -(2n ** 63n))) return 'underflow'
      return { result, value: store(result, 64) }
    }
    case 'counterAdd': {
      if (present !== undefined && present.value.length !== 8) return 'not_a_number'
      const result = (present === undefined ? 0n : read(present.value)) + mutation.by
      return result >= 2n ** 64n ? 'overflow' : { result, value: store(result, 64) }
    }
    default:
      throw new RangeError(`${mutation.type} is not computed`)
  }
}
