import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import { ARROWS, isNamedRoom, roomOf, TESTING_ENTRY, topRoomOf, WITHOUT_DOOR, WITHOUT_PORTS } from './rooms.ts'
import type { ModuleReference, SourceText } from './source-text.ts'
import { violationAt, type Sources, type Violation } from './violation.ts'

/** Parts of Node that neither reach a clock, disk, network or process nor depend on one: open to every room. */
const HARMLESS_BUILTINS = new Set(
  'assert async_hooks buffer crypto diagnostics_channel events path querystring stream string_decoder url util zlib'.split(
    ' ',
  ),
)

/** Parts of Node that a room needs for what it exists for, beyond the harmless ones. */
const BUILTINS_BY_ROOM: Readonly<Record<string, readonly string[]>> = {
  transport: ['http', 'https', 'tls'],
  admin: ['http', 'https'],
  cli: ['readline'],
  testing: ['test'],
}

/** Where the WebSocket library may be named: the implementations of PeerLink and ClientLink. */
const WEBSOCKET_FILES = /^src\/(transport\/|entry\/|client\/(.*\/)?[^/]*link[^/]*\.ts$)/

/** The file that a relative import names, or undefined for a package or a part of Node. */
export function resolveImport(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : undefined
}

/** Arrows, doors and packages: everything that one import alone can break. `dependencies` are those of package.json. */
export function checkImports(sources: Sources, dependencies: ReadonlySet<string>): Violation[] {
  return [...sources].flatMap(([file, source]) =>
    source.references.flatMap(reference => {
      const found = checkReference(sources, dependencies, file, reference)
      return found === undefined ? [] : [violationAt(found.rule, file, source, reference.offset, found.message)]
    }),
  )
}

/** Every room that has files of its own (not only rooms inside it) has a door, and no room is unknown. */
export function checkDoors(sources: Sources): Violation[] {
  const directories = new Map<string, string>()
  const violations: Violation[] = []
  for (const [file, source] of sources) {
    if (roomOf(file) === undefined) {
      violations.push(violationAt('unknown-room', file, source, 0, 'this is in no room of src/ that DESIGN 3 names'))
      continue
    }
    directories.set(posix.dirname(file).slice('src/'.length), file)
  }
  for (const [directory, file] of directories) {
    if (!isNamedRoom(directory) || WITHOUT_DOOR.has(directory) || sources.has(`src/${directory}/index.ts`)) continue
    violations.push({ rule: 'door', file, line: 1, message: `the room src/${directory} has no index.ts` })
  }
  return violations
}

interface Finding {
  readonly rule: string
  readonly message: string
}

function checkReference(
  sources: Sources,
  dependencies: ReadonlySet<string>,
  file: string,
  { specifier }: ModuleReference,
): Finding | undefined {
  if (specifier === undefined) {
    // The Threads port starts what its caller names: the one place where a module is data.
    if (roomOf(file) === 'platform/node') return undefined
    return { rule: 'computed-import', message: 'an import whose target is computed cannot be checked: name the file' }
  }
  const target = resolveImport(file, specifier)
  if (target === undefined) return checkPackage(dependencies, file, specifier)
  if (!sources.has(target)) {
    return { rule: 'unresolved', message: `'${specifier}' is no .ts file of src/` }
  }
  return checkArrow(file, target) ?? checkDoor(sources, file, target)
}

function checkArrow(file: string, target: string): Finding | undefined {
  const from = roomOf(file)
  const to = roomOf(target)
  if (from === undefined || to === undefined || from === to) return undefined
  if (to === 'testing') {
    return file === TESTING_ENTRY
      ? undefined
      : { rule: 'arrow', message: 'nothing imports testing, only its entry file' }
  }
  if (to === 'platform' && !WITHOUT_PORTS.has(from)) return undefined
  // raft/core is a room of its own for what it imports, and a part of raft for who imports it.
  if (to === 'raft/core' && (from === 'raft' || ARROWS[from]?.includes('raft') === true)) return undefined
  if (ARROWS[from]?.includes(to) === true) return undefined
  return { rule: 'arrow', message: `${from} must not import ${to} (${target}): ${arrowsOf(from)}` }
}

function arrowsOf(room: string): string {
  const open = [...(WITHOUT_PORTS.has(room) ? [] : ['the ports of platform']), ...(ARROWS[room] ?? [])]
  return open.length === 0 ? `${room} imports nothing outside itself` : `${room} may import ${open.join(', ')}`
}

/**
 * Others enter a room only through its index.ts. Inside a top-level room every directory that has an index.ts counts as
 * a room; from outside, only the named ones do, so that a room's inner structure stays its own affair.
 */
function checkDoor(sources: Sources, file: string, target: string): Finding | undefined {
  const isIndex = posix.basename(target) === 'index.ts'
  if (topRoomOf(file) !== topRoomOf(target)) {
    const directory = posix.dirname(target).slice('src/'.length)
    if (isIndex && isNamedRoom(directory)) return undefined
    if (topRoomOf(target) === 'entry' && directory === 'entry') return undefined
    return { rule: 'door', message: `${target} is inside another room: import the room's index.ts` }
  }
  for (let directory = posix.dirname(target); directory !== 'src'; directory = posix.dirname(directory)) {
    if (file.startsWith(`${directory}/`)) return undefined
    if (!sources.has(`${directory}/index.ts`) && !isNamedRoom(directory.slice('src/'.length))) continue
    if (target === `${directory}/index.ts`) continue
    return { rule: 'door', message: `${target} is inside ${directory}: import ${directory}/index.ts` }
  }
  return undefined
}

function checkPackage(dependencies: ReadonlySet<string>, file: string, specifier: string): Finding | undefined {
  const room = roomOf(file) ?? ''
  const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? '')
  const builtin = specifier.startsWith('node:') ? specifier.slice('node:'.length) : specifier
  if (room === 'raft/core') {
    return { rule: 'arrow', message: `raft/core imports nothing outside itself, not even '${specifier}'` }
  }
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) {
    const part = builtin.split('/')[0] ?? ''
    if (room === 'platform/node' || HARMLESS_BUILTINS.has(part) || BUILTINS_BY_ROOM[topRoomOf(file)]?.includes(part)) {
      return undefined
    }
    return { rule: 'builtin', message: `'${specifier}' belongs behind a port of platform` }
  }
  if (!dependencies.has(name)) {
    return { rule: 'dependency', message: `'${name}' is not among the dependencies of package.json` }
  }
  if (name === 'ws' && !WEBSOCKET_FILES.test(file)) {
    return { rule: 'websocket', message: "'ws' is imported only by the implementations of PeerLink and ClientLink" }
  }
  return undefined
}

/** The files of src/ that a file imports. */
export function importedFiles(
  sources: Sources,
  file: string,
  source: SourceText,
  options: { types: boolean },
): string[] {
  return source.references.flatMap(({ specifier, isTypeOnly }) => {
    if (specifier === undefined || (isTypeOnly && !options.types)) return []
    const target = resolveImport(file, specifier)
    return target !== undefined && sources.has(target) ? [target] : []
  })
}
