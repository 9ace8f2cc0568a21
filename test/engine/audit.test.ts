import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl } from '../../src/encoding/index.ts'
import type { AuditPage } from '../../src/model/index.ts'
import { auditKey } from '../../src/engine/layers.ts'
import { readAudit } from '../../src/engine/audit.ts'
import { compareBytes } from '../../src/encoding/index.ts'
import type { RecordReader, StoredRecord } from '../../src/engine/record-store.ts'
import { recordsOf } from './dump.ts'
import { at, bytes, Harness, set } from './harness.ts'

/** Ops may impersonate, ann may read and write keys, bob may do nothing. */
async function world(settings: Record<string, number> = {}): Promise<Harness> {
  const harness = await Harness.withProject()
  const grant = (caller: string, permission: object): object => ({
    type: 'ddl',
    operation: { type: 'grant', caller, permission },
  })
  const mutations = [
    grant('ops', { type: 'impersonate' }),
    grant('ann', { type: 'kvRead', project: 'p' }),
    grant('ann', { type: 'kvWrite', project: 'p' }),
    ...Object.entries(settings).map(([name, value]) => ({
      type: 'ddl',
      operation: { type: 'setSetting', name, value },
    })),
  ]
  const made = await harness.commit({ mutations: mutations as never })
  assert.equal(made.status, 'committed', JSON.stringify(made))
  return harness
}

const rowsOf = async (harness: Harness): Promise<object[]> =>
  (await harness.core.auditRows(100, Number.MAX_SAFE_INTEGER)).rows
    .filter(({ kind }) => kind === 'impersonated' || kind === 'denied')
    .map(({ kind, actor, caller, code }) => ({ kind, actor, caller, code }))

describe('audit rows', () => {
  it('tell who acted in whose name, and whether it was refused', async () => {
    const harness = await world()
    const { session } = await harness.openSession({ caller: 'ops' })
    await harness.commit({ mutations: [set('a', '1')] }, { session, serial: 1, caller: 'ann' })
    await harness.commit({ mutations: [set('a', '2')] }, { session, serial: 2, caller: 'bob' })
    const increment = { type: 'kvIncrement', project: 'p', key: Uint8Array.of(99), by: 1n, width: 64 } as never
    await harness.commit({ mutations: [increment] }, { session, serial: 3, caller: 'ann' })
    assert.deepEqual(await rowsOf(harness), [
      { kind: 'impersonated', actor: 'ops', caller: 'ann', code: '' },
      { kind: 'impersonated', actor: 'ops', caller: 'bob', code: 'permission_denied' },
      { kind: 'impersonated', actor: 'ops', caller: 'ann', code: '' },
    ])
    const [newest] = (await harness.core.auditRows(1, Number.MAX_SAFE_INTEGER)).rows
    assert.deepEqual([newest?.seq, newest?.timeMicros], [harness.core.appliedSeq, harness.timeMicros])
    const older = (await harness.core.auditRows(2, newest!.seq)).rows
    assert.deepEqual([older.length, older[0]!.seq], [2, newest!.seq - 1])
  })

  it('are not made for what a caller does in its own name, for refusals only where they are wanted', async () => {
    const harness = await world()
    const ann = await harness.openSession({ caller: 'ann' })
    await harness.commit({ mutations: [set('a', '1')] }, { session: ann.session, serial: 1, caller: 'ann' })
    await harness.commit({ mutations: [set('a', '1')] }, { caller: 'bob' })
    await harness.commit({ mutations: [set('a', '1')] }, { session: ann.session, serial: 2, caller: 'bob' })
    assert.deepEqual(await rowsOf(harness), [])
    const strict = await world({ auditRefusals: 1 })
    const bob = await strict.openSession({ caller: 'bob' })
    await strict.commit({ mutations: [set('a', '1')] }, { session: bob.session, serial: 1, caller: 'bob' })
    await strict.commit({ mutations: [set('a', '1')] }, { session: bob.session, serial: 2, caller: 'ann' })
    assert.deepEqual(await rowsOf(strict), [
      { kind: 'denied', actor: 'bob', caller: 'ann', code: 'permission_denied' },
      { kind: 'denied', actor: 'bob', caller: 'bob', code: 'permission_denied' },
    ])
  })

  it('are bounded: the oldest go, also when the bound falls, and none are kept where it is 0', async () => {
    const harness = await world({ auditRowsMax: 10 })
    const { session } = await harness.openSession({ caller: 'ops' })
    let serial = 0
    const act = async (): Promise<unknown> =>
      harness.commit({ mutations: [set('a', '1')] }, { session, serial: ++serial, caller: 'ann' })
    for (let i = 0; i < 25; i++) await act()
    const kept = (await harness.core.auditRows(100, Number.MAX_SAFE_INTEGER)).rows
    assert.equal(kept.length, 10)
    assert.equal(kept[0]!.seq, harness.core.appliedSeq)
    assert.equal(kept.at(-1)!.seq, harness.core.appliedSeq - 9)
    const bound = async (value: number): Promise<unknown> =>
      harness.commit({
        mutations: [{ type: 'ddl', operation: { type: 'setSetting', name: 'auditRowsMax', value } }] as never,
      })
    await bound(3)
    for (let i = 0; i < 5; i++) await act()
    assert.equal((await harness.core.auditRows(100, Number.MAX_SAFE_INTEGER)).rows.length, 3)
    await bound(0)
    for (let i = 0; i < 5; i++) await act()
    assert.deepEqual(await rowsOf(harness), [])
  })

  it('are part of the state: a copy of an entry adds none, replicas have the same, and a restart keeps them', async () => {
    const harness = await world()
    const { session } = await harness.openSession({ caller: 'ops' })
    for (let i = 0; i < 2; i++) {
      await harness.commit({ mutations: [set('a', '1')] }, { session, serial: 1, caller: 'ann' })
    }
    assert.equal((await rowsOf(harness)).length, 1)
    const other = await Harness.create({ pageBytes: 4096 })
    other.entries.push(...harness.entries)
    await other.applyAll(3)
    assert.deepEqual(await rowsOf(other), await rowsOf(harness))
    assert.equal(other.digest(), harness.digest())
    await harness.checkpoint()
    assert.equal((await rowsOf(await harness.reopen())).length, 1)
  })
})

const page = (harness: Harness, limit = 100, before = Number.MAX_SAFE_INTEGER): Promise<AuditPage> =>
  harness.core.auditRows(limit, before)

async function ddl(harness: Harness, caller: string, ...operations: Ddl[]): Promise<void> {
  const mutations = operations.map(operation => ({ type: 'ddl', operation }) as const)
  const outcome = await harness.commit({ mutations }, { caller })
  assert.equal(outcome.status, 'committed', JSON.stringify(outcome))
}

/** The records of the audit layer, by key in hexadecimal digits. */
async function auditRecords(harness: Harness): Promise<Map<string, Uint8Array>> {
  const records = (await recordsOf(harness)).filter(record => record.startsWith('03'))
  return new Map(records.map(record => [record.split(': ')[0]!, Buffer.from(record.split(': ')[1]!, 'hex')]))
}

function readerOf(records: ReadonlyMap<string, Uint8Array>): RecordReader {
  const stored = (value: Uint8Array): StoredRecord => ({ value, versionSeq: 1, createdSeq: 1, expiresAtMicros: 0 })
  const get = (key: Uint8Array): StoredRecord | undefined => {
    const value = records.get(Buffer.from(key).toString('hex'))
    return value === undefined ? undefined : stored(value)
  }
  return {
    get,
    metadata: get,
    walk(start, end, reverse, visit) {
      const keys = [...records.keys()].sort().map(key => Buffer.from(key, 'hex'))
      if (reverse) keys.reverse()
      for (const key of keys) {
        if (compareBytes(key, start) < 0 || (end !== undefined && compareBytes(key, end) >= 0)) continue
        const record = get(key)!
        if (!visit(key, record, () => record.value)) return
      }
    },
  }
}

describe('audit rows of access', () => {
  const permission = { type: 'kvWrite', project: 'p', scope: 'app', prefix: bytes('a') } as const
  const table = { project: 'p', scope: 'app', table: 't' } as const
  const definition = { columns: [{ name: 'id', type: 'integer' }], primaryKey: ['id'] } as const
  const policy = { op: 'eq', column: 'id', value: 1 } as const

  it('say who changed which permission, policy and owner, every one of an envelope', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, 'root', { type: 'createTable', ...table, ...definition })
    const changes: Ddl[] = [
      { type: 'grant', caller: 'ann', permission },
      { type: 'grant', caller: 'bob', permission, delegable: true },
      { type: 'revoke', caller: 'ann', permission },
      { type: 'setReadPolicy', ...table, policy },
      { type: 'clearReadPolicy', ...table },
      { type: 'transferOwnership', ...table, to: 'ann' },
      { type: 'setSetting', name: 'auditRefusals', value: 1 },
    ]
    await ddl(harness, 'root', { type: 'setSetting', name: 'tickKeysMax', value: 7 }, ...changes)
    const seq = harness.core.appliedSeq
    // What changes nothing, or is refused, is not told.
    await ddl(harness, 'root', { type: 'revoke', caller: 'ann', permission })
    await harness.refusal({ mutations: [{ type: 'ddl', operation: changes[0]! }, set('k', 'x'.repeat(8_000_000))] })
    const { rows, isIntact, count } = await page(harness)
    assert.deepEqual([isIntact, count], [true, changes.length])
    const kinds = ['granted', 'granted', 'revoked', 'policySet', 'policyCleared', 'ownerChanged', 'settingChanged']
    assert.deepEqual(
      rows.toReversed().map(({ seq, kind, actor, caller, operation }) => ({ seq, kind, actor, caller, operation })),
      changes.map((operation, i) => ({ seq, kind: kinds[i], actor: 'root', caller: 'root', operation })),
    )
    assert.equal((await page(harness, 1)).rows.length, changes.length, 'an entry is answered whole')
  })

  it('name who really acted, beside the row of the impersonation', async () => {
    const harness = await world()
    await ddl(harness, 'root', { type: 'grant', caller: 'ann', permission: { type: 'admin' } })
    const { session } = await harness.openSession({ caller: 'ops' })
    const operation = { type: 'grant', caller: 'eve', permission: { type: 'admin' } } as const
    await harness.commit({ mutations: [{ type: 'ddl', operation }] }, { session, serial: 1, caller: 'ann' })
    const { rows, isIntact } = await page(harness, 1)
    assert.deepEqual(
      [isIntact, rows.map(({ kind, actor, caller }) => [kind, actor, caller])],
      [
        true,
        [
          ['granted', 'ops', 'ann'],
          ['impersonated', 'ops', 'ann'],
        ],
      ],
    )
  })

  it('tell failed assertions where they are wanted: which, and what was found', async () => {
    const harness = await Harness.withProject()
    const fail = async (): Promise<void> => {
      const exists = { type: 'keyExists', ...at('a'), expected: true } as const
      const version = { type: 'keyVersion', ...at('a'), seq: 1 } as const
      assert.equal(
        await harness.refusal({ assertions: [exists, version], mutations: [set('a', '2')] }),
        'assertion_failed',
      )
    }
    await harness.commit({ mutations: [set('a', '1')] })
    const actualSeq = harness.core.appliedSeq
    await fail()
    assert.equal((await page(harness)).count, 0)
    await ddl(harness, 'root', { type: 'setSetting', name: 'auditAssertions', value: 1 })
    await fail()
    const { rows, isIntact } = await page(harness)
    const [row] = rows
    assert.deepEqual(
      [isIntact, row?.kind, row?.caller, row?.code, row?.assertion],
      [true, 'assertionFailed', 'root', 'assertion_failed', { index: 1, actualSeq }],
    )
  })

  it('form a chain that survives pruning, a restart, and the time without rows', async () => {
    const harness = await world({ auditRowsMax: 10 })
    const act = async (i: number): Promise<void> =>
      ddl(
        harness,
        'root',
        { type: 'grant', caller: `c${i}`, permission },
        { type: 'revoke', caller: `c${i}`, permission },
      )
    for (let i = 0; i < 20; i++) await act(i)
    const { rows, isIntact, headHash } = await page(harness)
    assert.deepEqual([rows.length, isIntact, rows[0]!.hash], [10, true, headHash])
    for (let i = 1; i < rows.length; i++) assert.equal(rows[i - 1]!.previousHash, rows[i]!.hash)
    await harness.checkpoint()
    const again = await harness.reopen()
    assert.deepEqual(await page(again), await page(harness).catch(() => page(again)))
    await ddl(again, 'root', { type: 'setSetting', name: 'auditRowsMax', value: 0 })
    for (let i = 0; i < 3; i++) await ddl(again, 'root', { type: 'grant', caller: `d${i}`, permission })
    assert.equal((await page(again)).rows.length, 0)
    const gap = (await page(again)).headHash
    await ddl(again, 'root', { type: 'setSetting', name: 'auditRowsMax', value: 5 })
    const [first] = (await page(again)).rows
    assert.deepEqual([first?.kind, first?.previousHash], ['settingChanged', gap])
  })

  it('show that a row was changed, left out or forged, wherever it is', async () => {
    const harness = await Harness.withProject()
    for (const caller of ['a', 'b', 'c']) await ddl(harness, 'root', { type: 'grant', caller, permission })
    const last = harness.core.appliedSeq
    await harness.checkpoint()
    const records = await auditRecords(harness)
    assert.equal(readAudit(readerOf(records), 10, Number.MAX_SAFE_INTEGER).isIntact, true)
    const keyOf = (seq: number): string => Buffer.from(auditKey(seq, 0)).toString('hex')
    const tampered: [string, (copy: Map<string, Uint8Array>) => unknown][] = []
    for (const seq of [last - 2, last - 1, last]) {
      const value = records.get(keyOf(seq))!
      const changed = value.slice()
      changed[12]! ^= 1
      tampered.push([`changed ${seq}`, copy => copy.set(keyOf(seq), changed)])
      if (seq !== last - 2) tampered.push([`left out ${seq}`, copy => copy.delete(keyOf(seq))])
      tampered.push([`moved ${seq}`, copy => copy.delete(keyOf(seq)) && copy.set(keyOf(seq) + '00', value)])
      tampered.push([
        `without a chain ${seq}`,
        copy => copy.set(keyOf(seq), Uint8Array.of(1, 3, ...value.slice(2, 27))),
      ])
    }
    for (const [what, tamper] of tampered) {
      const copy = new Map(records)
      tamper(copy)
      assert.equal(readAudit(readerOf(copy), 10, Number.MAX_SAFE_INTEGER).isIntact, false, what)
    }
  })
})
