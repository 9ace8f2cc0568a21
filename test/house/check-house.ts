import { checkApply } from './check-apply.ts'
import { checkBrowser } from './check-browser.ts'
import { checkCycles } from './check-cycles.ts'
import { checkFiles, type FileTree } from './check-files.ts'
import { checkDoors, checkImports } from './check-imports.ts'
import { checkPackage, readManifest } from './check-package.ts'
import { checkPages } from './check-pages.ts'
import { checkPurity } from './check-purity.ts'
import { readSourceText } from './source-text.ts'
import type { Violation } from './violation.ts'

/**
 * Checks a tree of files against the rules of the house (DESIGN 3 and 7). Pure: the tree comes as text, so that the
 * rules themselves are tested on trees that break them.
 *
 * @param files every file of the repository by its path; the text matters only of src/**, pages and package.json
 */
export function checkHouse(files: FileTree): Violation[] {
  const sources = new Map(
    [...files]
      .filter(([file]) => file.startsWith('src/') && file.endsWith('.ts'))
      .map(([file, text]) => [file, readSourceText(text)]),
  )
  const dependencies = new Set(Object.keys(readManifest(files).dependencies ?? {}))
  return [
    ...checkImports(sources, dependencies),
    ...checkDoors(sources),
    ...checkCycles(sources),
    ...checkPurity(sources),
    ...checkApply(sources),
    ...checkBrowser(sources),
    ...checkFiles(files),
    ...checkPackage(files),
    ...checkPages(files),
  ]
}
