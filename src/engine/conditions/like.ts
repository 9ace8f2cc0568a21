import { LIKE_PATTERN_BYTES_MAX, utf8Bytes } from '../../encoding/index.ts'
import { InvalidExpression } from './invalid-expression.ts'

/** Code points, or this for any one character. */
const ANY_ONE = -1
/** Up to this length a native search costs at most as much as the automaton, even on the worst text. */
const NATIVE_SEARCH_MAX = 8
const WORD_BITS = 32

type Segment = readonly number[]

/**
 * A LIKE pattern made ready (`Expr` has its language). Matching takes time linear in the text: the runs between two `%` are looked for
 * from left to right, each where it occurs first, and none is ever tried again.
 */
export class LikePattern {
  /** What every matching text begins with. */
  readonly prefix: string
  /** Whether beginning with `prefix` is all there is to it. */
  readonly isPrefixOnly: boolean
  /** The only text that matches, if the pattern has no wildcard. */
  readonly exact: string | undefined
  readonly #head: Segment
  readonly #middle: readonly Search[]
  /** Undefined if the pattern has no `%`: then `head` is all of it. */
  readonly #tail: Segment | undefined

  private constructor(segments: readonly Segment[]) {
    this.#head = segments[0]!
    this.#tail = segments.length === 1 ? undefined : segments.at(-1)!
    this.#middle = segments
      .slice(1, -1)
      .filter(segment => segment.length > 0)
      .map(searchFor)
    const wildcardAt = this.#head.indexOf(ANY_ONE)
    this.prefix = textOf(wildcardAt < 0 ? this.#head : this.#head.slice(0, wildcardAt))
    this.isPrefixOnly = wildcardAt < 0 && this.#middle.length === 0 && this.#tail?.length === 0
    this.exact = wildcardAt < 0 && this.#tail === undefined ? this.prefix : undefined
  }

  static parse(pattern: string): LikePattern | InvalidExpression {
    if (utf8Bytes(pattern).length > LIKE_PATTERN_BYTES_MAX) {
      return new InvalidExpression('invalid_query', `a pattern has at most ${LIKE_PATTERN_BYTES_MAX} bytes`)
    }
    const segments: number[][] = [[]]
    const characters = Array.from(pattern)
    for (let i = 0; i < characters.length; i++) {
      const character = characters[i]!
      if (character === '%') segments.push([])
      else if (character === '_') segments.at(-1)!.push(ANY_ONE)
      else if (character !== '\\') segments.at(-1)!.push(character.codePointAt(0)!)
      else if (++i < characters.length) segments.at(-1)!.push(characters[i]!.codePointAt(0)!)
      else return new InvalidExpression('invalid_query', 'a pattern ends with a lone backslash')
    }
    return new LikePattern(segments)
  }

  matches(text: string): boolean {
    if (this.isPrefixOnly) return text.startsWith(this.prefix)
    if (this.exact !== undefined) return text === this.exact
    let at = matchForward(this.#head, text, 0)
    if (at < 0) return false
    if (this.#tail === undefined) return at === text.length
    for (const search of this.#middle) {
      at = search(text, at)
      if (at < 0) return false
    }
    return matchBackward(this.#tail, text, at)
  }
}

function textOf(segment: Segment): string {
  return String.fromCodePoint(...segment)
}

function unitsOf(codePoint: number): number {
  return codePoint > 0xffff ? 2 : 1
}

/** Where the segment ends that begins at `at`, or -1. */
function matchForward(segment: Segment, text: string, at: number): number {
  for (const wanted of segment) {
    if (at >= text.length) return -1
    const found = text.codePointAt(at)!
    if (wanted !== ANY_ONE && wanted !== found) return -1
    at += unitsOf(found)
  }
  return at
}

/** Whether the text ends with the segment, which may not begin before `from`. */
function matchBackward(segment: Segment, text: string, from: number): boolean {
  let at = text.length
  for (let i = segment.length - 1; i >= 0; i--) {
    if (at <= from) return false
    at--
    // The second half of a pair: its character begins one unit before.
    if (at > from && isLowSurrogate(text.charCodeAt(at))) at--
    if (segment[i] !== ANY_ONE && segment[i] !== text.codePointAt(at)) return false
  }
  return true
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** Where the first occurrence at `from` or later ends, or -1. */
type Search = (text: string, from: number) => number

function searchFor(segment: Segment): Search {
  if (segment.length > NATIVE_SEARCH_MAX || segment.includes(ANY_ONE)) return automatonOf(segment)
  const wanted = textOf(segment)
  return (text, from) => {
    const at = text.indexOf(wanted, from)
    return at < 0 ? -1 : at + wanted.length
  }
}

/**
 * Shift-And (Baeza-Yates and Gonnet 1992): a bit per character of the segment says whether the text read so far ends with the segment up
 * to it, so that each character of the text costs a few word operations whatever came before.
 */
function automatonOf(segment: Segment): Search {
  const words = Math.ceil(segment.length / WORD_BITS)
  const any = new Int32Array(words)
  const masks = new Map<number, Int32Array>()
  segment.forEach((wanted, i) => {
    if (wanted === ANY_ONE) any[i >> 5]! |= 1 << (i & 31)
  })
  segment.forEach((wanted, i) => {
    if (wanted === ANY_ONE) return
    let mask = masks.get(wanted)
    if (mask === undefined) masks.set(wanted, (mask = any.slice()))
    mask[i >> 5]! |= 1 << (i & 31)
  })
  const last = segment.length - 1
  const state = new Int32Array(words)
  return (text, from) => {
    state.fill(0)
    for (let at = from; at < text.length;) {
      const found = text.codePointAt(at)!
      at += unitsOf(found)
      const mask = masks.get(found) ?? any
      let carry = 1
      for (let word = 0; word < words; word++) {
        const before = state[word]!
        state[word] = ((before << 1) | carry) & mask[word]!
        carry = before >>> 31
      }
      if ((state[last >> 5]! & (1 << (last & 31))) !== 0) return at
    }
    return -1
  }
}
