import { activateMutant } from '../../../src/raft/core/index.ts'
import type { MutantName } from '../../../src/raft/core/index.ts'
import { scenarios } from '../../raft/core/scenarios/index.ts'
import { runSeed } from '../../raft/core/sim/world.ts'
import type { Mutant } from './mutant.ts'

/** The rule that each bug of the core breaks. */
export const CORE_RULES: Readonly<Record<MutantName, string>> = {
  'skip vote sync': 'E1',
  'compare last seq before last term': 'E2',
  'own vote counted before sync': 'E3',
  'duplicate vote counted': 'E3',
  'answer to another candidacy counted': 'E4',
  'higher term of a pre-vote refusal ignored': 'E5',
  'stale term not answered': 'E7',
  'learner refuses to vote': 'E8',
  'campaign during install': 'E9',
  'quorum-loss leader keeps sending': 'E12',
  'truncate on any append': 'L1',
  'conflict below commit repaired': 'L2',
  'commit uncapped': 'L3',
  'heartbeat commit uncapped': 'L4',
  'prev below commit is a conflict': 'L5',
  'hint ignored': 'L6',
  'stale rejection accepted': 'L7',
  'stale stream ack accepted': 'L8',
  'commit old term by count': 'L9',
  'leader counts itself unsynced': 'L10',
  'unsorted quorum array': 'L11',
  'full window sends nothing': 'L12',
  'ack before sync': 'L13',
  'completion of overwritten entries counted': 'D4',
  'truncation of what was never written': 'L1',
  'restart forgets commit': 'D6',
  'vote while suspect': 'W6',
  'keep log on conflicting snapshot': 'S1',
  'apply during install': 'S3',
  'snapshot ends without ack': 'S6',
  'offer of what is committed not answered': 'S6',
  'config kept after snapshot': 'S7',
  'second change while one is pending': 'M1',
  'config before own-term commit': 'M2',
  'no rollback of configuration': 'M4',
  'leave joint uncommitted': 'M4',
  'joint needs one majority': 'M5',
  'read before own-term commit': 'R1',
  'client id as read context': 'R2',
  'read joins the running round': 'R3',
  'read queue survives the term': 'R3',
  'lease through transfer': 'R6',
  'tick-based lease': 'R7',
  'no vote embargo after restart': 'R8',
  'proposals accepted during transfer': 'T1',
  'timeout-now before match': 'T2',
  'transfer flag survives term': 'T3',
  'transfer campaign respects leases': 'T5',
  'heartbeats during disk stall': 'T6',
  'timers re-anchored': 'T8',
  'apply backlog unbounded': 'DESIGN 8 bounded queues',
  'election check before drained messages': 'T9',
  'own sync awaited by nobody': 'DESIGN 7 commit',
}

/** Chance alone has the seeds below; from here on each also plays one of the rules' stories, whatever is planted. */
const STORIES_FROM_SEED = 51
export const STORY = 'story of'

/** Every bug of the core under its own network. */
export const CORE_MUTANTS: readonly Mutant[] = (Object.keys(CORE_RULES) as MutantName[]).map(name => ({
  name: `core: ${name}`,
  rule: CORE_RULES[name],
  simulator: 'core',
  run: (seed, isPlanted) =>
    planted(isPlanted ? name : null, () => Promise.resolve(runSeed(seed).failure ?? playStory(seed))),
}))

function playStory(seed: number): string | undefined {
  if (seed < STORIES_FROM_SEED) return undefined
  const { rule, name, run } = scenarios[(seed - STORIES_FROM_SEED) % scenarios.length]!
  try {
    run()
    return undefined
  } catch (error) {
    return `${STORY} ${rule}, ${name}: ${error instanceof Error ? error.message : String(error)}`
  }
}

async function planted<T>(name: MutantName | null, act: () => Promise<T>): Promise<T> {
  activateMutant(name)
  try {
    return await act()
  } finally {
    activateMutant(null)
  }
}
