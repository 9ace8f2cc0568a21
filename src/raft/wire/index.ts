/** What replicas send each other, in bytes (docs/formats/peer-wire.md). */
export * from './configuration.ts'
export { describeEntries, type EntryPredecessor } from './entry-batch.ts'
export { FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES, PeerFrameCursor } from './frame-cursor.ts'
export * from './messages.ts'
export { PeerFrameWriter, readPeerMessage } from './peer-frame.ts'
export * from './snapshot-manifest.ts'
