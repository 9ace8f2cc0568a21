// `npm start [-- OPTIONS]`: builds what changed, then runs `quorate dev OPTIONS` (three nodes on this machine).
import { build, runHere } from './build.mjs'

build()
await runHere('dist/src/cli/main.js', ['dev', ...process.argv.slice(2)])
