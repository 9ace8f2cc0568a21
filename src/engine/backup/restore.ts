import { digestToHex, equalDigests } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { Platform } from '../../platform/index.ts'
import { buildDirectory, newGroupOfOne, requireUnused } from './build-directory.ts'
import type { DirectoryPlan, DirectorySizes } from './build-directory.ts'
import { readChain, targetSeq, unavailable } from './chain.ts'
import type { FoundBackup, RestorePoint } from './chain.ts'
import { identitiesOf } from './restored-group.ts'
import type { RestoredMember } from './restored-group.ts'
import { Restoring } from './restoring.ts'

export interface RestoreOptions extends RestorePoint, DirectorySizes {
  /** Of the backups' manifests. */
  key?: Uint8Array
}

/** The cluster that a backup is restored for. */
export interface RestoredCluster {
  /** In the order in which every node's configuration lists them. */
  readonly members: readonly RestoredMember[]
  /** Names this restore: whoever restores another member of the same cluster gives the same, once. */
  readonly restoreId: string
}

export interface Restored {
  /** What was restored to, as it was numbered in the history of the backup. */
  readonly seq: number
  /** The newest seq of the restored directory, and its history: tokens of the old one are refused (`history_changed`). */
  readonly newSeq: number
  readonly historyId: string
}

/**
 * Makes a data directory of a full backup and the incremental ones that continue it, given in that order. It begins a history of its own, a
 * group of one, in an empty directory or one that is not there yet. Nothing of it counts before it is whole; an interrupted restore may simply be repeated.
 * @throws QuorateError `invalid_argument` if these are no chain or the directory is not empty; `seq_unavailable` with what can be restored;
 * `damaged` naming the file
 */
export async function restoreBackup(
  platform: Platform,
  backups: readonly string[],
  target: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  const { chain, seq } = await read(platform, backups, options)
  const built = await buildDirectory(platform, target, {
    ...planOf(platform, chain, seq, options),
    group: directoryId => newGroupOfOne(platform, directoryId),
  })
  return { seq, ...built }
}

/**
 * Makes the data directory of one member of a new cluster. Members restored of the same backups to the same point with the same list and
 * `restoreId`, wherever, belong together: history and directory ids follow from these, and others refuse each other. A `restoreId` is good for
 * one restore of each member: a second directory under the identity of the first would answer for votes that it does not know.
 * @throws QuorateError as `restoreBackup`; `invalid_argument` for members that make no group, or a name that is none of them
 */
export async function restoreMember(
  platform: Platform,
  backups: readonly string[],
  target: string,
  name: string,
  cluster: RestoredCluster,
  options: RestoreOptions = {},
): Promise<Restored> {
  const identities = identitiesOf(cluster)
  const directoryId = identities.directoryId(name)
  const { chain, seq } = await read(platform, backups, options)
  const built = await buildDirectory(platform, target, {
    ...planOf(platform, chain, seq, options),
    directoryId,
    group: (_, machine) => identities.group(machine),
  })
  return { seq, ...built }
}

async function read(
  { files }: Platform,
  backups: readonly string[],
  options: RestoreOptions,
): Promise<{ chain: FoundBackup[]; seq: number }> {
  const chain = await readChain(files, backups, options.key)
  const seq = await targetSeq(files, chain, options)
  if (chain[0]!.manifest.state.seq > seq) throw unavailable(chain, seq)
  return { chain, seq }
}

/** A directory with the state of a chain after `seq`. */
function planOf(
  { files }: Platform,
  chain: readonly FoundBackup[],
  seq: number,
  options: DirectorySizes,
): Omit<DirectoryPlan, 'group'> {
  return {
    ...options,
    highestSeq: Math.max(...chain.map(({ manifest }) => manifest.head.seq)),
    fill: machine => new Restoring(files, machine, chain).run(seq),
  }
}

/** What a rehearsal has shown. */
export interface Rehearsed {
  /** The state that was built. */
  readonly seq: number
  /** S, summed up anew from the pages, 16 hexadecimal digits. */
  readonly digest: string
}

/**
 * Restores a chain into `scratch`, an empty directory or one that is not there yet, reads all of it back, compares S with what the backup
 * says, and removes it again.
 * @throws QuorateError as `restoreBackup`
 */
export async function rehearseRestore(
  platform: Platform,
  backups: readonly string[],
  scratch: string,
  options: RestoreOptions = {},
): Promise<Rehearsed> {
  const { chain, seq } = await read(platform, backups, options)
  // What is removed in the end is the rehearsal's own.
  await requireUnused(platform.files, scratch)
  let digest = ''
  try {
    const plan = planOf(platform, chain, seq, options)
    await buildDirectory(platform, scratch, {
      ...plan,
      async fill(machine) {
        await plan.fill(machine)
        const { carried, found } = await machine.recomputeDigest(() => Promise.resolve())
        if (!equalDigests(carried.sum, found))
          throw new QuorateError('damaged', `${scratch}: what was restored does not read back`)
        digest = digestToHex(found)
      },
      group: directoryId => newGroupOfOne(platform, directoryId),
    })
  } finally {
    await platform.files.removeTree(scratch)
  }
  return { seq, digest }
}
