import type { ColumnDefinition, ColumnType, Value } from '../../encoding/index.ts'
import { bigintCell, jsonCell, numberCell, plainCell, type CellCodec } from './cells.ts'

/** What columns of a type have in common, as data. */
export interface ColumnParts<Type extends ColumnType, T, Nullable, Optional, Key> {
  readonly type: Type
  readonly codec: CellCodec<T>
  readonly isNullable: Nullable
  /** Whether a row may be inserted without it. */
  readonly isOptional: Optional
  readonly isKey: Key
  readonly defaultValue: Value | undefined
  readonly isDefaultNow: boolean
}

/**
 * A column as a program declares it: its type in the table, the type that the program sees, and whether rows can do without it.
 * Immutable; every method makes another.
 */
export class TableColumn<
  Type extends ColumnType = ColumnType,
  T = unknown,
  Nullable extends boolean = boolean,
  Optional extends boolean = boolean,
  Key extends boolean = boolean,
> {
  readonly parts: ColumnParts<Type, T, Nullable, Optional, Key>

  constructor(parts: ColumnParts<Type, T, Nullable, Optional, Key>) {
    this.parts = parts
  }

  get codec(): CellCodec<T> {
    return this.parts.codec
  }

  /** Cells may be Null, and are if a row does not give them. */
  nullable(): TableColumn<Type, T, true, true, Key> {
    return new TableColumn({ ...this.parts, isNullable: true, isOptional: true })
  }

  /** The cell of rows that do not give it. @throws QuorateError `type_mismatch` */
  default(value: T): TableColumn<Type, T, Nullable, true, Key> {
    return new TableColumn({ ...this.parts, isOptional: true, defaultValue: this.parts.codec.encode(value) })
  }

  /** The leader time of the write, in us, for rows that do not give it. */
  defaultNow(
    this: TableColumn<'timestamp', T, Nullable, Optional, Key>,
  ): TableColumn<'timestamp', T, Nullable, true, Key> {
    return new TableColumn({ ...this.parts, isOptional: true, isDefaultNow: true })
  }

  /** Of several such columns the key has the order of their declaration. */
  primaryKey(): TableColumn<Type, T, Nullable, Optional, true> {
    return new TableColumn({ ...this.parts, isKey: true })
  }

  toDefinition(name: string): ColumnDefinition {
    const { type, isNullable, defaultValue, isDefaultNow } = this.parts
    return {
      name,
      type,
      ...(isNullable && { nullable: true }),
      ...(defaultValue !== undefined && { default: defaultValue }),
      ...(isDefaultNow && { defaultNow: true }),
    }
  }
}

/** As it is declared: not Null, without a default, not of the key. */
export type PlainColumn<Type extends ColumnType, T> = TableColumn<Type, T, false, false, false>

/** 64-bit integers as numbers, which throw beyond 2^53 (the default), or as bigints. */
export interface IntegerOptions<As extends 'number' | 'bigint'> {
  as?: As
}
type IntegerOf<As> = As extends 'bigint' ? bigint : number

function column<Type extends ColumnType, T>(type: Type, codec: CellCodec<T>): PlainColumn<Type, T> {
  return new TableColumn({
    type,
    codec,
    isNullable: false,
    isOptional: false,
    isKey: false,
    defaultValue: undefined,
    isDefaultNow: false,
  })
}

function wide<Type extends ColumnType, As extends 'number' | 'bigint'>(
  type: Type,
  { as }: IntegerOptions<As>,
): PlainColumn<Type, IntegerOf<As>> {
  // The type parameter says which of the two it is.
  const codec = as === 'bigint' ? bigintCell(type) : numberCell(type)
  return column(type, codec as unknown as CellCodec<IntegerOf<As>>)
}

/** Unicode text. `T` narrows it, for example to a union of literals; nothing checks that. */
export function text<T extends string = string>(): PlainColumn<'text', T> {
  return column('text', plainCell<T>('text'))
}

/** 0 to 255. */
export function u8(): PlainColumn<'u8', number> {
  return column('u8', numberCell('u8'))
}

/** Unsigned, 64 bits. */
export function u64<As extends 'number' | 'bigint' = 'number'>(
  options: IntegerOptions<As> = {},
): PlainColumn<'u64', IntegerOf<As>> {
  return wide('u64', options)
}

/** Signed, 64 bits. */
export function integer<As extends 'number' | 'bigint' = 'number'>(
  options: IntegerOptions<As> = {},
): PlainColumn<'integer', IntegerOf<As>> {
  return wide('integer', options)
}

/** Finite; -0 is kept as 0. */
export function float(): PlainColumn<'float', number> {
  return column('float', plainCell<number>('float'))
}

export function boolean(): PlainColumn<'boolean', boolean> {
  return column('boolean', plainCell<boolean>('boolean'))
}

/** Unsigned, 256 bits. */
export function u256(): PlainColumn<'u256', bigint> {
  return column('u256', bigintCell('u256'))
}

/** Signed, 256 bits. */
export function i256(): PlainColumn<'i256', bigint> {
  return column('i256', bigintCell('i256'))
}

export function blob(): PlainColumn<'blob', Uint8Array> {
  return column('blob', plainCell<Uint8Array>('blob'))
}

/** Microseconds since 1970. */
export function timestamp<As extends 'number' | 'bigint' = 'number'>(
  options: IntegerOptions<As> = {},
): PlainColumn<'timestamp', IntegerOf<As>> {
  return wide('timestamp', options)
}

/** Kept as its text; written and read through JSON. In a nullable column null is Null. */
export function json<T = unknown>(): PlainColumn<'json', T> {
  return column('json', jsonCell<T>())
}
