import type { RefusalDetail } from '../../src/encoding/index.ts'

/** Why a transaction or a read is refused. */
export class Refusal extends Error {
  readonly code: string
  readonly detail: RefusalDetail | undefined
  constructor(code: string, message: string = code, detail?: RefusalDetail) {
    super(message)
    this.code = code
    this.detail = detail
  }
}
