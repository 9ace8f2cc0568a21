// Where the real k6 is: `findK6()` looks at K6, in PATH and in the cache of this project; `installK6()` builds it there with Go.
// Run as a script it says where k6 is, and with `--install` brings it about. k6 is a Go program; there is no npm package of it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const VERSION = '1.8.1'
const MODULE = `go.k6.io/k6@v${VERSION}`
const INSTALL_MS = Number(process.env.K6_INSTALL_SECONDS ?? 600) * 1000
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quorate', `k6-${VERSION}`)

export const NEEDS = `needs k6 in PATH (or K6=FILE), or Go 1.24 or newer and its module proxy, which make it by \`go install ${MODULE}\``

/** @returns {string | undefined} a k6 that runs */
export function findK6() {
  const named = process.env.K6
  const inPath = (process.env.PATH ?? '').split(delimiter).map(directory => join(directory, 'k6'))
  return [...(named === undefined ? [] : [named]), ...inPath, join(cache, 'k6')].find(runs)
}

/**
 * Builds k6 into the cache: about two minutes, once. Bounded by K6_INSTALL_SECONDS (600).
 * @returns {string | undefined} where it is; undefined if that could not be done, after saying why
 */
export function installK6() {
  mkdirSync(cache, { recursive: true })
  const env = { ...process.env, GOBIN: cache, GOFLAGS: '-mod=mod' }
  const { status, error, signal, stderr } = spawnSync('go', ['install', MODULE], {
    env,
    timeout: INSTALL_MS,
    encoding: 'utf8',
  })
  const file = join(cache, 'k6')
  if (status === 0 && runs(file)) return file
  const lastLine = stderr?.trim().split('\n').at(-1) ?? ''
  console.error(`k6 could not be installed: ${error?.message ?? signal ?? lastLine}`)
  return undefined
}

function runs(file) {
  return existsSync(file) && spawnSync(file, ['version'], { timeout: 30_000 }).status === 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = findK6() ?? (process.argv.includes('--install') ? installK6() : undefined)
  console.log(file ?? NEEDS)
  process.exitCode = file === undefined ? 3 : 0
}
