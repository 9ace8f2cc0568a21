// `node scripts/with-build.mjs FILE ARGS...`: builds what changed, then runs a compiled FILE (a path from the root).
import { build, runHere } from './build.mjs'

const [file, ...args] = process.argv.slice(2)
if (file === undefined) {
  console.error('usage: node scripts/with-build.mjs FILE ARGS...')
  process.exit(2)
}
build()
await runHere(file, args)
