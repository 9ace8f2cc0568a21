/**
 * `npm run bench:gate [-- --only MODULE] [--json FILE] [--rounds N] [--warm-ups N]`: the benchmark gate. Each module runs in a process of its own, one
 * after the other; prints every figure beside that of the Rust engine whose gate this is (`bars.ts`), and ends with 1 if anything that the
 * gate asserts does not hold. Each module first runs twice without its figures being taken, and some thousand commits are made (`--warm-ups 0`: none of both). With more than one round the best of each figure counts, and an assertion holds if it held in one of them.
 */
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { exitOf } from '../lib/processes.ts'
import { measureRawSync } from '../lib/raw-disk.ts'
import { renderTable } from '../lib/report.ts'
import { HOW_TO_INSTALL, hasPeers } from '../stores/open-stores.ts'
import { storeRows } from '../stores/stores.ts'
import type { Outcome } from './outcome.ts'
import { bestOf, renderOutcomes } from './report.ts'
import { keepOneOpen, tearDown, warmUpCommits } from './setup.ts'

const collectGarbage = (globalThis as { gc?: () => void }).gc

interface GateModule {
  readonly run: () => Promise<Outcome | Outcome[]>
  /** It makes so many calls that they are warm without a run before. */
  readonly isLong?: boolean
}

/** No module: it runs processes of its own. */
const STORES = 'stores'

const MODULES = [
  'doc-matrix',
  'lanes',
  'saturated',
  'large-values',
  'page-store',
  'archive',
  'small-values',
  'durability',
  'batching',
  'checkpoint-backup',
  'index-shapes',
  'joins',
  'sweep-rows',
  'sweep-shapes',
  'recovery',
  'memory',
] as const

async function measure(module: string, warmUps: number): Promise<Outcome[]> {
  const args = ['--module', module, '--warm-ups', String(warmUps)]
  const child = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--expose-gc'] })
  const outcomes: Outcome[] = []
  child.on('message', message => outcomes.push(...(message as Outcome[])))
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`${module} ended with ${code}`)
  return outcomes
}

/** In the child: one module, first without its figures, so that the code is compiled as it would be in a process that has been at work. */
async function runModule(module: string, warmUps: number): Promise<void> {
  await using _kept = await keepOneOpen()
  try {
    const { run, isLong } = (await import(`./${module}.js`)) as GateModule
    for (let i = 0; i < (isLong === true ? 0 : warmUps); i++) {
      await run()
      await tearDown()
      collectGarbage?.()
    }
    if (isLong !== true && warmUps > 0) await warmUpCommits()
    process.send?.([await run()].flat())
  } finally {
    await tearDown()
    process.disconnect?.()
  }
}

/** The engine beside other stores, in this run: their figures are what it is held against, but nothing of it fails the gate. */
async function compareStores(): Promise<void> {
  if (!hasPeers()) {
    process.stdout.write(`\n${HOW_TO_INSTALL}\n`)
    return
  }
  process.stdout.write(
    `\nBeside lmdb and classic-level, a round each in this run:\n\n${renderTable(await storeRows(1))}\n`,
  )
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      module: { type: 'string' },
      json: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      'warm-ups': { type: 'string', default: '2' },
    },
  })
  const warmUps = Number(values['warm-ups'])
  if (values.module !== undefined) return runModule(values.module, warmUps)
  const rounds = Number(values.rounds)
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1')
  const modules = MODULES.filter(module => values.only === undefined || module === values.only)
  if (modules.length === 0 && values.only !== STORES) {
    throw new Error(`no module ${values.only}: ${[...MODULES, STORES].join(', ')}`)
  }
  const all: Outcome[][] = []
  const rawSyncUs = measureRawSync(512)
  for (let round = 0; round < rounds; round++) {
    const outcomes: Outcome[] = []
    for (const module of modules) outcomes.push(...(await measure(module, warmUps)))
    all.push(outcomes)
  }
  const outcomes = bestOf(all)
  const load = loadavg().map(value => value.toFixed(1))
  const [cpu] = cpus()
  const machine = `${cpus().length} x ${cpu?.model.trim()}, Node ${process.version}, load ${load.join(' ')} after the run`
  const raw = `raw write of 512 B + fdatasync, preallocated: ${Math.round(rawSyncUs)} us`
  process.stdout.write(
    `${machine}; ${raw}; best of ${rounds}, after ${warmUps} runs and some thousand commits to warm up\n\n${renderOutcomes(outcomes)}\n`,
  )
  if (values.only === undefined || values.only === STORES) await compareStores()
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine, rawSyncUs, rounds, outcomes }, undefined, 2)}\n`)
  }
  const failed = outcomes.flatMap(({ benchmark, checks }) =>
    checks.filter(c => !c.isMet).map(c => `${benchmark}: ${c.what}`),
  )
  for (const line of failed) process.stdout.write(`FAILED ${line}\n`)
  if (failed.length > 0) process.exitCode = 1
}

await main()
