import type { RefusalDetail } from '../encoding/index.ts'
import type { ErrorCode } from '../model/index.ts'

/** An expected failure of a transaction: a value, the same on all replicas (DESIGN 7). */
export interface Refusal {
  code: ErrorCode
  message: string
  detail?: RefusalDetail
}

export function refuse(code: ErrorCode, message: string, detail?: RefusalDetail): Refusal {
  return detail === undefined ? { code, message } : { code, message, detail }
}
