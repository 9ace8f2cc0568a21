// Compiles the project with `tsc -b` (incremental: a second when nothing changed) and removes what no source stands behind.
// Run as a script it builds and exits with the compiler's code; the other scripts import `build`.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The repository's root directory. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The directories that the compiler mirrors into dist/ (tsconfig.src.json, tsconfig.test.json). */
const mirrored = ['src', 'test', 'bench', 'examples']

/**
 * Builds what changed. On a compile error the compiler's report is on the terminal and this process ends with its exit code.
 * @returns {void}
 */
export function build() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(tsc)) {
    console.error('The compiler is not installed: run `npm ci` first.')
    process.exit(1)
  }
  const { status, error } = spawnSync(process.execPath, [tsc, '-b'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
  removeStaleOutput()
}

/**
 * Removes compiled files whose TypeScript source is gone. The compiler never deletes, so a renamed test would otherwise
 * go on running, and a renamed module would go on being published, until somebody removes dist/ by hand.
 * @returns {string[]} the compiled modules that were removed, relative to dist/
 */
export function removeStaleOutput() {
  const removed = []
  for (const directory of mirrored) {
    for (const file of filesUnder(join('dist', directory))) {
      const module = file.slice('dist/'.length).replace(/(\.d\.ts|\.js|\.js\.map|\.d\.ts\.map)$/, '')
      if (existsSync(join(root, `${module}.ts`))) continue
      rmSync(join(root, file))
      if (file.endsWith('.js')) removed.push(`${module}.js`)
    }
  }
  return removed
}

/**
 * @param {string} directory relative to the root, with forward slashes in the result
 * @returns {string[]} every file under it, relative to the root, sorted; none if the directory does not exist
 */
export function filesUnder(directory) {
  if (!existsSync(join(root, directory))) return []
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}

/**
 * Runs a compiled program in this very process, as if node had been started with it: terminal, signals and exit code
 * are its own, with nothing in between that would have to pass them on.
 * @param {string} file relative to the root
 * @param {string[]} args what the program finds after its own name in process.argv
 * @returns {Promise<void>} settles when the module has been evaluated
 */
export async function runHere(file, args) {
  const path = join(root, file)
  if (!existsSync(path)) {
    console.error(`There is no ${file} in this checkout.`)
    process.exit(1)
  }
  process.argv = [process.execPath, path, ...args]
  await import(pathToFileURL(path).href)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
