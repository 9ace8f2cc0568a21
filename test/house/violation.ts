import type { SourceText } from './source-text.ts'
import { lineAt } from './source-text.ts'

/** One breach of a rule of the house. */
export interface Violation {
  /** The rule's short name, for example `arrow` or `cycle`. */
  readonly rule: string
  readonly file: string
  /** From 1. */
  readonly line: number
  /** What is wrong and, where it is not obvious, what to do instead. */
  readonly message: string
}

/** The parsed files of src/, by path relative to the repository. */
export type Sources = ReadonlyMap<string, SourceText>

export function violationAt(
  rule: string,
  file: string,
  source: SourceText,
  offset: number,
  message: string,
): Violation {
  return { rule, file, line: lineAt(source.text, offset), message }
}

export function formatViolation({ rule, file, line, message }: Violation): string {
  return `${file}:${line} [${rule}] ${message}`
}

/** A pattern over a file's code and what to say where it matches. */
export interface Ban {
  readonly pattern: RegExp
  readonly message: string
}

/** Every match of every ban in a file's code. */
export function findBanned(rule: string, file: string, source: SourceText, bans: readonly Ban[]): Violation[] {
  return bans.flatMap(({ pattern, message }) =>
    [...source.code.matchAll(pattern)].map(match =>
      violationAt(rule, file, source, match.index, `${match[0].trim()}: ${message}`),
    ),
  )
}
