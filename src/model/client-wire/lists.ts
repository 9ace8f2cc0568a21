import { MalformedBytes, type ByteReader } from '../../encoding/index.ts'

/** A count of items of at least `itemBytes` each that what is left can hold: bounds what a decoder allocates. */
export function readCount(reader: ByteReader, itemBytes: number): number {
  const count = reader.u32()
  if (count * itemBytes > reader.remaining) throw new MalformedBytes(`${count} items in ${reader.remaining} bytes`)
  return count
}

export function readList<T>(reader: ByteReader, itemBytesMin: number, read: (reader: ByteReader) => T): T[] {
  const count = readCount(reader, itemBytesMin)
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(read(reader))
  return items
}

export function readBoolean(reader: ByteReader): boolean {
  const value = reader.u8()
  if (value > 1) throw new MalformedBytes(`boolean ${value}`)
  return value === 1
}
