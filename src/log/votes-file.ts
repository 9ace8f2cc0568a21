import type { Files } from '../platform/index.ts'
import { ChecksumSeeds } from './checksum-seed.ts'
import { VOTES_NAME } from './file-names.ts'
import type { HardState, LogIdentity } from './positions.ts'
import { readWhole } from './scan.ts'
import { encodeVote, isBehindFrames, readVotes, voteOffset } from './votes.ts'
import type { Vote, VoteSlots } from './votes.ts'

/** The slots of a log directory's `votes`; undefined if the file is missing. */
export async function readVoteSlots(
  files: Files,
  directory: string,
  identity: LogIdentity,
): Promise<VoteSlots | undefined> {
  const path = `${directory}/${VOTES_NAME}`
  if ((await files.size(path)) === undefined) return undefined
  return readVotes(await readWhole(files, path), identity, new ChecksumSeeds(identity.directoryId))
}

/**
 * Writes bad slots again with the hard state that is certain, and the older one if the power went between a vote's frame and its slot:
 * from then on slots and frames agree, so that whoever finds them apart has found damage. Returns the offsets that were written.
 */
export async function repairVotes(
  files: Files,
  directory: string,
  identity: LogIdentity,
  slots: VoteSlots | undefined,
  hardState: HardState,
): Promise<readonly number[]> {
  const { latest, badSlots } = slots ?? { latest: undefined, badSlots: [] }
  const isBehind = badSlots.length === 0 && latest !== undefined && isBehindFrames(latest, hardState)
  const offsets = isBehind ? [voteOffset(latest.generation + 1)] : badSlots
  if (offsets.length === 0) return []
  const seeds = new ChecksumSeeds(identity.directoryId)
  const file = await files.open(`${directory}/${VOTES_NAME}`, 'readWrite')
  try {
    for (const offset of offsets) {
      const generation = generationFor(latest, offset)
      const { term, votedFor } = hardState
      await file.write(encodeVote(identity, seeds, { generation, term, votedFor }), offset)
      await file.sync()
    }
  } finally {
    await file.close()
  }
  return offsets
}

/** The next generation whose slot is the one at `offset`. */
function generationFor(latest: Vote | undefined, offset: number): number {
  const next = (latest?.generation ?? 1) + 1
  return voteOffset(next) === offset ? next : next + 1
}
