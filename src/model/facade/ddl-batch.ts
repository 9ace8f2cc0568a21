import { checkedDdl, DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { Ddl } from '../../encoding/index.ts'
import type { DdlOptions, DdlResult } from '../database.ts'
import { describeDdl } from '../ddl/describe.ts'
import { orderDdl } from '../ddl/order.ts'
import type { ReferringTable } from '../ddl/order.ts'
import { QuorateError } from '../errors.ts'
import { invalid, requireOneOf } from './arguments.ts'
import { Budget, checked, submit, type Connection } from './connection.ts'

/** Applies the operations in one transaction, in their order or in that of what they depend on. */
export async function submitDdl(
  connection: Connection,
  given: Ddl | readonly Ddl[],
  options: DdlOptions = {},
): Promise<DdlResult> {
  const { order: wanted = 'given', ...requestOptions } = options
  requireOneOf('order', wanted, ['given', 'dependencies'])
  const budget = new Budget(connection, requestOptions)
  const operations = checked(checkedDdl, given)
  if (operations.length === 0) throw invalid('no operation')
  const order =
    wanted === 'given'
      ? [...operations.keys()]
      : orderDdl(operations, await referringTables(connection, operations, budget))
  const mutations = order.map(i => ({ type: 'ddl' as const, operation: operations[i]! }))
  try {
    const { seq, token, results } = await submit(connection, { mutations }, budget.rest())
    const changed: boolean[] = []
    for (const [i, position] of order.entries()) changed[position] = results[i] === true
    return { seq, token, changed }
  } catch (error) {
    throw namingOperation(error, operations, order)
  }
}

/** The tables of the scopes in which several are dropped: their foreign keys say in which order. */
async function referringTables(
  connection: Connection,
  operations: readonly Ddl[],
  budget: Budget,
): Promise<ReferringTable[]> {
  const drops = operations.filter(operation => operation.type === 'dropTable')
  if (drops.length < 2) return []
  const places = new Map(
    drops.map(({ project, scope = DEFAULT_SCOPE }) => [`${project}/${scope}`, { project, scope }] as const),
  )
  const found = [...places.values()].map(async ({ project, scope }) => {
    const { result } = await connection.core.read(
      { type: 'tables', project, scope },
      { ...budget.next(), consistency: 'linearizable' },
    )
    if (result.type !== 'tables') throw new QuorateError('internal', `tables were answered by ${result.type}`)
    return result.tables.map(({ name: table, definition: { foreignKeys = [] } }) => ({
      project,
      scope,
      table,
      foreignKeys,
    }))
  })
  // What is not there or may not be seen is for the transaction to refuse.
  const isForCommit = (error: unknown): boolean => error instanceof QuorateError && !error.retryable
  return (
    await Promise.all(
      found.map(tables =>
        tables.catch((error: unknown) => {
          if (isForCommit(error)) return []
          throw error
        }),
      ),
    )
  ).flat()
}

/** The error with the operation that it is about, under the number that the caller knows it by. */
function namingOperation(error: unknown, operations: readonly Ddl[], order: readonly number[]): unknown {
  if (!(error instanceof QuorateError) || error.detail?.index === undefined) return error
  const index = order[error.detail.index]
  if (index === undefined) return error
  const name = describeDdl(operations[index]!)
  const message =
    operations.length === 1 ? `${name}: ${error.message}` : `operation ${index} (${name}): ${error.message}`
  const { code, retryable, applied, leader, backoffMs, reference, detail } = error
  return new QuorateError(code, message, {
    retryable,
    applied,
    detail: { ...detail, index },
    cause: error,
    ...(leader !== undefined && { leader }),
    ...(backoffMs !== undefined && { backoffMs }),
    ...(reference !== undefined && { reference }),
  })
}
