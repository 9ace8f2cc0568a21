import { QuorateError } from '../model/index.ts'

/** A time that an option gives, in us since 1970. @throws QuorateError `invalid_argument` */
export function timeOption(time: string): number {
  const micros = microsOf(time)
  if (micros !== undefined) return micros
  throw new QuorateError('invalid_argument', `${time} is no time: give it as 2026-11-29T12:00:00Z`)
}

const TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?Z$/

/** UTC only: the result must not depend on where the command runs. */
function microsOf(time: string): number | undefined {
  const match = TIME.exec(time)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(part => Number(part ?? 0))
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined
  const fraction = Number((match[7] ?? '').padEnd(6, '0'))
  return (((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction
}

/** Days from 1 January 1970 in the Gregorian calendar: years are counted from March, so that the leap day is their last. */
function daysSince1970(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const monthFromMarch = (month + 9) % 12
  const daysOfYears = 365 * shifted + Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400)
  return daysOfYears + Math.floor((153 * monthFromMarch + 2) / 5) + day - 1 - 719_468
}
