import { builtinModules } from 'node:module'
import { importedFiles } from './check-imports.ts'
import { findBanned, violationAt, type Ban, type Sources, type Violation } from './violation.ts'

/** The package's entry file for browsers: everything that its compiled code reaches must run there. */
const BROWSER_ENTRY = 'src/entry/browser.ts'

const BANS: readonly Ban[] = [
  { pattern: /(?<![.\w$])(Buffer|process|__dirname|__filename)\b(?!\s*\??\s*:)/g, message: 'a browser has none' },
]

/** No part of Node in what a browser loads. */
export function checkBrowser(sources: Sources): Violation[] {
  const reached = new Set<string>(sources.has(BROWSER_ENTRY) ? [BROWSER_ENTRY] : [])
  const violations: Violation[] = []
  // A Set is walked in the order of insertion, and also over what is added on the way.
  for (const file of reached) {
    const source = sources.get(file)
    if (source === undefined) continue
    for (const target of importedFiles(sources, file, source, { types: false })) reached.add(target)
    violations.push(...findBanned('browser', file, source, BANS))
    for (const { specifier = '', isTypeOnly, offset } of source.references) {
      if (isTypeOnly || !(specifier.startsWith('node:') || builtinModules.includes(specifier))) continue
      const message = `'${specifier}' is loaded by ${BROWSER_ENTRY}, and a browser has none`
      violations.push(violationAt('browser', file, source, offset, message))
    }
  }
  return violations
}
