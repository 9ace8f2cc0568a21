import type { CallerAccess, TableUse } from '../access/index.ts'
import type { RowCaller } from '../rows/index.ts'
import type { Table } from '../tables/index.ts'
import type { WorkBudget } from '../work-budget.ts'
import type { Namespaces } from './namespaces.ts'

/** Who makes a transaction, what the names in it mean, and how much it may still look at. One object serves all transactions. */
export class Acting {
  readonly namespaces: Namespaces
  readonly budget: WorkBudget = { recordsLeft: 0, rowsLeft: 0 }
  caller = ''
  /** The assertion that is judged stands in an odd number of `not`: what decides is that it holds. */
  isNegated = false
  access: CallerAccess

  constructor(namespaces: Namespaces, access: CallerAccess) {
    this.namespaces = namespaces
    this.access = access
  }

  mayUse(use: TableUse, table: Table): boolean {
    return this.access.mayUseTable(use, table.parts.projectId, table.parts.scopeId, table.id)
  }

  /** As whom rows of the table are seen. */
  rowCaller(table: Table): RowCaller {
    const bypassesPolicy = table.parts.readPolicy === undefined || this.mayUse('policyBypass', table)
    return { caller: this.caller, bypassesPolicy }
  }
}
