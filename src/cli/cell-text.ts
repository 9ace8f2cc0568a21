import { MISMATCH, toColumnValue } from '../encoding/index.ts'
import type { ColumnDefinition, Row, TableDefinitionData, Value } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'

/** A cell as people read it: on one line, texts with control characters and what could be mistaken for Null in quotes. */
export function cellText(value: Value): string {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  if (typeof value !== 'string') return String(value)
  return value === 'null' || value === '' || /\p{Cc}/u.test(value) ? JSON.stringify(value) : value
}

/** Cells of the primary key: `column=text`, or the bare texts in the order of the key. @throws QuorateError `invalid_argument` */
export function keyCells({ columns, primaryKey }: TableDefinitionData, words: readonly string[]): Row {
  if (words.length !== primaryKey.length) {
    throw new QuorateError('invalid_argument', `the key has the columns ${primaryKey.join(', ')}`)
  }
  const key = Object.fromEntries(
    words.map((word, i) => {
      const named = primaryKey.find(name => word.startsWith(`${name}=`))
      const name = named ?? primaryKey[i]!
      const column = columns.find(column => column.name === name)!
      return [name, cellOf(column, named === undefined ? word : word.slice(name.length + 1))]
    }),
  )
  const missing = primaryKey.find(name => !Object.hasOwn(key, name))
  if (missing !== undefined)
    throw new QuorateError('invalid_argument', `the key lacks ${missing}, and has another twice`)
  return key
}

/** A cell out of its text on a command line or in a file. @throws QuorateError `invalid_argument` */
export function cellOf({ name, type }: ColumnDefinition, text: string): Value {
  const cell = toColumnValue(type, valueOf(type, text))
  if (cell === MISMATCH) throw new QuorateError('invalid_argument', `${name}: '${text}' is no ${type}`)
  return cell
}

function valueOf(type: ColumnDefinition['type'], text: string): Value {
  switch (type) {
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'float':
      return text.trim() === '' ? text : Number(text)
    case 'blob':
      return /^0x([0-9a-fA-F]{2})*$/.test(text) ? new Uint8Array(Buffer.from(text.slice(2), 'hex')) : text
    default:
      return text
  }
}
