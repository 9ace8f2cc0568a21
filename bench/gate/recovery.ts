import { cpSync, rmSync } from 'node:fs'
import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { benchFolder, filled, openBench, OS_BUFFERED, PROJECT, timed } from './setup.ts'
import { Engine } from '../../src/entry/engine.ts'

/** See `GateModule`. */
export const isLong = true

const COMMITS = 50_000
const AT_ONCE = 32
const KEYS = 200_000
const BATCH = 100

/** What a process that was killed would have left: everything but its lock. */
function copyAsCrashed(from: string): string {
  const to = `${benchFolder()}/data`
  cpSync(from, to, { recursive: true, filter: path => !path.endsWith('/LOCK') && !path.endsWith('.sock') })
  return to
}

async function timedOpen(directory: string, key: string): Promise<{ ms: number; isThere: boolean }> {
  let engine: Engine | undefined
  const ms = await timed(async () => (engine = await Engine.open(directory, OS_BUFFERED)))
  const isThere = engine!.newest().kv(PROJECT).get(key) !== undefined
  await engine!.close()
  rmSync(directory, { recursive: true })
  return { ms, isThere }
}

/** A checkpoint of 200,000 entries, opening from it, and opening with 50,000 commits behind the last checkpoint to apply again. */
export async function run(): Promise<Outcome> {
  const directory = `${benchFolder()}/data`
  const engine = await openBench({ ...OS_BUFFERED, checkpointLogBytes: 1 << 30, checkpointAgeMs: 3_600_000 }, directory)
  const kv = engine.kv(PROJECT)
  for (let i = 0; i < KEYS; i += BATCH) {
    await kv.setMany(Array.from({ length: BATCH }, (_, n) => [`base:${i + n}`, filled(64, n)] as const))
  }
  const checkpointMs = await timed(() => engine.checkpoint())
  await kv.set('base:0', filled(64, 1))
  const smallCheckpointMs = await timed(() => engine.checkpoint())
  engine.flush()
  const fromCheckpoint = await timedOpen(copyAsCrashed(directory), `base:${KEYS - 1}`)
  for (let i = 0; i < COMMITS; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => kv.set(`later:${i + n}`, filled(64, n))))
  }
  engine.flush()
  const replayed = await timedOpen(copyAsCrashed(directory), `later:${COMMITS - 1}`)
  const replayMs = replayed.ms - fromCheckpoint.ms
  return new Result('checkpoint_and_recovery')
    .add('', { entries: KEYS, replayed_commits: COMMITS })
    .add('ms', { checkpoint_write: checkpointMs, checkpoint_of_one_entry: smallCheckpointMs })
    .add('ms', { open_from_checkpoint: fromCheckpoint.ms, open_with_replay: replayed.ms })
    .add('us', { replay_of_a_commit: (replayMs * 1_000) / COMMITS })
    .check('what the checkpoint held is there', fromCheckpoint.isThere)
    .check('what was committed after it is there', replayed.isThere).outcome
}
