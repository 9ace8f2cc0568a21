import type { Consistency, QueryData, StateReader } from '../../../model/index.ts'
import { PROJECT } from '../names.ts'
import { require, Violation } from '../trace.ts'
import type { Program, ProgramTools } from './program.ts'

const BANK = { project: PROJECT, table: 'bank' } as const
const ACCOUNTS = 6
const BALANCE = 100
const SUM: QueryData = {
  project: PROJECT,
  from: BANK.table,
  aggregates: [
    { function: 'sum', column: 'balance', as: 'total' },
    { function: 'count', as: 'accounts' },
  ],
  allowFullScan: true,
}

/** Moves money in transactions that read what they rest on, and sums it at any node: there is always as much of it. */
export class BankProgram implements Program {
  readonly #tools: ProgramTools
  #isOpen = false

  constructor(tools: ProgramTools) {
    this.#tools = tools
  }

  async step(): Promise<void> {
    if (!this.#isOpen) return this.#open()
    const { random, database } = this.#tools
    const what = random.below(100)
    if (what < 50) await this.#transfer()
    else if (what < 60) await this.#spread()
    else if (what < 85) await this.#sum(database, random.pick<Consistency>(['linearizable', 'local', 'checkpoint']))
    else await this.#lookTwice()
  }

  async #open(): Promise<void> {
    const { database } = this.#tools
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'balance', type: 'integer' },
    ] as const
    await database.ddl({ type: 'createTable', ...BANK, ifNotExists: true, columns, primaryKey: ['id'] })
    const rows = Array.from({ length: ACCOUNTS }, (_, id) => ({ id, balance: BALANCE }))
    await database.commit({ mutations: [{ type: 'insert', ...BANK, rows, onConflict: { action: 'nothing' } }] })
    this.#isOpen = true
  }

  async #transfer(): Promise<void> {
    const { random, database, count } = this.#tools
    const from = random.below(ACCOUNTS)
    const to = (from + random.between(1, ACCOUNTS - 1)) % ACCOUNTS
    const amount = random.between(1, 40)
    await database.transaction(async tx => {
      const bank = tx.table(BANK)
      const payer = await bank.get({ id: from })
      const payee = await bank.get({ id: to })
      if (payer === undefined || payee === undefined) throw new Violation(`account ${from} or ${to} is gone`)
      if (Number(payer['balance']) < amount) return
      bank.update({ id: from }, { balance: Number(payer['balance']) - amount })
      bank.update({ id: to }, { balance: Number(payee['balance']) + amount })
    })
    count('transfers')
  }

  /** Rests on a range of rows: takes from all that have much for the one that has least. */
  async #spread(): Promise<void> {
    const { random, database, count } = this.#tools
    const first = random.below(3)
    const where = {
      op: 'and',
      args: [
        { op: 'gte', column: 'id', value: first },
        { op: 'lt', column: 'id', value: first + 4 },
      ],
    } as const
    await database.transaction(async tx => {
      const rows = await tx.query({ project: PROJECT, from: BANK.table, where, orderBy: [{ column: 'id' }] }).all()
      const sorted = rows.toSorted((a, b) => Number(a['balance']) - Number(b['balance']))
      const [poorest] = sorted
      const rich = sorted.slice(1).filter(row => Number(row['balance']) > BALANCE)
      if (poorest === undefined || rich.length === 0) return
      const bank = tx.table(BANK)
      for (const row of rich) bank.update({ id: row['id']! }, { balance: Number(row['balance']) - 5 })
      bank.update({ id: poorest['id']! }, { balance: Number(poorest['balance']) + 5 * rich.length })
    })
    count('transfers')
  }

  async #sum(reader: StateReader, consistency?: Consistency): Promise<void> {
    const [row] = await reader.query(SUM).all(consistency === undefined ? {} : { consistency })
    this.#tools.count('sums')
    if (row === undefined || Number(row['accounts']) === 0) return
    const total = Number(row['total'])
    require(total === ACCOUNTS * BALANCE, () =>
      `${String(row['accounts'])} accounts have ${total} together, not ${ACCOUNTS * BALANCE}`)
  }

  /** Two queries of one view see one state, and that again elsewhere by its seq. */
  async #lookTwice(): Promise<void> {
    const { database, delay, random } = this.#tools
    const view = await database.view()
    const all: QueryData = { project: PROJECT, from: BANK.table, orderBy: [{ column: 'id' }], limit: 50 }
    try {
      const first = await view.query(all).all()
      await this.#sum(view)
      await delay(random.uniform(0, 50))
      require(same(first, await view.query(all).all()), () => `the view of ${view.seq} has changed`)
    } finally {
      await view.close()
    }
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
