import { importedFiles } from './check-imports.ts'
import type { Sources, Violation } from './violation.ts'

/**
 * Import cycles between files, type-only imports included: two files that cannot be understood apart are one concept in
 * two places. Every import that closes a circle is reported once, with the way round.
 */
export function checkCycles(sources: Sources): Violation[] {
  const imports = new Map(
    [...sources].map(([file, source]) => [file, importedFiles(sources, file, source, { types: true })]),
  )
  const violations: Violation[] = []
  const finished = new Set<string>()
  for (const start of sources.keys()) {
    const way: string[] = []
    const place = new Map<string, number>()
    /** Depth first; the depth is bounded by the number of files. */
    const visit = (file: string): void => {
      const at = place.get(file)
      if (at !== undefined) {
        const cycle = [...way.slice(at), file]
        violations.push({ rule: 'cycle', file, line: 1, message: cycle.join(' -> ') })
        return
      }
      if (finished.has(file)) return
      place.set(file, way.length)
      way.push(file)
      for (const target of imports.get(file) ?? []) visit(target)
      way.pop()
      place.delete(file)
      finished.add(file)
    }
    visit(start)
  }
  return violations
}
