import { MalformedBytes } from '../../encoding/index.ts'
import { fromBase64 } from './base64.ts'

/** Strict readers of plain data that came from outside, out of msgpack or JSON. They throw `MalformedBytes` and nothing else. */
export type PlainMap = Readonly<Record<string, unknown>>

export function asMap(value: unknown, what: string): PlainMap {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new MalformedBytes(`${what}: not a map`)
  }
  return value as PlainMap
}

export function asList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new MalformedBytes(`${what}: not a list`)
  return value as readonly unknown[]
}

export function asText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new MalformedBytes(`${what}: not a text`)
  return value
}

export function asInteger(value: unknown, what: string, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new MalformedBytes(`${what}: not an integer from 0 to ${max}`)
  }
  return value === 0 ? 0 : value // -0 is a 0
}

/** Bytes, or their JSON form {"$b": base64}. */
export function asBytes(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  const map = asMap(value, what)
  const text = field(map, '$b')
  const bytes = typeof text === 'string' ? fromBase64(text) : undefined
  if (bytes === undefined || Object.keys(map).length !== 1) throw new MalformedBytes(`${what}: not {"$b": base64}`)
  return bytes
}

export function field(map: PlainMap, name: string): unknown {
  return Object.hasOwn(map, name) ? map[name] : undefined
}

export function textField(map: PlainMap, name: string): string {
  return asText(field(map, name), name)
}

export function integerField(map: PlainMap, name: string, max?: number): number {
  return asInteger(field(map, name), name, max)
}

export function bytesField(map: PlainMap, name: string): Uint8Array {
  return asBytes(field(map, name), name)
}

export function listField(map: PlainMap, name: string): readonly unknown[] {
  return asList(field(map, name), name)
}

export function booleanField(map: PlainMap, name: string): boolean {
  const value = field(map, name)
  if (typeof value !== 'boolean') throw new MalformedBytes(`${name}: not true or false`)
  return value
}

/** Absent and null are both undefined. */
export function optionalField<T>(map: PlainMap, name: string, read: (map: PlainMap, name: string) => T): T | undefined {
  const value = field(map, name)
  return value === undefined || value === null ? undefined : read(map, name)
}

export function choiceField<T extends string>(map: PlainMap, name: string, choices: readonly T[]): T {
  const value = field(map, name)
  for (const choice of choices) if (choice === value) return choice
  throw new MalformedBytes(`${name}: not one of ${choices.join(', ')}`)
}

/** What decides about data has no unknown fields: a misspelt condition must not be dropped in silence. */
export function onlyFields(map: PlainMap, what: string, names: readonly string[]): void {
  for (const name of Object.keys(map)) {
    if (!names.includes(name)) throw new MalformedBytes(`${what}: unknown field ${JSON.stringify(name.slice(0, 80))}`)
  }
}
