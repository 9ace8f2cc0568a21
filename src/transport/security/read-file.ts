import { QuorateError } from '../../model/index.ts'
import { FileError, type Files } from '../../platform/index.ts'

const FILE_BYTES_MAX = 1 << 20

/**
 * Reads a small configured file whole.
 * @throws QuorateError `configuration_invalid` if it cannot be read or is no UTF-8; the message names the path, never the contents
 */
export async function readConfiguredFile(files: Files, path: string): Promise<string> {
  try {
    const file = await files.open(path, 'read')
    try {
      const bytes = new Uint8Array(file.sizeSync())
      if (bytes.length > FILE_BYTES_MAX) throw invalid(`${path} is larger than ${FILE_BYTES_MAX} bytes`)
      const length = await file.read(bytes, 0)
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length))
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof FileError) throw invalid(`cannot read ${path}: ${error.code}`, error)
    if (error instanceof TypeError) throw invalid(`${path} is not UTF-8`, error)
    throw error
  }
}

export function invalid(message: string, cause?: unknown): QuorateError {
  return new QuorateError('configuration_invalid', message, { cause })
}
