/** The messages between clients and nodes, in binary and in JSON (docs/formats/client-wire.md). */
export * from './messages.ts'
export { ClientFrameCursor, MESSAGE_HEADER_BYTES, MessageCode } from './frame.ts'
export { appendClientMessage, emptyCommitMessage, readClientMessage } from './client-messages.ts'
export { appendOutcome, appendServerMessage, readServerMessage } from './server-messages.ts'
export { readError, writeError } from './error-body.ts'
export { fromBase64, toBase64 } from './base64.ts'
export {
  clientMessagesFromJson,
  clientMessagesToJson,
  ddlFromJson,
  envelopeFromJson,
  errorFromPlain,
  errorToPlain,
  outcomeToJson,
  queryFromText,
  serverMessagesFromJson,
  serverMessagesToJson,
  toJson,
} from './json.ts'
