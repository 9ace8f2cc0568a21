import type { FileTree } from './check-files.ts'
import type { Violation } from './violation.ts'

/** The target of an export, or targets by condition (`types`, `browser`, `default`), which may nest. */
type Conditions = string | { readonly [condition: string]: Conditions }

/** What this check reads of package.json. */
export interface Manifest {
  readonly files?: readonly string[]
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, Conditions>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Commands that npm knows without a script of ours. */
const OWN_COMMANDS = new Set('ci install i exec init pack publish audit help version'.split(' '))
/** Pages whose commands a reader copies. */
const PAGES = ['README.md', 'CONTRIBUTING.md']

export function readManifest(files: FileTree): Manifest {
  return JSON.parse(files.get('package.json') ?? '{}') as Manifest
}

/**
 * The package's doors. Exports are entry files and every entry file is exported. Before the first release an export may
 * run ahead of its source; from the first release on (CHANGELOG.md) everything that package.json names must exist.
 */
export function checkPackage(files: FileTree): Violation[] {
  const manifest = readManifest(files)
  const violations: Violation[] = []
  const exported = new Set<string>()
  const report = (message: string): void => {
    violations.push({ rule: 'package', file: 'package.json', line: 1, message })
  }
  for (const [door, target] of Object.entries(manifest.exports ?? {})) {
    if (target === './package.json') continue
    for (const targets of alternatives(target)) {
      const sources = new Set(targets.map(sourceOf))
      if (sources.size > 1) report(`the conditions of '${door}' lead to different files: ${[...sources].join(', ')}`)
      for (const source of sources) {
        exported.add(source)
        if (!/^src\/entry\/[^/]+\.ts$/.test(source))
          report(`'${door}' leads to ${source}, which is no file of src/entry`)
      }
    }
  }
  for (const file of files.keys()) {
    if (!/^src\/entry\/[^/]+\.ts$/.test(file) || exported.has(file)) continue
    report(`${file} is an entry file that 'exports' does not name`)
  }
  if (hasRelease(files)) {
    const programs = Object.values(manifest.bin ?? {}).map(sourceOf)
    const kept = (manifest.files ?? []).filter(path => !path.startsWith('dist/') && !path.startsWith('!'))
    for (const path of [...exported, ...programs, ...kept]) {
      const isThere = files.has(path) || [...files.keys()].some(file => file.startsWith(`${path}/`))
      if (!isThere) report(`${path} is promised, but it does not exist`)
    }
  }
  return [...violations, ...checkLock(files), ...PAGES.flatMap(page => checkCommands(files, page, manifest))]
}

interface Lock {
  readonly packages?: Readonly<
    Record<string, { readonly integrity?: string; readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >
}

/**
 * The lock file names the binaries of every platform, not only of the one it was written on: npm leaves out those that its registry did
 * not offer, and `npm ci` then refuses the lock file everywhere. Every entry has the hash of what was locked, or anything could be installed.
 */
function checkLock(files: FileTree): Violation[] {
  const file = 'package-lock.json'
  const { packages = {} } = JSON.parse(files.get(file) ?? '{}') as Lock
  const violation = (message: string): Violation => ({ rule: 'lock', file, line: 1, message })
  return Object.entries(packages).flatMap(([owner, { integrity, optionalDependencies = {} }]) => {
    const missing = Object.keys(optionalDependencies).filter(name => packages[`node_modules/${name}`] === undefined)
    const hasHash = owner === '' || integrity !== undefined
    return [
      ...missing.map(name => violation(`${name}, optional for ${owner}, is missing: \`npm ci\` fails`)),
      ...(hasHash ? [] : [violation(`${owner} has no integrity hash`)]),
    ]
  })
}

/** `npm start`, `npm test` and `npm run X` in a page's code fences are scripts that exist. */
function checkCommands(files: FileTree, page: string, manifest: Manifest): Violation[] {
  const violations: Violation[] = []
  let isFenced = false
  for (const [index, line] of (files.get(page) ?? '').split('\n').entries()) {
    if (line.trimStart().startsWith('```')) {
      isFenced = !isFenced
      continue
    }
    for (const match of isFenced ? line.matchAll(/\bnpm\s+(run\s+)?([\w:-]+)/g) : []) {
      const script = match[2] ?? ''
      if (manifest.scripts?.[script] !== undefined || (match[1] === undefined && OWN_COMMANDS.has(script))) continue
      violations.push({
        rule: 'command',
        file: page,
        line: index + 1,
        message: `'${match[0]}': there is no such script`,
      })
    }
  }
  return violations
}

/** Groups of targets that must be one module: the code and its types stand at the same level of nesting. */
function alternatives(target: Conditions): string[][] {
  if (typeof target === 'string') return [[target]]
  const values = Object.values(target)
  const own = values.filter(value => typeof value === 'string')
  return [
    ...(own.length > 0 ? [own] : []),
    ...values.flatMap(value => (typeof value === 'string' ? [] : alternatives(value))),
  ]
}

/** `./dist/src/entry/index.d.ts` is compiled from `src/entry/index.ts`. */
function sourceOf(path: string): string {
  return path
    .replace(/^\.\//, '')
    .replace(/^dist\//, '')
    .replace(/(\.d\.ts|\.js)$/, '.ts')
}

function hasRelease(files: FileTree): boolean {
  return /^## \[?\d+\.\d+\.\d+/m.test(files.get('CHANGELOG.md') ?? '')
}
