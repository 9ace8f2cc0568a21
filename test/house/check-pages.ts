import { posix } from 'node:path'
import type { FileTree } from './check-files.ts'
import type { Violation } from './violation.ts'

/** The pages at the root that belong to the project, and all pages below it. */
const PAGE = /^(README|CONTRIBUTING|SECURITY|CHANGELOG)\.md$|\/[^/]+\.md$/
/** Pages that speak of the present. Decisions and the change log speak of their day, so only their links are checked. */
const HISTORY = /^(CHANGELOG\.md|docs\/adr\/\d)/
/** A file of the repository as a page names it in passing: `src/raft/core/replication.ts`. */
const NAMED_FILE = /`((?:src|test|docs|scripts|bench|examples|deploy|\.ci)\/[\w./-]+\.[a-z]+)`/g
const LINK = /\]\(([^)\s#]+)(?:#[^)]*)?\)/g
const DECISIONS = 'docs/adr/README.md'

/** Links and file names in the pages lead to files that exist, every decision is in the index, and every page of docs/ is linked to. */
export function checkPages(files: FileTree): Violation[] {
  const violations: Violation[] = []
  const linked = new Set<string>()
  for (const [page, text] of files) {
    if (!PAGE.test(page)) continue
    for (const [index, line] of withoutFences(text).entries()) {
      const report = (message: string): void =>
        void violations.push({ rule: 'page', file: page, line: index + 1, message })
      for (const [, target = ''] of line.matchAll(LINK)) {
        if (/^[a-z]+:/.test(target)) continue
        const path = posix.normalize(posix.join(posix.dirname(page), target)).replace(/\/$/, '')
        if (path !== page) linked.add(path)
        if (!exists(files, path)) report(`the link to ${target} leads nowhere`)
      }
      for (const [, path = ''] of HISTORY.test(page) ? [] : line.matchAll(NAMED_FILE)) {
        if (!exists(files, path)) report(`there is no ${path}`)
      }
    }
  }
  for (const file of files.keys()) {
    if (/^docs\/(?!adr\/\d).*\.md$/.test(file) && !isLinked(linked, file)) {
      violations.push({ rule: 'page', file, line: 1, message: 'no page links to it' })
    }
    if (!/^docs\/adr\/\d{4}-[\w-]+\.md$/.test(file) || files.get(DECISIONS)?.includes(`(${posix.basename(file)})`))
      continue
    violations.push({ rule: 'page', file, line: 1, message: `${DECISIONS} does not list this decision` })
  }
  return violations
}

/** A link to a directory is one to its README. */
function isLinked(linked: ReadonlySet<string>, page: string): boolean {
  return linked.has(page) || (posix.basename(page) === 'README.md' && linked.has(posix.dirname(page)))
}

function exists(files: FileTree, path: string): boolean {
  return files.has(path) || [...files.keys()].some(file => file.startsWith(`${path}/`))
}

/** The lines of a page, with those inside code fences emptied: they are code, not prose. */
function withoutFences(text: string): string[] {
  let isFenced = false
  return text.split('\n').map(line => {
    if (line.trimStart().startsWith('```')) isFenced = !isFenced
    return isFenced ? '' : line
  })
}
