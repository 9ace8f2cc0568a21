import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { Codec, Entry, KeyValueOptions } from '../database.ts'
import { requireName } from '../names.ts'
import type { KvEntry } from '../reads.ts'
import { requireKeyBytes, requireValueBytes } from './arguments.ts'
import { bytesCodec, textCodec } from './codecs.ts'

/** The keys of a scope and how they and their values are written. */
export class Space<K, V> {
  readonly project: string
  readonly scope: string
  readonly keys: Codec<K>
  readonly values: Codec<V>

  /** @throws QuorateError `invalid_name` */
  constructor(project: string, options: KeyValueOptions<K, V> = {}) {
    this.project = project
    this.scope = options.scope ?? DEFAULT_SCOPE
    requireName('project', project)
    requireName('scope', this.scope)
    // Without codecs K is string and V is Uint8Array, by the defaults of the type parameters.
    this.keys = options.key ?? (textCodec as unknown as Codec<K>)
    this.values = options.value ?? (bytesCodec as unknown as Codec<V>)
  }

  encodeKey(key: K): Uint8Array {
    return requireKeyBytes(this.keys.encode(key))
  }

  encodeValue(value: V): Uint8Array {
    return requireValueBytes(this.values.encode(value))
  }

  decodeEntry(record: KvEntry): Entry<K, V> {
    return {
      key: this.keys.decode(record.key),
      value: this.values.decode(record.value),
      seq: record.seq,
      createdSeq: record.createdSeq,
      expiresAtMicros: record.expiresAtMicros,
    }
  }
}
