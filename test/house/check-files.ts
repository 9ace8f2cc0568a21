import { posix } from 'node:path'
import { roomOf } from './rooms.ts'
import type { Violation } from './violation.ts'

/** Paths relative to the repository, and what the files hold. */
export type FileTree = ReadonlyMap<string, string>

const LINES_MAX = 600
const README_LINES_MAX = 20
const UNFINISHED = /\b(TODO|FIXME|XXX)\b/g

/** Sizes, unfinished work and the page of every room. */
export function checkFiles(files: FileTree): Violation[] {
  const violations: Violation[] = []
  const rooms = new Set<string>()
  for (const [file, text] of files) {
    if (!file.startsWith('src/')) continue
    const lines = countLines(text)
    if (file.endsWith('.ts')) {
      if (roomOf(file) !== undefined) rooms.add(roomWithPage(file, files))
      if (lines > LINES_MAX) violations.push(at(file, LINES_MAX, 'length', `${lines} lines: more than one concept`))
    }
    if (posix.basename(file) === 'README.md' && lines > README_LINES_MAX) {
      violations.push(
        at(file, README_LINES_MAX, 'readme', `${lines} lines: a room's page has at most ${README_LINES_MAX}`),
      )
    }
    for (const match of text.matchAll(UNFINISHED)) {
      violations.push(
        at(file, countLines(text.slice(0, match.index + 1)), 'unfinished', `${match[0]}: finish it or leave it out`),
      )
    }
  }
  for (const room of rooms) {
    if (files.has(`src/${room}/README.md`)) continue
    violations.push(at(`src/${room}/README.md`, 1, 'readme', 'a room has a page that says what it is for'))
  }
  return violations
}

/** The top-level room; a sub-room where the room itself has no files, only rooms inside it. */
function roomWithPage(file: string, files: FileTree): string {
  const [, room = '', sub = ''] = file.split('/')
  const hasFiles = [...files.keys()].some(other => other.endsWith('.ts') && posix.dirname(other) === `src/${room}`)
  return hasFiles ? room : `${room}/${sub}`
}

/** Lines as an editor counts them: a closing line end begins no further line. */
function countLines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

function at(file: string, line: number, rule: string, message: string): Violation {
  return { file, line, rule, message }
}
