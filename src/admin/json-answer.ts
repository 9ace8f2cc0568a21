import { QuorateError, toJson } from '../model/index.ts'

export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(toJson(body), { status, headers: { 'content-type': 'application/json', ...headers } })
}

/** A whole number from 1. @throws QuorateError `invalid_argument` */
export function numberOf(text: string | undefined, name: string, absent: number, max: number): number {
  if (text === undefined) return absent
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && value >= 1 && value <= max) return value
  throw new QuorateError('invalid_argument', `${name} is a whole number from 1 to ${max}`)
}
