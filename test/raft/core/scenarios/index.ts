import { durability } from './durability.ts'
import { elections } from './elections.ts'
import { membership } from './membership.ts'
import { reads } from './reads.ts'
import { replication } from './replication.ts'
import type { Scenario } from './scenario.ts'
import { transfer } from './transfer.ts'

/** Every rule's story, by chapter of raft.md. */
export const scenarios: readonly Scenario[] = [
  ...elections,
  ...replication,
  ...durability,
  ...membership,
  ...reads,
  ...transfer,
]
