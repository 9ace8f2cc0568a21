import { findBanned, violationAt, type Ban, type Sources, type Violation } from './violation.ts'

/**
 * The real world lives here and nowhere else: the ports' implementation, the browser half of the client, and the one file that asks at run
 * time whether Node's CRC-32 is there, because browsers load it too.
 */
const MAY_TOUCH_THE_WORLD = /^src\/(platform\/node\/|client\/browser[/.-]|encoding\/crc32\.ts$)/

/** Not a property (`.Date`), not part of a longer name. */
const FREE = String.raw`(?<![.\w$#])`
/** Not the name of a property or parameter (`performance: number`). */
const NOT_A_KEY = String.raw`(?![\w$])(?!\s*\??\s*:)`

const BANS: readonly Ban[] = [
  ban('Date', 'wall-clock time comes from the Clock port'),
  ban('performance', 'monotonic time comes from the Clock port'),
  ban('(setTimeout|setInterval|setImmediate)', 'waiting is done by the Timers port'),
  ban('globalThis', 'a global that is reached through globalThis escapes this check'),
  ban('crypto', 'randomness comes from the Random port; for hashes import the functions by name'),
  { pattern: /(?<![.\w$])AbortSignal\s*\.\s*timeout\b/g, message: 'waiting is done by the Timers port' },
  { pattern: /(?<![.\w$])Math\s*\.\s*random\b/g, message: 'randomness comes from the Random port' },
  { pattern: /(?<![.\w$])Math\b(?!\s*\.)(?!\s*\??:)/g, message: 'name the function of Math where it is used' },
  {
    pattern: /\bprocess\s*(\??\.\s*(env|hrtime|uptime|getBuiltinModule|binding|dlopen)\b|\[)/g,
    message: 'this belongs behind a port of platform',
  },
  { pattern: /\{[^}]*\}\s*=\s*process\b/g, message: 'name what you take from the process where it is used' },
  {
    pattern: /(?<![.\w$#])fetch\b(?!\s*\??\s*[:}])(?!\s*\(\s*\w+\s*\??:)/g,
    message: 'the network is reached through the Sockets port',
  },
  { pattern: /\bnew\s+(Shared)?Worker\b/g, message: 'threads are started by the Threads port' },
  {
    pattern: /\bAtomics\s*\.\s*wait(Async)?\b/g,
    message: 'waiting is done by the Timers port, or by a thread of the Threads port',
  },
  { pattern: /=\s*(AbortSignal|Atomics)\b(?!\s*\.)/g, message: 'name its function where it is used' },
  {
    pattern: /(?<![.\w$#])global\s*(\??\.|\[)/g,
    message: 'a global that is reached through global escapes this check',
  },
  {
    pattern: /(?<![.\w$#])self\s*\??\.\s*(performance|Date|crypto|fetch|set(Timeout|Interval|Immediate))\b/g,
    message: 'a global that is reached through self escapes this check',
  },
]

/** Node's own, where no library's class of that name is imported. */
const SOCKETS: readonly Ban[] = [
  {
    pattern: /\bnew\s+(WebSocket|XMLHttpRequest|BroadcastChannel)\b/g,
    message: 'the network is reached through the Sockets port',
  },
]

/** `process` is for the two rooms that are a program: arguments, signals, exit codes. */
const PROCESS: readonly Ban[] = [ban('process', 'only cli, node and entry see the process; environment is a port')]
const MAY_SEE_THE_PROCESS = /^src\/(cli|node|entry)\//
/** A parameter or variable of that name: then the word is the file's own, for example the simulator's processes. */
const OWN_PROCESS = /\b(?:const|let)\s+process\b|[(,]\s*process\s*\??:|\bprocess\s*=>/

/** Names of node:crypto that are randomness. Checked where node:crypto is imported: elsewhere they may be a port's. */
const RANDOM_OF_CRYPTO =
  /(?<![\w$])(randomBytes|randomInt|randomUUID|randomFill|randomFillSync|getRandomValues|webcrypto|generateKey\w*|generatePrime\w*)\b/g

function ban(name: string, message: string): Ban {
  return { pattern: new RegExp(`${FREE}${name}${NOT_A_KEY}`, 'g'), message }
}

/** Clock, randomness, timers, network and environment outside platform/node (imports of Node's parts are checked apart). */
export function checkPurity(sources: Sources): Violation[] {
  return [...sources].flatMap(([file, source]) => {
    if (MAY_TOUCH_THE_WORLD.test(file)) return []
    const violations = findBanned('world', file, source, BANS)
    if (!MAY_SEE_THE_PROCESS.test(file) && !OWN_PROCESS.test(source.code)) {
      violations.push(...findBanned('world', file, source, PROCESS))
    }
    if (!source.references.some(({ specifier }) => specifier === 'ws')) {
      violations.push(...findBanned('world', file, source, SOCKETS))
    }
    if (source.references.some(({ specifier }) => specifier === 'node:crypto' || specifier === 'crypto')) {
      for (const match of source.code.matchAll(RANDOM_OF_CRYPTO)) {
        violations.push(
          violationAt('world', file, source, match.index, `${match[0]}: randomness comes from the Random port`),
        )
      }
    }
    return violations
  })
}
