/**
 * `npm run bench [-- --only SECTION ...]`: measures, and prints a table of the figures beside their targets. Each module runs in a process
 * of its own, one after the other, so that none inherits another's memory or compiled code.
 */
import { fork } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { exitOf } from './lib/processes.ts'
import { renderTable } from './lib/report.ts'
import type { Row } from './lib/report.ts'

/** A module exports `run(): Promise<Row[]>`. */
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  keyspace: ['keyspace/keyspace.js'],
  embedded: ['embedded/commits.js', 'embedded/beyond-memory.js'],
  sealing: ['sealing/sealing.js'],
  stores: ['stores/stores.js'],
  links: ['links/links.js'],
  query: ['query/query.js'],
  snapshot: ['snapshot/snapshot.js'],
  cluster: ['cluster/cluster.js'],
  failover: ['cluster/failover.js'],
}

async function measure(module: string): Promise<Row[]> {
  const child = fork(fileURLToPath(import.meta.url), ['--module', module], { execArgv: ['--expose-gc'] })
  const rows: Row[] = []
  child.on('message', message => rows.push(...(message as Row[])))
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`${module} ended with ${code}`)
  return rows
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, module: { type: 'string' } } })
  if (values.module !== undefined) {
    const { run } = (await import(`./${values.module}`)) as { run: () => Promise<Row[]> }
    process.send?.(await run())
    process.disconnect?.()
    return
  }
  const names = values.only ?? Object.keys(SECTIONS)
  const rows: Row[] = []
  for (const name of names) {
    const modules = SECTIONS[name]
    if (modules === undefined) throw new Error(`no section ${name}: ${Object.keys(SECTIONS).join(', ')}`)
    for (const module of modules) rows.push(...(await measure(module)))
  }
  const load = loadavg().map(value => value.toFixed(1))
  const [cpu] = cpus()
  process.stdout.write(
    `${cpus().length} x ${cpu?.model}, Node ${process.version}, load ${load.join(' ')} after the run\n\n`,
  )
  process.stdout.write(`${renderTable(rows)}\n`)
}

await main()
