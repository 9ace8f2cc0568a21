import {
  KV_EXPIRY_PREFIX,
  kvExpiryKey,
  kvKeyOfExpiry,
  kvPrefix,
  readU32BE,
  readU64BE,
  ROW_EXPIRY_PREFIX,
  rowExpiryKey,
  rowKeyOfExpiry,
} from '../layers.ts'
import { rowsPrefix } from '../tables/index.ts'
import { KeySum, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/** One kind of records that expire. */
interface Expiring {
  readonly what: string
  readonly prefix: Uint8Array
  readonly spaces: readonly Uint8Array[]
  /** Ids of the scopes or tables; what a job is removing loses both sides in its own order. */
  readonly ids: ReadonlySet<number>
  readonly expiryKey: (expiresAtMicros: number, key: Uint8Array) => Uint8Array
  readonly keyOf: (expiry: Uint8Array) => Uint8Array
}

/** Whatever expires is in the order of expiry, at its own time, and nothing else is. */
export async function checkExpiries(inspected: Inspected): Promise<void> {
  const { catalog } = inspected.state
  const scopes = [...catalog.projectsById.values()].flatMap(({ scopes: own }) => [...own.values()].map(({ id }) => id))
  const tables = scopes.flatMap(id => catalog.tables(id).map(table => table.id))
  await checkKind(inspected, {
    what: 'key',
    prefix: KV_EXPIRY_PREFIX,
    spaces: scopes.map(kvPrefix),
    ids: new Set(scopes),
    expiryKey: kvExpiryKey,
    keyOf: kvKeyOfExpiry,
  })
  await checkKind(inspected, {
    what: 'row',
    prefix: ROW_EXPIRY_PREFIX,
    spaces: tables.map(rowsPrefix),
    ids: new Set(tables),
    expiryKey: rowExpiryKey,
    keyOf: rowKeyOfExpiry,
  })
}

async function checkKind(inspected: Inspected, kind: Expiring): Promise<void> {
  const { reader } = inspected
  const { prefix, spaces, ids, expiryKey, keyOf } = kind
  const [expected, actual] = [new KeySum(), new KeySum()]
  for (const space of spaces) {
    await walkRecords(reader, space, (key, { expiresAtMicros }) => {
      if (expiresAtMicros !== 0) expected.add(expiryKey(expiresAtMicros, key))
    })
  }
  await walkRecords(reader, prefix, key => {
    if (ids.has(readU32BE(keyOf(key), 1))) actual.add(key)
  })
  if (!expected.equals(actual)) await locate(inspected, kind)
}

async function locate({ reader, findings }: Inspected, kind: Expiring): Promise<void> {
  const { what, prefix, spaces, ids, expiryKey, keyOf } = kind
  for (const space of spaces) {
    await walkRecords(reader, space, (key, { expiresAtMicros }) => {
      if (expiresAtMicros === 0 || reader.metadata(expiryKey(expiresAtMicros, key)) !== undefined) return
      findings.add('expiry', `the ${what} expires at ${expiresAtMicros}, and nothing would remove it`, {}, key)
    })
  }
  await walkRecords(reader, prefix, key => {
    const expiring = keyOf(key)
    if (!ids.has(readU32BE(expiring, 1))) return
    if (reader.metadata(expiring)?.expiresAtMicros === readU64BE(key, 2)) return
    findings.add('expiry', `no ${what} expires then`, {}, key)
  })
}
