import type { NodeId, Seq } from '../core/index.ts'

/** How far a transfer is, for status and metrics. */
export interface TransferProgress {
  readonly direction: 'outgoing' | 'incoming'
  readonly peer: NodeId
  /** 0 until it is known. */
  readonly seq: Seq
  /** 0 = full. */
  readonly sinceSeq: Seq
  readonly stage: 'preparing' | 'offered' | 'requested' | 'shipping' | 'committing'
  /** Chunks and bytes of them that the receiver has taken, counted from the beginning of this transfer. */
  readonly chunks: number
  readonly bytes: number
}
