import assert from 'node:assert/strict'
import { QuorateError } from '../src/model/index.ts'

/** The code with which `work` is refused; `none` if it is not. */
export async function code(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    assert.ok(error instanceof QuorateError, String(error))
    return error.code
  }
}
