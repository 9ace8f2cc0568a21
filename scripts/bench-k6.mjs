import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, filesUnder, root } from './build.mjs'
import { findK6, installK6, NEEDS } from './k6.mjs'

const USAGE = `usage: npm run bench:k6 -- [SCENARIO] [OPTIONS]
Runs a scenario of bench/k6 (default smoke) with the real k6, against the given nodes or else three of its own on this machine.
Ends with 0, with 99 if a threshold was crossed (k6's code), or with 3 and one line if there is no k6.
  --thresholds NAME             a file of bench/k6/thresholds: smoke (default), ci, nightly
  --seconds N                   how long; each scenario has its own default
  --rate FACTOR                 of the scenario's arrivals (default 1)
  --out DIR                     where summary.json and summary.md go (default .bench/k6)
  --endpoints H:P,...           client addresses of your nodes
  --admin-endpoints H:P,...     their admin addresses
  --help                        prints this`

function given() {
  const text = { type: 'string' }
  const options = { thresholds: text, seconds: text, rate: text, out: text, endpoints: text, 'admin-endpoints': text }
  try {
    return parseArgs({ allowPositionals: true, options: { ...options, help: { type: 'boolean' } } })
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`)
    return process.exit(2)
  }
}

const { values: asked, positionals } = given()
if (asked.help) {
  console.log(USAGE)
  process.exit(0)
}
const values = { thresholds: 'smoke', out: join(root, '.bench', 'k6'), ...asked }
const [scenario = 'smoke'] = positionals
const file = fileCalled('scenario', 'scenarios', scenario, '.ts')
fileCalled('thresholds', 'thresholds', values.thresholds, '.json')

function fileCalled(what, folder, name, extension) {
  const found = join(root, 'bench', 'k6', folder, `${name}${extension}`)
  if (existsSync(found)) return found
  const names = filesUnder(`bench/k6/${folder}`).map(path => basename(path, extension))
  console.error(`no ${what} ${name}: ${names.join(', ')}`)
  return process.exit(2)
}

const k6 = findK6() ?? installK6()
if (k6 === undefined) {
  console.error(`bench:k6 did not run: ${NEEDS}`)
  process.exit(3)
}

/** Runs k6 to its end, whatever signal comes: then it writes its summary and the nodes are ended in order. */
function run(endpoints, adminEndpoints) {
  mkdirSync(values.out, { recursive: true })
  const settings = {
    ENDPOINTS: endpoints,
    ADMIN_ENDPOINTS: adminEndpoints,
    THRESHOLDS: values.thresholds,
    OUT: values.out,
    SECONDS: values.seconds,
    RATE: values.rate,
    TOKEN: process.env.QUORATE_TOKEN,
  }
  const told = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : ['-e', `${name}=${value}`],
  )
  const args = ['run', '--quiet', '--no-usage-report', '--address', '', ...told, file]
  return new Promise((resolve, reject) => {
    const child = spawn(k6, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
    const pass = () => child.kill('SIGINT')
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, pass)
    child.on('error', reject)
    child.on('exit', code => resolve(code ?? 1))
  })
}

if (values.endpoints !== undefined) {
  process.exitCode = await run(values.endpoints, values['admin-endpoints'] ?? '')
} else {
  build()
  const { startThreeNodes } = await import(new URL('../dist/bench/cluster/three-nodes.js', import.meta.url))
  const nodes = await startThreeNodes()
  try {
    process.exitCode = await run(nodes.endpoints, nodes.adminEndpoints)
  } finally {
    await nodes.close()
  }
}
console.log(`summary: ${join(values.out, 'summary.md')}, summary.json`)
