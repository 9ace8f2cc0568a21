import { isKeyOp, Op, readDdl } from '../../encoding/index.ts'
import type { EnvelopeCursor, MutationResult } from '../../encoding/index.ts'
import type { CallerAccess } from '../access/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { applyDelete, applyNumber, applySet } from '../kv/index.ts'
import type { MutationOutcome } from '../kv/index.ts'
import { isMutant } from '../mutants.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { applyDdl } from './ddl.ts'
import { Namespaces } from './namespaces.ts'
import { checkAssertion, checkRead } from './preconditions.ts'
import type { ScanBudget } from './preconditions.ts'

const NO_RESULTS: readonly MutationResult[] = []
const NOT_SERVED: Refusal = refuse('unsupported_version', 'this operation is not served by this version')

/**
 * Applies envelopes (DESIGN 7.6): read set, assertions, permissions, mutations, in this order; the first failure refuses all.
 * What is changed is collected in the entry's `Changes`, which the caller drops after a refusal.
 */
export class TransactionApplier {
  readonly #namespaces = new Namespaces()
  readonly #mutation: MutationOutcome = { result: undefined }
  readonly #budget: ScanBudget = { left: 0 }
  #results: MutationResult[] | undefined

  /** What the mutations of the last applied envelope answer; empty if none answers anything. */
  get results(): readonly MutationResult[] {
    return this.#results ?? NO_RESULTS
  }

  /** hot path (bench/apply). `cursor` is opened at the envelope. Throws `MalformedBytes` and `ColdPages`. */
  apply(work: EntryWork, cursor: EnvelopeCursor, access: CallerAccess): Refusal | undefined {
    this.#results = undefined
    this.#namespaces.open(cursor)
    const tooLarge = checkCounts(work, cursor)
    if (tooLarge !== undefined) return tooLarge
    const preconditions = cursor.assertions + cursor.points + cursor.ranges
    const failed = preconditions === 0 ? undefined : this.#preconditions(work, cursor, access)
    if (failed !== undefined) return failed
    if (!access.isAdmin) {
      const isDenied = this.#permissions(work, cursor, access)
      if (isDenied !== undefined) return isDenied
    }
    return this.#mutations(work, cursor)
  }

  /** The read set is judged before the assertions, although it stands behind them. */
  #preconditions(work: EntryWork, cursor: EnvelopeCursor, access: CallerAccess): Refusal | undefined {
    const { assertions } = cursor
    const count = assertions + cursor.points + cursor.ranges
    this.#budget.left = work.state.settings.scanRecordsMax
    let failed: Refusal | undefined
    for (let i = 0; i < count; i++) {
      cursor.next()
      const scope = isKeyOp(cursor.op) ? this.#namespaces.resolve(cursor.namespace, work.state.catalog) : NOT_SERVED
      const refusal =
        'code' in scope
          ? scope
          : i < assertions
            ? failed === undefined
              ? checkAssertion(work, cursor, scope, access, i)
              : undefined
            : checkRead(work, cursor, scope, access, this.#budget, i - assertions)
      if (refusal === undefined) continue
      if (i >= assertions) return refusal
      failed ??= refusal
    }
    return failed
  }

  /** Whether the caller may make all the changes. Keys in scopes that the envelope itself creates need an admin. */
  #permissions(work: EntryWork, cursor: EnvelopeCursor, access: CallerAccess): Refusal | undefined {
    const { index, at } = cursor
    let refusal: Refusal | undefined
    while (refusal === undefined && cursor.next()) {
      if (cursor.op === Op.ddl) {
        refusal = refuse(
          'permission_denied',
          'changing the catalog, permissions or settings needs the admin permission',
        )
        break
      }
      const scope = isKeyOp(cursor.op) ? this.#namespaces.resolve(cursor.namespace, work.state.catalog) : NOT_SERVED
      if ('code' in scope) refusal = scope
      else {
        const { bytes, keyStart, keyEnd } = cursor
        if (!access.mayUseKey('kvWrite', scope.projectId, scope.id, bytes, keyStart, keyEnd)) {
          refusal = refuse('permission_denied', 'no permission to write this key', {
            index: cursor.index - index - 1,
            actualSeq: 0,
          })
        }
      }
    }
    cursor.index = index
    cursor.at = at
    return refusal
  }

  #mutations(work: EntryWork, cursor: EnvelopeCursor): Refusal | undefined {
    const first = cursor.index + 1
    const { keyBytesMax } = work.state.settings
    while (cursor.next()) {
      const refusal = this.#mutate(work, cursor, cursor.index - first, keyBytesMax)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #mutate(work: EntryWork, cursor: EnvelopeCursor, index: number, keyBytesMax: number): Refusal | undefined {
    if (cursor.op === Op.ddl) {
      const changed = applyDdl(work, readDdl(cursor))
      if (typeof changed !== 'boolean') return { ...changed, detail: { index, actualSeq: 0 } }
      this.#namespaces.forget()
      work.effects.catalog(cursor.bytes.subarray(cursor.bodyStart, cursor.bodyEnd))
      this.#answer(cursor, index, changed)
      return undefined
    }
    const isServed = cursor.op <= Op.kvDecrement
    const scope = isServed ? this.#namespaces.resolve(cursor.namespace, work.state.catalog) : NOT_SERVED
    if ('code' in scope) return { ...scope, detail: { index, actualSeq: 0 } }
    if (cursor.keyEnd - cursor.keyStart > keyBytesMax || cursor.keyEnd === cursor.keyStart)
      return badKey(cursor, index, keyBytesMax)
    if (cursor.op === Op.kvSet) {
      const refusal = applySet(work, cursor, scope.id)
      return refusal === undefined ? undefined : { ...refusal, detail: { index, actualSeq: 0 } }
    }
    if (cursor.op === Op.kvDelete) {
      applyDelete(work, cursor, scope.id)
      return undefined
    }
    const outcome = this.#mutation
    const refusal = applyNumber(work, cursor, scope.id, outcome)
    if (refusal !== undefined) return { ...refusal, detail: { index, actualSeq: 0 } }
    this.#answer(cursor, index, outcome.result)
    return undefined
  }

  #answer(cursor: EnvelopeCursor, index: number, result: MutationResult): void {
    this.#results ??= Array.from({ length: cursor.mutations }, () => undefined)
    this.#results[index] = result
  }
}

function checkCounts(work: EntryWork, cursor: EnvelopeCursor): Refusal | undefined {
  const { mutationsMax, assertionsMax, readSetMax } = isMutant('apply_reads_configuration')
    ? { ...work.state.settings, mutationsMax: ownMutationsMax }
    : work.state.settings
  if (cursor.mutations > mutationsMax) return refuse('transaction_too_large', `at most ${mutationsMax} mutations`)
  if (cursor.assertions > assertionsMax) return refuse('transaction_too_large', `at most ${assertionsMax} assertions`)
  if (cursor.points + cursor.ranges > readSetMax) {
    return refuse('transaction_too_large', `at most ${readSetMax} points and ranges in a read set`)
  }
  return undefined
}

let ownMutationsMax = 1

/** For the mutant `apply_reads_configuration` only. */
export function setOwnMutationsMax(mutations: number): void {
  ownMutationsMax = mutations
}

function badKey(cursor: EnvelopeCursor, index: number, keyBytesMax: number): Refusal {
  const detail = { index, actualSeq: 0 }
  return cursor.keyEnd === cursor.keyStart
    ? refuse('invalid_argument', 'a key has at least one byte', detail)
    : refuse('key_too_large', `a key has at most ${keyBytesMax} bytes`, detail)
}
