import { QuorateError } from '../../model/index.ts'
import type { EventCondition } from '../../model/index.ts'

/** Conditions of one read. */
const CONDITIONS_MAX = 16
const POINTER_CHARACTERS_MAX = 1_024
const NOTHING = Symbol('nothing')

interface Condition {
  readonly path: readonly string[]
  readonly equals: EventCondition['equals']
}

/** Whether payloads have certain values at certain places. */
export class PayloadFilter {
  readonly #conditions: readonly Condition[]

  /** @throws QuorateError `invalid_argument` */
  constructor(conditions: readonly EventCondition[]) {
    if (conditions.length > CONDITIONS_MAX) throw invalid(`at most ${CONDITIONS_MAX} conditions on a payload`)
    this.#conditions = conditions.map(({ pointer, equals }) => ({ path: pathOf(pointer), equals }))
  }

  /** `payload` is JSON text, as all payloads are. */
  holds(payload: string): boolean {
    if (this.#conditions.length === 0) return true
    const data: unknown = JSON.parse(payload)
    return this.#conditions.every(({ path, equals }) => valueAt(data, path) === equals)
  }
}

function valueAt(data: unknown, path: readonly string[]): unknown {
  let value = data
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return NOTHING
    // The elements of an array are its own by their numbers; its length is not in the text.
    if (!Object.hasOwn(value, name) || (Array.isArray(value) && name === 'length')) return NOTHING
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return value
}

/** The names of a JSON pointer (RFC 6901). @throws QuorateError `invalid_argument` */
function pathOf(pointer: string): string[] {
  if (pointer.length > POINTER_CHARACTERS_MAX || !/^(\/([^~/]|~[01])*)*$/.test(pointer)) {
    throw invalid('a place in a payload is a JSON pointer: empty, or names that each follow a /')
  }
  const names = pointer.split('/').slice(1)
  return names.map(name => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function invalid(message: string): QuorateError {
  return new QuorateError('invalid_argument', message)
}
