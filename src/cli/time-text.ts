const DAY_SECONDS = 86_400
const ERA_DAYS = 146_097

/** Micros since 1970 as `2026-11-30T09:26:03Z`, by the calendar alone (proleptic Gregorian, days counted from March). */
export function timeText(micros: number): string {
  const seconds = Math.floor(micros / 1e6)
  const days = Math.floor(seconds / DAY_SECONDS) + 719_468
  const era = Math.floor(days / ERA_DAYS)
  const dayOfEra = days - era * ERA_DAYS
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const rest = seconds - Math.floor(seconds / DAY_SECONDS) * DAY_SECONDS
  const time = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60].map(two).join(':')
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${time}Z`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
