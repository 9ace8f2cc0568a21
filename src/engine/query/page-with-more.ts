import type { Value } from '../../encoding/index.ts'
import type { QueryResult } from '../../model/index.ts'

type Rows = Pick<QueryResult, 'columns' | 'examined' | 'seq'> & {
  readonly types: NonNullable<QueryResult['types']>
  readonly rows: readonly (readonly Value[])[]
}

/**
 * A page that is not the last. Its cursor is signed when it is asked for: whoever wants one page only does not pay for it. A class, because
 * an object with an accessor of its own gets a shape of its own, which keeps alive what the accessor reaches until all garbage is collected.
 */
export class PageWithMore implements QueryResult {
  readonly columns: QueryResult['columns']
  readonly types: Rows['types']
  readonly rows: readonly (readonly Value[])[]
  readonly examined: number
  readonly seq: number
  readonly #sign: () => string
  #cursor: string | undefined = undefined

  constructor(result: Rows, sign: () => string) {
    this.columns = result.columns
    this.types = result.types
    this.rows = result.rows
    this.examined = result.examined
    this.seq = result.seq
    this.#sign = sign
  }

  get cursor(): string {
    return (this.#cursor ??= this.#sign())
  }

  toJSON(): QueryResult {
    const { columns, types, rows, cursor, examined, seq } = this
    return { columns, types, rows, cursor, examined, seq }
  }
}
