import {
  decodeOutcome,
  decodeRequestHeader,
  EnvelopeCursor,
  MalformedBytes,
  plainCommitSeq,
  readNamespaces,
} from '../encoding/index.ts'

/** What a request is about, without any of its values. The project is that of the first name in the envelope. */
export interface RequestContent {
  readonly caller: string
  readonly project?: string
  readonly mutations: number
}

/** Of a request as it is logged; of bytes that are none nothing is known. */
export function requestContent(request: Uint8Array): RequestContent {
  try {
    const { caller, envelope } = decodeRequestHeader(request)
    const cursor = new EnvelopeCursor()
    cursor.open(envelope, 0, envelope.length)
    const project = readNamespaces(cursor)[0]?.project
    return { caller, ...(project !== undefined && { project }), mutations: cursor.mutations }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return { caller: '', mutations: 0 }
  }
}

/** With which code an outcome refuses; undefined = it is a commit. */
export function refusalCode(outcome: Uint8Array): string | undefined {
  if (plainCommitSeq(outcome) !== undefined) return undefined
  const decoded = decodeOutcome(outcome)
  return decoded.status === 'refused' ? decoded.code : undefined
}
