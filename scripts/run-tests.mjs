// `npm run test:run [-- TEXT... --NODE-OPTION...]`: runs every compiled test under dist/test with Node's own runner.
// A TEXT keeps only the test files whose path contains it (`npm run test:run -- raft/core`); an option goes to node
// (`--test-name-pattern=...`). Expects a finished build: `npm test` builds first.
import { spawn } from 'node:child_process'
import { filesUnder, removeStaleOutput, root } from './build.mjs'

/** Two test files at once: more would make tests with real processes starve each other on a small machine. */
const concurrency = 2

for (const module of removeStaleOutput()) console.log(`removed dist/${module}: its source is gone`)

const options = process.argv.slice(2).filter(argument => argument.startsWith('-'))
const texts = process.argv.slice(2).filter(argument => !argument.startsWith('-'))
const files = filesUnder('dist/test')
  .filter(file => file.endsWith('.test.js'))
  .filter(file => texts.length === 0 || texts.some(text => file.includes(text)))
if (files.length === 0) {
  console.error(
    texts.length === 0 ? 'No compiled tests: run `npm run build` first.' : `No test file matches ${texts.join(', ')}.`,
  )
  process.exit(1)
}

const runner = spawn(
  process.execPath,
  ['--enable-source-maps', '--test', `--test-concurrency=${concurrency}`, '--test-reporter=spec', ...options, ...files],
  { cwd: root, stdio: 'inherit' },
)
// A terminal's Ctrl-C reaches the runner by itself; a supervisor's signal reaches only this process.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => runner.kill(signal))
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) runner.kill('SIGINT')
})
runner.on('exit', (code, signal) => {
  process.exitCode = code ?? 1
  if (signal !== null) console.error(`the test runner ended by ${signal}`)
})
