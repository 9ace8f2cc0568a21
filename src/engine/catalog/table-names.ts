import { readU64BE, TABLES_PREFIX, tableKey } from '../layers.ts'
import type { Changes } from '../changes.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'
import { decodeTable, encodeTable, Table } from '../tables/index.ts'
import type { ForeignKey, TableParts } from '../tables/index.ts'

/** A foreign key as the table that it refers to sees it. */
export interface Reference {
  /** The table that refers. */
  readonly table: Table
  readonly foreignKey: ForeignKey
}

const NO_REFERENCES: readonly Reference[] = []

/** All tables by id and by name within their scope. */
export class TableNames {
  readonly #byId: Map<number, Table>
  readonly #byScope: Map<number, Map<string, Table>>
  /** By the id of the table that is referred to; made when asked for. */
  #references: Map<number, Reference[]> | undefined

  private constructor(tables: Iterable<Table>) {
    this.#byId = new Map()
    this.#byScope = new Map()
    for (const table of tables) this.#add(table)
  }

  static empty(): TableNames {
    return new TableNames([])
  }

  /** Throws `ColdPages`. */
  static load(reader: RecordReader): TableNames {
    const tables: Table[] = []
    reader.walk(TABLES_PREFIX, prefixEnd(TABLES_PREFIX), false, (key, _, value) => {
      tables.push(new Table(decodeTable(readU64BE(key, 2), value())))
      return true
    })
    return new TableNames(tables)
  }

  clone(): TableNames {
    return new TableNames(this.#byId.values())
  }

  get count(): number {
    return this.#byId.size
  }

  /** See `Catalog.memoryBytes`. */
  get memoryBytes(): number {
    let bytes = 0
    for (const table of this.#byId.values()) bytes += table.memoryBytes
    return bytes
  }

  find(scopeId: number, name: string): Table | undefined {
    return this.#byScope.get(scopeId)?.get(name)
  }

  byId(id: number): Table | undefined {
    return this.#byId.get(id)
  }

  /** The tables of a scope, by name. */
  list(scopeId: number): Table[] {
    const tables = [...(this.#byScope.get(scopeId)?.values() ?? [])]
    return tables.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** The foreign keys that refer to a table, its own among them, in the order of the tables' ids. */
  references(tableId: number): readonly Reference[] {
    if (this.#references === undefined) {
      this.#references = new Map()
      for (const id of [...this.#byId.keys()].sort((a, b) => a - b)) {
        const table = this.#byId.get(id)!
        for (const foreignKey of table.parts.foreignKeys) {
          const references = this.#references.get(foreignKey.tableId)
          if (references === undefined) this.#references.set(foreignKey.tableId, [{ table, foreignKey }])
          else references.push({ table, foreignKey })
        }
      }
    }
    return this.#references.get(tableId) ?? NO_REFERENCES
  }

  /** Adds a table, or what another version of it has become. Only on a clone; so is `remove`. */
  put(changes: Changes, parts: TableParts): Table {
    const old = this.#byId.get(parts.id)
    if (old !== undefined) this.#byScope.get(old.parts.scopeId)!.delete(old.name)
    const table = new Table(parts)
    this.#add(table)
    this.#references = undefined
    const key = tableKey(parts.id)
    changes.put(key, encodeTable(parts), changes.metadata(key)?.createdSeq)
    return table
  }

  remove(changes: Changes, table: Table): void {
    this.#byId.delete(table.id)
    this.#byScope.get(table.parts.scopeId)!.delete(table.name)
    this.#references = undefined
    changes.delete(tableKey(table.id))
  }

  #add(table: Table): void {
    this.#byId.set(table.id, table)
    const { scopeId } = table.parts
    const names = this.#byScope.get(scopeId)
    if (names === undefined) this.#byScope.set(scopeId, new Map([[table.name, table]]))
    else names.set(table.name, table)
  }
}
