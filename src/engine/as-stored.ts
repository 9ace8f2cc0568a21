import { MalformedBytes } from '../encoding/index.ts'
import { InvariantError } from '../model/index.ts'

/** What is stored is what was written: where it has no form, apply stops, for that is not a fault of a request. */
export function asStored(error: unknown): unknown {
  return error instanceof MalformedBytes ? new InvariantError(`what is stored has no form: ${error.message}`) : error
}

/** What `decode` makes of a stored value. */
export function stored<T>(decode: (value: Uint8Array) => T, value: Uint8Array): T {
  try {
    return decode(value)
  } catch (error) {
    throw asStored(error)
  }
}
