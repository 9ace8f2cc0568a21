// Installs the stores that `npm run bench:gate` and `npm run bench -- --only stores` measure beside the embedded engine into `.bench-peers`.
// They are no dependencies: without them the engine is measured alone. Usage: npm run bench:peers
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '.bench-peers')
const dependencies = { lmdb: '3.5.6', 'classic-level': '3.0.0' }

mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ private: true, dependencies }, undefined, 2)}\n`)
// Both come with built addons for the usual systems: nothing is compiled or run while they are installed.
execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' })
