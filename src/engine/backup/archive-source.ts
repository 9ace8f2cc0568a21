import type { File } from '../../platform/index.ts'

/** Where the bytes of an archive come from, in order. */
export interface ArchiveSource {
  /** For messages. */
  readonly name: string
  /** The next `length` bytes; fewer only at the end. */
  take(length: number): Promise<Uint8Array>
}

export function fileSource(file: File): ArchiveSource {
  let at = 0
  return {
    name: file.path,
    async take(length) {
      const bytes = new Uint8Array(length)
      const read = await file.read(bytes, at)
      at += read
      return read < length ? bytes.subarray(0, read) : bytes
    },
  }
}

/** Bytes as they arrive; no more are asked for than are taken. */
export function streamSource(name: string, parts: AsyncIterable<Uint8Array>): ArchiveSource {
  const iterator = parts[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  return {
    name,
    async take(length) {
      const bytes = new Uint8Array(length)
      let used = 0
      while (used < length) {
        if (rest.length === 0) {
          const next = await iterator.next()
          if (next.done === true) return bytes.subarray(0, used)
          rest = next.value
          continue
        }
        const count = Math.min(rest.length, length - used)
        bytes.set(rest.subarray(0, count), used)
        rest = rest.subarray(count)
        used += count
      }
      return bytes
    },
  }
}
