import { COMPARISONS } from './comparison.ts'
import { MalformedBytes, readU16, readU32, readU64 } from './bytes.ts'
import {
  ASSERTION_DEPTH_MAX,
  isGroupOp,
  isTableOp,
  NO_NAMESPACE,
  Op,
  RANGE_HAS_END,
  RANGE_HAS_START,
  RANGE_REVERSE,
} from './envelope-ops.ts'
import { fitsKvItem } from './kv-items.ts'
import { checkTableItem } from './table-items.ts'

export const ENVELOPE_FORMAT = 1
export const ENVELOPE_HEADER_BYTES = 16
export const ITEM_HEADER_BYTES = 8

/**
 * Walks the items of an encoded envelope without allocation. `next` moves to the next item and sets the fields; the key of an
 * item of a key (`isKeyOp`), the table's name of one of a table (`isTableOp`), the topic of an event is bytes[keyStart, keyEnd), what
 * follows it bytes[restStart, bodyEnd). The assertions within a group (`isGroupOp`) are visited by `standOn`.
 * Throws `MalformedBytes`; a walk to the end proves the form (`checkEnvelope`), but for what only readers see: that texts are UTF-8,
 * that no column comes twice. Hot path: bench/commit.
 */
export class EnvelopeCursor {
  bytes: Uint8Array = new Uint8Array(0)
  end = 0
  at = 0
  assertions = 0
  points = 0
  ranges = 0
  mutations = 0
  namespaces = 0
  /** Offset of the first namespace; `namespaceAt` reads them. */
  namespacesStart = 0
  idempotencyStart = 0
  idempotencyEnd = 0
  /** Index of the present item over all kinds; -1 before the first. */
  index = -1
  op = 0
  flags = 0
  namespace: number = NO_NAMESPACE
  bodyStart = 0
  bodyEnd = 0
  keyStart = 0
  keyEnd = 0
  restStart = 0
  /** Assertions within groups that have been passed so far: they count as assertions do. */
  grouped = 0

  open(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < ENVELOPE_HEADER_BYTES) throw new MalformedBytes('envelope header')
    if (bytes[start] !== ENVELOPE_FORMAT) throw new MalformedBytes(`envelope format ${bytes[start]}`)
    const flags = bytes[start + 1]!
    if (flags > 1 || readU16(bytes, start + 10) !== 0) throw new MalformedBytes('envelope flags')
    this.bytes = bytes
    this.end = end
    this.namespaces = readU16(bytes, start + 2)
    this.assertions = readU16(bytes, start + 4)
    this.points = readU16(bytes, start + 6)
    this.ranges = readU16(bytes, start + 8)
    this.mutations = readU32(bytes, start + 12)
    this.at = start + ENVELOPE_HEADER_BYTES
    this.index = -1
    this.grouped = 0
    this.idempotencyStart = this.idempotencyEnd = 0
    if (flags === 1) {
      this.idempotencyStart = this.at + 1
      this.idempotencyEnd = this.#skipText()
      if (this.idempotencyEnd === this.idempotencyStart) throw new MalformedBytes('empty idempotency key')
    }
    this.namespacesStart = this.at
    for (let i = 0; i < this.namespaces * 2; i++) this.#skipText()
  }

  #skipText(): number {
    if (this.at >= this.end) throw new MalformedBytes('envelope names')
    const next = this.at + 1 + this.bytes[this.at]!
    if (next > this.end) throw new MalformedBytes('envelope names')
    this.at = next
    return next
  }

  get itemCount(): number {
    return this.assertions + this.points + this.ranges + this.mutations
  }

  /** Moves to the next item; false after the last, when the envelope must end there. */
  next(): boolean {
    if (++this.index >= this.itemCount) {
      if (this.at !== this.end) throw new MalformedBytes('bytes after the envelope')
      return false
    }
    this.at = this.#head(this.at, this.end)
    if (this.op === Op.kvSet && this.#isPlainSet()) return true
    this.#checkSection()
    this.#checkItem(0)
    return true
  }

  /** Finds the key of a well-formed kvSet without a lifetime, in its section; all else is looked at more closely. Hot path: bench/apply. */
  #isPlainSet(): boolean {
    const bodyStart = this.bodyStart
    this.keyStart = bodyStart + 2
    this.restStart = this.keyEnd = bodyStart + 2 + readU16(this.bytes, bodyStart)
    return (
      this.flags === 0 &&
      this.restStart <= this.bodyEnd &&
      this.namespace < this.namespaces &&
      this.index >= this.assertions + this.points + this.ranges
    )
  }

  /** Sets the fields of the item's header at `at`; answers where the item ends. */
  #head(at: number, end: number): number {
    const bytes = this.bytes
    if (end - at < ITEM_HEADER_BYTES) throw new MalformedBytes(`item ${this.index} cut`)
    this.op = bytes[at]!
    this.flags = bytes[at + 1]!
    this.namespace = readU16(bytes, at + 2)
    this.bodyStart = at + ITEM_HEADER_BYTES
    this.bodyEnd = this.bodyStart + readU32(bytes, at + 4)
    if (this.bodyEnd > end) throw new MalformedBytes(`item ${this.index} body`)
    return this.bodyEnd
  }

  #checkItem(depth: number): void {
    const op = this.op
    if (op === Op.ddl || isGroupOp(op)) {
      if (this.namespace !== NO_NAMESPACE) throw new MalformedBytes(`item ${this.index} namespace`)
      if (op !== Op.ddl) this.#checkGroup(depth)
      return
    }
    if (this.namespace >= this.namespaces) throw new MalformedBytes(`item ${this.index} namespace`)
    this.#findKey()
    if (this.keyEnd > this.bodyEnd) throw new MalformedBytes(`item ${this.index} key`)
    if (isTableOp(op)) checkTableItem(op, this.flags, this.bytes, this.restStart, this.bodyEnd)
    else this.#checkBody()
  }

  /** Keys have u16 lengths, names u8. */
  #findKey(): void {
    const isNamed = this.op >= Op.insert || isTableOp(this.op)
    const lengthBytes = isNamed ? 1 : 2
    if (this.bodyEnd - this.bodyStart < lengthBytes) throw new MalformedBytes(`item ${this.index} key`)
    this.keyStart = this.bodyStart + lengthBytes
    const length = isNamed ? this.bytes[this.bodyStart]! : readU16(this.bytes, this.bodyStart)
    this.keyEnd = this.keyStart + length
    this.restStart = this.keyEnd
  }

  /** Checks the assertions of the group that the fields describe, and leaves the fields as they were. */
  #checkGroup(depth: number): void {
    const { op, flags, bodyStart, bodyEnd } = this
    if (depth >= ASSERTION_DEPTH_MAX) throw new MalformedBytes('assertions of too many levels')
    if (flags !== 0 || bodyEnd - bodyStart < 2) throw new MalformedBytes(`item ${this.index} body`)
    const count = readU16(this.bytes, bodyStart)
    if (op === Op.assertNot && count !== 1) throw new MalformedBytes('not of one')
    let at = bodyStart + 2
    for (let left = count; left > 0; left--) {
      at = this.#head(at, bodyEnd)
      if (!isAssertionOp(this.op)) throw new MalformedBytes(`assertion ${this.op}`)
      this.grouped++
      this.#checkItem(depth + 1)
    }
    if (at !== bodyEnd) throw new MalformedBytes(`item ${this.index} body`)
    this.op = op
    this.flags = flags
    this.namespace = NO_NAMESPACE
    this.bodyStart = this.keyStart = this.keyEnd = bodyStart
    this.restStart = bodyStart + 2
    this.bodyEnd = bodyEnd
  }

  /** How many assertions the group has that the cursor stands on; the first begins at `restStart`. */
  get groupCount(): number {
    return readU16(this.bytes, this.bodyStart)
  }

  /**
   * Sets the fields to the assertion at `at` within a group that `next` has passed; answers where the one after it begins. `next` goes on
   * after the item that holds the group.
   */
  standOn(at: number): number {
    const end = this.#head(at, this.end)
    if (isGroupOp(this.op)) {
      this.keyStart = this.keyEnd = this.bodyStart
      this.restStart = this.bodyStart + 2
    } else this.#findKey()
    return end
  }

  #checkSection(): void {
    const op = this.op
    const index = this.index
    const readsFrom = this.assertions
    const rangesFrom = readsFrom + this.points
    const mutationsFrom = rangesFrom + this.ranges
    const fits =
      index >= mutationsFrom
        ? isMutationOp(op)
        : index < readsFrom
          ? isAssertionOp(op)
          : index < rangesFrom
            ? op === Op.readPoint || op === Op.readRowPoint
            : op === Op.readRange || op === Op.readRowRange
    if (!fits) throw new MalformedBytes(`item ${index} has operation ${op}`)
  }

  #checkBody(): void {
    const rest = this.bodyEnd - this.restStart
    const flags = this.flags
    let fits: boolean
    switch (this.op) {
      case Op.assertKeyVersion:
      case Op.readPoint:
        fits = rest === 8 && flags === 0
        if (fits) readU64(this.bytes, this.restStart)
        break
      case Op.assertKeyExists:
        fits = rest === 0 && flags <= 1
        break
      case Op.assertKeyEquals:
        fits = flags === 0
        break
      case Op.assertKeyCompare:
        fits = flags < COMPARISONS.length
        break
      case Op.readRange:
        fits =
          flags <= (RANGE_HAS_START | RANGE_HAS_END | RANGE_REVERSE) &&
          rest >= 2 &&
          rest === 2 + readU16(this.bytes, this.restStart) + 12
        break
      case Op.emitEvent:
        fits = flags === 0 && rest >= 2 && rest >= 2 + readU16(this.bytes, this.restStart)
        break
      default:
        fits = fitsKvItem(this.op, flags, this.bytes, this.restStart, this.bodyEnd)
    }
    if (!fits) throw new MalformedBytes(`item ${this.index} body`)
  }
}

function isAssertionOp(op: number): boolean {
  return (
    (op >= Op.assertKeyVersion && op <= Op.assertKeyCompare) ||
    (op >= Op.assertRowVersion && op <= Op.assertSum) ||
    (op >= Op.assertAll && op <= Op.assertNot)
  )
}

function isMutationOp(op: number): boolean {
  return (
    (op >= Op.kvSet && op <= Op.counterAdd) ||
    (op >= Op.insert && op <= Op.deleteWhere) ||
    op === Op.ddl ||
    op === Op.emitEvent ||
    op === Op.postflight
  )
}
