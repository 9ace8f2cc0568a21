import type { Ddl, Mutation, Permission, TransactionEnvelope } from '../../encoding/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import { callerOf, keyOf, PROJECT, SCOPE } from './names.ts'

/** Beginnings of the keys that clients write. */
const PREFIXES = ['r', 'c', 'm', 't', 'x', 'i', 'b', 'l']
const TABLES = ['accounts', 'entries']

/** The permissions with which the callers begin: some of them have all that they need, some a part of it. */
export function firstGrants(random: SeededRandom, callers: number, hasTables: boolean): Mutation[] {
  const mutations: Mutation[] = []
  for (let number = 1; number <= callers; number++) {
    if (random.chance(0.2)) continue
    const caller = callerOf(number)
    const give = (permission: Permission): void => {
      mutations.push({ type: 'ddl', operation: { type: 'grant', caller, permission } })
    }
    give({ type: 'kvRead', project: PROJECT })
    give(random.chance(0.7) ? { type: 'kvWrite', project: PROJECT, scope: SCOPE } : ofPrefix(random, 'kvWrite'))
    if (!hasTables || random.chance(0.3)) continue
    give({ type: 'tableWrite', project: PROJECT, scope: SCOPE })
    if (random.chance(0.5)) give({ type: 'tableRead', project: PROJECT })
  }
  return mutations
}

/** Gives permissions and takes them; whoever asks for it, and only root may. */
export function drawGrant(random: SeededRandom, callers: number, hasTables: boolean): TransactionEnvelope {
  const operations = Array.from({ length: random.pick([1, 1, 2]) }, (): Ddl => {
    const type = random.chance(0.6) ? 'grant' : 'revoke'
    return { type, caller: callerOf(random.between(1, callers)), permission: drawPermission(random, hasTables) }
  })
  return { mutations: operations.map(operation => ({ type: 'ddl', operation })) }
}

function drawPermission(random: SeededRandom, hasTables: boolean): Permission {
  if (!hasTables || random.chance(0.6)) return drawKeys(random, random.chance(0.5) ? 'kvRead' : 'kvWrite')
  const type = random.pick(['tableRead', 'tableRead', 'tableWrite', 'tableDdl', 'policyBypass'] as const)
  const reach = random.chance(0.3) ? { project: PROJECT } : { project: PROJECT, scope: SCOPE }
  if (type === 'tableDdl' || random.chance(0.5)) return { type, ...reach }
  return { type, project: PROJECT, scope: SCOPE, table: random.pick(TABLES) }
}

function drawKeys(random: SeededRandom, type: 'kvRead' | 'kvWrite'): Permission {
  switch (random.below(6)) {
    case 0:
      return { type, project: PROJECT }
    case 1:
    case 2:
      return { type, project: PROJECT, scope: SCOPE }
    case 3:
      // One of those that come and go.
      return { type, project: PROJECT, scope: `s${random.below(4)}` }
    default:
      return ofPrefix(random, type)
  }
}

function ofPrefix(random: SeededRandom, type: 'kvRead' | 'kvWrite'): Permission {
  return { type, project: PROJECT, scope: SCOPE, prefix: keyOf(random.pick(PREFIXES)) }
}
