import type { FailedCondition, Value } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { ErrorCode } from '../model/index.ts'
import { fileFailure } from '../node/index.ts'
import { FileError } from '../platform/index.ts'
import { printable } from './output.ts'

/** What the command line ends with; documented in README.md and stable. `suspect` and `inconsistent` are `check data`'s alone. */
export const ExitCode = {
  fine: 0,
  failed: 1,
  usage: 2,
  unavailable: 3,
  damage: 4,
  suspect: 5,
  inconsistent: 6,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

const UNAVAILABLE: ReadonlySet<ErrorCode> = new Set([
  'unavailable',
  'timeout',
  'not_leader',
  'busy',
  'draining',
  'unjoined',
  'fenced',
  'closed',
  'too_many_connections',
])
const USAGE: ReadonlySet<ErrorCode> = new Set(['invalid_argument', 'invalid_name', 'configuration_invalid'])

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof QuorateError)) return ExitCode.failed
  if (error.code === 'damaged') return ExitCode.damage
  if (UNAVAILABLE.has(error.code)) return ExitCode.unavailable
  return USAGE.has(error.code) ? ExitCode.usage : ExitCode.failed
}

/** One line for people: the code first, so that it can be looked up. */
export function describeError(error: unknown): string {
  if (error instanceof QuorateError) {
    const unsure = error.applied === 'unknown' ? ' (it may have been applied)' : ''
    const { condition } = error.detail ?? {}
    const found = condition === undefined ? '' : ` (${describeCondition(condition)})`
    return `${error.code}: ${error.message}${found}${unsure}`
  }
  if (error instanceof FileError) return describeError(fileFailure(error))
  return error instanceof Error ? error.message : String(error)
}

const SIGNS = { eq: '=', ne: '!=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const

/** `assertions[0]: keyVersion = 5, found 7`; `assertions[1].assertion: not keyExists = true, found true`. */
function describeCondition(condition: FailedCondition): string {
  const { path, type, op, isNegated, expected, actual, expectedBytes, actualBytes } = condition
  const negation = isNegated === true ? 'not ' : ''
  const found = actual === undefined ? 'nothing' : valueText(actual, actualBytes)
  return `${path}: ${negation}${type} ${SIGNS[op]} ${valueText(expected, expectedBytes)}, found ${found}`
}

function valueText(value: Value, bytes: number | undefined): string {
  const text =
    value instanceof Uint8Array ? printable(value) : typeof value === 'string' ? JSON.stringify(value) : String(value)
  return bytes === undefined ? text : `${text}... of ${bytes} bytes`
}

/** Ends a command with an exit code of its own; the message, if any, is printed. */
export class CommandExit extends Error {
  override readonly name = 'CommandExit'
  readonly code: ExitCode

  constructor(code: ExitCode, message = '') {
    super(message)
    this.code = code
  }
}
