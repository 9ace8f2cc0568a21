// `npm run bench:k6 -- [SCENARIO] [--thresholds smoke|ci|nightly] [--seconds N] [--rate FACTOR] [--out DIR]
//     [--endpoints h:p,... --admin-endpoints h:p,...]`
// Runs a scenario of bench/k6 (default smoke) with the real k6, against the given nodes or else three of its own on this machine.
// Ends with 0, with 99 if a threshold was crossed (k6's code), or with 3 and one line if there is no k6.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, filesUnder, root } from './build.mjs'
import { findK6, installK6, NEEDS } from './k6.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    thresholds: { type: 'string', default: 'smoke' },
    seconds: { type: 'string' },
    rate: { type: 'string' },
    out: { type: 'string', default: join(root, '.bench', 'k6') },
    endpoints: { type: 'string' },
    'admin-endpoints': { type: 'string' },
  },
})
const [scenario = 'smoke'] = positionals
const file = join(root, 'bench', 'k6', 'scenarios', `${scenario}.ts`)
if (!existsSync(file)) {
  const names = filesUnder('bench/k6/scenarios').map(path => path.replace(/^.*\/|\.ts$/g, ''))
  console.error(`no scenario ${scenario}: ${names.join(', ')}`)
  process.exit(2)
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
