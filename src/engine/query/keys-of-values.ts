import type { Value } from '../../encoding/index.ts'

/** A text that two lists of values share if and only if the values are equal, one by one: numbers by value, Null equal to Null. */
export function textOfValues(values: readonly Value[]): string {
  let text = ''
  for (let i = 0; i < values.length; i++) text += textOfValue(values[i]!)
  return text
}

export function textOfValue(value: Value): string {
  if (value === null) return '~'
  switch (typeof value) {
    case 'string':
      return `s${value.length}:${value}`
    case 'boolean':
      return value ? 't' : 'f'
    case 'bigint':
      return `${value};`
    case 'number':
      // An integer has one text, whether it is held as a number or not.
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? `${BigInt(value)};` : `${value};`
    default: {
      let text = `b${value.length}:`
      for (let i = 0; i < value.length; i++) text += String.fromCharCode(value[i]!)
      return text
    }
  }
}
