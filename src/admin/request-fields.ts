import { QuorateError } from '../model/index.ts'

const BODY_CHARACTERS_MAX = 4_096

/** An optional JSON object of these fields and no others. @throws QuorateError `malformed_request` */
export async function readFields(request: Request, known: readonly string[]): Promise<Record<string, unknown>> {
  const fields = await readObject(request)
  const unknown = Object.keys(fields).find(name => !known.includes(name))
  if (unknown !== undefined) throw new QuorateError('malformed_request', `there is no field '${unknown}' here`)
  return fields
}

async function readObject(request: Request): Promise<Record<string, unknown>> {
  const text = await readShort(request)
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw wrongBody(cause)
  }
  throw wrongBody()
}

async function readShort(request: Request): Promise<string> {
  if (request.body === null) return ''
  const decoder = new TextDecoder()
  const reader = request.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text
    text += decoder.decode(value, { stream: true })
    if (text.length > BODY_CHARACTERS_MAX) {
      await reader.cancel()
      throw wrongBody()
    }
  }
}

function wrongBody(cause?: unknown): QuorateError {
  return new QuorateError('malformed_request', 'the body is a short JSON object', { cause })
}
