import { importedFiles } from './check-imports.ts'
import type { SourceText } from './source-text.ts'
import { findBanned, violationAt, type Ban, type Sources, type Violation } from './violation.ts'

/**
 * What DESIGN 7 bans in apply, as far as text can show it: a call whose result may differ between two machines, and an
 * error that is swallowed. What text cannot show (Map order, reading a page's seq, configuration) is left to the
 * digests and the simulator, which runs every entry on several replicas and compares.
 */
const BANS: readonly Ban[] = [
  { pattern: /(?<![.\w$])Intl\b/g, message: 'the locale data of two machines may differ' },
  { pattern: /\.\s*(toLocale\w*|localeCompare)\s*\(/g, message: 'the locale of two machines may differ' },
  {
    pattern: /\.\s*(toLowerCase|toUpperCase)\s*\(/g,
    message: 'case mapping depends on the Unicode version of the Node',
  },
  { pattern: /\.\s*normalize\s*\(/g, message: 'normalization depends on the Unicode version of the Node' },
  {
    pattern: /\bMath\s*\.\s*(a?sinh?|a?cosh?|a?tanh?|atan2|exp|expm1|log|log1p|log2|log10|pow|cbrt|hypot)\b/g,
    message: 'ECMAScript leaves the last bits of this to the implementation',
  },
  { pattern: /(?<![.\w$])(WeakRef|FinalizationRegistry)\b/g, message: 'garbage collection has no order' },
]

/** Only in the engine's own apply code: elsewhere these are for messages and for foreign input. */
const ENGINE_BANS: readonly Ban[] = [
  { pattern: /(?<![.\w$])JSON\s*\.\s*stringify\b/g, message: 'user data has one encoding, and this is not it' },
  { pattern: /\.\s*catch\s*\(/g, message: 'a throw in apply stops the replica: let it through' },
]

/** Apply code by name, whether or not the state machine reaches it yet. */
const APPLY_DIRECTORIES = /^src\/engine\/(access|catalog|events|kv|outbox|rows|sessions|tables|transaction)\//
const STATE_MACHINE = 'src/engine/state-machine.ts'
/** Pages, pager and checkpoint: below the decisions of apply. */
const PHYSICAL = /^src\/engine\/keyspace\//
/** Pure functions that apply is built of. */
const BELOW_THE_ENGINE = /^src\/(model|encoding)\//

export function checkApply(sources: Sources): Violation[] {
  return applyFiles(sources).flatMap(file => {
    const source = sources.get(file)
    if (source === undefined) return []
    const violations = findBanned('apply', file, source, BANS)
    if (!BELOW_THE_ENGINE.test(file)) {
      violations.push(...findBanned('apply', file, source, ENGINE_BANS), ...findCatchAlls(file, source))
    }
    return violations
  })
}

/** The named directories and everything that the state machine's compiled code reaches, except the physical layer. */
function applyFiles(sources: Sources): string[] {
  const found = new Set<string>(
    [...sources.keys()].filter(file => file === STATE_MACHINE || APPLY_DIRECTORIES.test(file)),
  )
  // A Set is walked in the order of insertion, and also over what is added on the way.
  for (const file of found) {
    const source = sources.get(file)
    if (source === undefined) continue
    for (const target of importedFiles(sources, file, source, { types: false })) {
      if (!PHYSICAL.test(target) && (target.startsWith('src/engine/') || BELOW_THE_ENGINE.test(target)))
        found.add(target)
    }
  }
  return [...found]
}

/** `catch` without a binding, and `catch` whose block can end without a `throw` in it. */
function findCatchAlls(file: string, source: SourceText): Violation[] {
  return [...source.code.matchAll(/(?<![.\w$])catch\s*(\([^)]*\)\s*)?\{/g)].flatMap(match => {
    const open = match.index + match[0].length - 1
    const body = source.code.slice(open, endOfBlock(source.code, open))
    if (match[1] !== undefined && /(?<![.\w$])throw\b/.test(body)) return []
    const message = 'a catch-all in apply hides what the replica must stop for: name the error, rethrow the rest'
    return [violationAt('apply', file, source, match.index, message)]
  })
}

function endOfBlock(code: string, open: number): number {
  let depth = 0
  for (let i = open; i < code.length; i += 1) {
    if (code.charAt(i) === '{') depth += 1
    if (code.charAt(i) === '}') depth -= 1
    if (depth === 0) return i + 1
  }
  return code.length
}
