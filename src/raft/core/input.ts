import type { Message } from './message.ts'
import type { Settings } from './settings.ts'
import type { Configuration, Digest, EntryBatch, NodeId, Seq, SnapshotMeta } from './types.ts'

/** Everything that can happen to a core. */
export type Input =
  /** First of a turn: sets the clocks, runs nothing. `nowMs` is monotonic, `wallMicros` is carried, never used. */
  | { readonly type: 'clock'; readonly nowMs: number; readonly wallMicros: number }
  /** Last of a turn: runs the timers once, after the messages that waited (T9). */
  | { readonly type: 'tick' }
  | { readonly type: 'recv'; readonly message: Message }
  /** Entries encoded for the slot of `admit` or `wantedEntry`, in the same turn. */
  | { readonly type: 'append'; readonly batch: EntryBatch }
  /**
   * Entry 1, alone in its batch, on a node with an empty log and no configuration: made by the first node (term 1), or
   * handed on by the bootstrap handshake. Until it is synced the node neither votes nor campaigns.
   */
  | { readonly type: 'bootstrap'; readonly batch: EntryBatch }
  /** Everything of persist effects up to ioSeq is synced; cumulative (D3). */
  | { readonly type: 'persisted'; readonly ioSeq: number }
  /** A write or sync failed: final (D9, T7). */
  | { readonly type: 'ioFailed'; readonly error: string }
  /** A linearizable read: answered by `readReady` or `readFailed` with the same ctx (any value, not looked into). */
  | { readonly type: 'read'; readonly ctx: unknown; readonly mode: 'index' | 'lease' }
  /** A peer forwarded requests, offered to this leader in this turn: it waits for the commit of what the turn appends. */
  | { readonly type: 'commitAwaited'; readonly peer: NodeId }
  /** Hand leadership to `to`, or to the best voter if `to` is 0. Ends with `transferEnded`. */
  | { readonly type: 'transfer'; readonly to: NodeId }
  /** Start an election as if the timer had fired; a no-op on a leader (E10). */
  | { readonly type: 'campaign' }
  /** Move to these voters and learners, through a joint configuration if voters change. Ends with `configurationChange`. */
  | { readonly type: 'proposeConfiguration'; readonly target: ConfigurationTarget }
  /** The driver dropped the log up to `base` (checkpointed, nobody needs it). */
  | { readonly type: 'compacted'; readonly seq: Seq }
  /** The snapshot of `installSnapshot` is installed and durable (both superblocks), or could not be. */
  | { readonly type: 'snapshotInstalled'; readonly meta: SnapshotMeta }
  | { readonly type: 'snapshotFailed' }
  /** End of the work of `sendSnapshot`: `seq` is the snapshot's, if it arrived and was installed. */
  | { readonly type: 'snapshotSent'; readonly to: NodeId; readonly seq: Seq; readonly isOk: boolean }
  /** The link to a peer broke or a send was dropped: what was in flight may be lost. */
  | { readonly type: 'unreachable'; readonly peer: NodeId }
  /** Age of the oldest persist not yet done, 0 if none; before `tick`, each turn in which one is pending (T6). */
  | { readonly type: 'diskHealth'; readonly oldestPendingMs: number }
  /** This replica's state differs from its peers': it appends and votes, but never leads. */
  | { readonly type: 'fence'; readonly isFenced: boolean }
  /**
   * The state is to be rebuilt from the leader's although nothing may be missing: a snapshot of `fromSeq` (all that is applied) or later is
   * taken, until one is installed. Null = that wish has gone.
   */
  | { readonly type: 'rebuild'; readonly fromSeq: Seq | null }
  /** Replicated settings have changed here; from now on they count. */
  | { readonly type: 'settings'; readonly settings: Partial<Settings> }
  /** The own wall clock is off: campaign last. */
  | { readonly type: 'handicap'; readonly isHandicapped: boolean }
  /** The newest own digest, to ride in answers to heartbeats. */
  | { readonly type: 'digest'; readonly digest: Digest | null }
  /** The newest digest that a majority of the voters has recorded alike, to ride in a leader's heartbeats. */
  | { readonly type: 'agreedDigest'; readonly digest: Digest }

/** What a configuration change asks for: the final configuration; the joint one in between is the core's business. */
export type ConfigurationTarget = Pick<Configuration, 'members' | 'voters' | 'learners'>
