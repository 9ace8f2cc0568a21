import { isKeyOp, isTableOp, Op, readDdl, readTableMutation } from '../../encoding/index.ts'
import type { Ddl, EnvelopeCursor, MutationResult } from '../../encoding/index.ts'
import type { CallerAccess } from '../access/index.ts'
import { Access } from '../access/index.ts'
import { auditKindOf } from '../audit.ts'
import type { AuditEvent } from '../audit.ts'
import type { EntryWork } from '../entry-work.ts'
import { applyComputed, applyDelete, applyNumber, applySet } from '../kv/index.ts'
import type { MutationOutcome } from '../kv/index.ts'
import { isMutant } from '../mutants.ts'
import { emitEvent } from '../outbox/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { applyTableMutation } from '../rows/index.ts'
import { Acting } from './acting.ts'
import { applyDdl } from './ddl.ts'
import { Namespaces, NO_NAMES } from './namespaces.ts'
import { deniedDdl, deniedMutation, readsRows } from './permissions.ts'
import { checkAssertion, checkPostflight, checkRead } from './preconditions.ts'

type AuditedChange = Required<Pick<AuditEvent, 'kind' | 'detail'>>

const NO_CHANGES: readonly AuditedChange[] = []
const NO_RESULTS: readonly MutationResult[] = []
const NOT_SERVED: Refusal = refuse('unsupported_version', 'this operation is not served by this version')

/**
 * Applies envelopes (DESIGN 7.6): read set, assertions, permissions, mutations, in this order; the first failure refuses all.
 * What is changed is collected in the entry's `Changes`, which the caller drops after a refusal.
 */
export class TransactionApplier {
  readonly #namespaces = new Namespaces()
  readonly #acting = new Acting(this.#namespaces, Access.empty().of(''))
  readonly #mutation: MutationOutcome = { result: undefined }
  #results: MutationResult[] | undefined
  /** The project that the last mutation of the last envelope concerned; 0 = none. */
  projectId = 0
  #audited: AuditedChange[] | undefined

  /** What the mutations of the last applied envelope answer; empty if none answers anything. */
  get results(): readonly MutationResult[] {
    return this.#results ?? NO_RESULTS
  }

  /** What the last applied envelope has changed that is audited. */
  get audited(): readonly AuditedChange[] {
    return this.#audited ?? NO_CHANGES
  }

  /** hot path (bench/apply). `cursor` is opened at the envelope. Throws `MalformedBytes` and `ColdPages`. */
  apply(work: EntryWork, cursor: EnvelopeCursor, caller: string, access: CallerAccess): Refusal | undefined {
    this.projectId = 0
    this.#results = undefined
    this.#audited = undefined
    this.#namespaces.open(cursor)
    this.#act(work, caller, access)
    const tooLarge = checkCounts(work, cursor)
    if (tooLarge !== undefined) return tooLarge
    const preconditions = cursor.assertions + cursor.points + cursor.ranges
    const failed = preconditions === 0 ? undefined : this.#preconditions(work, cursor)
    if (failed !== undefined) return failed
    if (!access.isAdmin && !isMutant('permissions_only_at_the_door')) {
      const isDenied = this.#permissions(work, cursor, access, caller)
      if (isDenied !== undefined) return isDenied
    }
    return this.#mutations(work, cursor) ?? checkGrouped(work, cursor)
  }

  #act(work: EntryWork, caller: string, access: CallerAccess): void {
    const acting = this.#acting
    acting.caller = caller
    acting.access = access
    acting.budget.recordsLeft = work.state.settings.scanRecordsMax
    acting.budget.rowsLeft = work.state.settings.rowsMax
  }

  /** The read set is judged before the assertions, although it stands behind them. */
  #preconditions(work: EntryWork, cursor: EnvelopeCursor): Refusal | undefined {
    const { assertions } = cursor
    const count = assertions + cursor.points + cursor.ranges
    let failed: Refusal | undefined
    for (let i = 0; i < count; i++) {
      cursor.next()
      if (i < assertions) {
        failed ??= checkAssertion(work, cursor, this.#acting, i)
        continue
      }
      const refusal = checkRead(work, cursor, this.#acting, i - assertions)
      if (refusal !== undefined) return refusal
    }
    return failed
  }

  /** Whether the caller may make all the changes. */
  #permissions(work: EntryWork, cursor: EnvelopeCursor, access: CallerAccess, caller: string): Refusal | undefined {
    const { index, at, grouped } = cursor
    let refusal: Refusal | undefined
    while (refusal === undefined && cursor.next()) {
      const denied = deniedMutation(cursor, this.#namespaces, work.state.catalog, access, caller)
      if (denied !== undefined) refusal = { ...denied, detail: { index: cursor.index - index - 1, actualSeq: 0 } }
    }
    cursor.index = index
    cursor.at = at
    cursor.grouped = grouped
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
    if (!isKeyOp(cursor.op)) return this.#mutateOther(work, cursor, index)
    const scope = this.#namespaces.resolve(cursor.namespace, work.state.catalog)
    if ('code' in scope) return at(index, scope)
    this.projectId = scope.projectId
    if (cursor.keyEnd - cursor.keyStart > keyBytesMax || cursor.keyEnd === cursor.keyStart)
      return badKey(cursor, index, keyBytesMax)
    if (cursor.op === Op.kvSet) {
      const refusal = applySet(work, cursor, scope.id)
      return refusal === undefined ? undefined : at(index, refusal)
    }
    if (cursor.op === Op.kvDelete) {
      applyDelete(work, cursor, scope.id)
      return undefined
    }
    const outcome = this.#mutation
    const apply = cursor.op <= Op.kvDecrement ? applyNumber : applyComputed
    const refusal = apply(work, cursor, scope.id, outcome)
    if (refusal !== undefined) return at(index, refusal)
    this.#answer(cursor, index, outcome.result)
    return undefined
  }

  #mutateOther(work: EntryWork, cursor: EnvelopeCursor, index: number): Refusal | undefined {
    if (isTableOp(cursor.op)) return this.#mutateTable(work, cursor, index)
    if (cursor.op === Op.postflight) return checkPostflight(work, cursor, this.#acting, index)
    if (cursor.op === Op.emitEvent) return this.#emit(work, cursor, index)
    if (cursor.op !== Op.ddl) return at(index, NOT_SERVED)
    const operation = readDdl(cursor)
    // The transaction may have given names to others since its permissions were looked at.
    const denied = deniedDdl(operation, work.state.catalog, this.#acting.access, this.#acting.caller)
    if (denied !== undefined) return at(index, denied)
    const changed = applyDdl(work, operation)
    if (typeof changed !== 'boolean') return at(index, changed)
    if (changed) this.#noteAudited(operation, cursor)
    this.#namespaces.forget()
    work.effects.catalog(cursor.bytes.subarray(cursor.bodyStart, cursor.bodyEnd))
    this.#answer(cursor, index, changed)
    return undefined
  }

  #noteAudited(operation: Ddl, { bytes, bodyStart, bodyEnd }: EnvelopeCursor): void {
    const kind = auditKindOf(operation)
    if (kind === undefined) return
    this.#audited ??= []
    this.#audited.push({ kind, detail: bytes.slice(bodyStart, bodyEnd) })
  }

  #emit(work: EntryWork, cursor: EnvelopeCursor, index: number): Refusal | undefined {
    const scope = this.#namespaces.resolve(cursor.namespace, work.state.catalog)
    const refusal = 'code' in scope ? scope : emitEvent(work, cursor, scope.id)
    return refusal === undefined ? undefined : at(index, refusal)
  }

  #mutateTable(work: EntryWork, cursor: EnvelopeCursor, index: number): Refusal | undefined {
    const table = this.#namespaces.resolveTable(cursor.namespace, work.state.catalog)
    if ('code' in table) return at(index, table)
    this.projectId = table.parts.projectId
    const acting = this.#acting
    // The transaction may have given the name to another table since its permissions were looked at.
    if (!acting.mayUse('tableWrite', table)) return at(index, refuse('permission_denied', 'no permission to write it'))
    if (readsRows(cursor.op) && !acting.mayUse('tableRead', table)) {
      return at(index, refuse('permission_denied', 'no permission to read it'))
    }
    const mutation = readTableMutation(cursor, { ...NO_NAMES, table: table.name })
    const outcome = this.#mutation
    const refusal = applyTableMutation(work, table, mutation, acting.rowCaller(table), acting.budget, outcome)
    if (refusal !== undefined) return at(index, refusal)
    if (outcome.result !== undefined) this.#answer(cursor, index, outcome.result)
    return undefined
  }

  #answer(cursor: EnvelopeCursor, index: number, result: MutationResult): void {
    this.#results ??= Array.from({ length: cursor.mutations }, () => undefined)
    this.#results[index] = result
  }
}

/** The refusal of one mutation. */
function at(index: number, refusal: Refusal): Refusal {
  const { actualSeq = 0, condition } = refusal.detail ?? {}
  const where = condition !== undefined && { condition: { ...condition, path: `mutations[${index}]` } }
  return { ...refusal, detail: { index, actualSeq, ...where } }
}

/** Assertions within groups and after mutations count as the others do; how many there are is known at the end. */
function checkGrouped(work: EntryWork, cursor: EnvelopeCursor): Refusal | undefined {
  const { assertionsMax } = work.state.settings
  if (cursor.assertions + cursor.grouped <= assertionsMax) return undefined
  return refuse('transaction_too_large', `at most ${assertionsMax} assertions`)
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
