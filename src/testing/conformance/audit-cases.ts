import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { ConformanceSection } from './context.ts'
import { bytes, fails } from './expectations.ts'

export const auditSection: ConformanceSection = {
  title: 'the audit',
  cases: [
    {
      name: 'tells who may do what, newest first, page by page, to administrators',
      async run({ database, project }) {
        const ann = `${project}-ann`
        const permission = { type: 'kvRead', project, scope: 'app', prefix: bytes('a') } as const
        const granted = await database.ddl({ type: 'grant', caller: ann, permission })
        const revoked = await database.ddl({ type: 'revoke', caller: ann, permission })
        const page = await database.audit({ limit: 1 })
        equal(page.rows.length, 1)
        equal(page.isIntact, true)
        const [row] = page.rows
        deepEqual([row?.seq, row?.kind, row?.actor, row?.code], [revoked.seq, 'revoked', 'root', ''])
        deepEqual(row?.operation, { type: 'revoke', caller: ann, permission })
        equal(row?.hash, page.headHash)
        match(page.headHash, /^[0-9a-f]{64}$/)
        const [before] = (await database.audit({ limit: 1, before: revoked.seq })).rows
        deepEqual([before?.seq, before?.kind], [granted.seq, 'granted'])
        equal(before?.hash, row?.previousHash)
        await fails(database.as(ann).audit(), 'permission_denied')
        await fails(database.as(ann).verifyAudit(), 'permission_denied')
        for (const limit of [0, 1_001, 0.5]) await fails(database.audit({ limit }), 'invalid_argument')
        await fails(database.audit({ before: -1 }), 'invalid_argument')
        await database.ddl({ type: 'grant', caller: ann, permission: { type: 'admin' } })
        equal((await database.as(ann).audit({ limit: 1 })).rows[0]?.kind, 'granted')
      },
    },
    {
      name: 'is verified from its head to its oldest row',
      async run({ database, project }) {
        const grant = (caller: string): ReturnType<typeof database.ddl> =>
          database.ddl({ type: 'grant', caller: `${project}-${caller}`, permission: { type: 'kvRead', project } })
        await grant('a')
        const noted = (await database.audit({ limit: 1 })).headHash
        const { seq } = await grant('b')
        const found = await database.verifyAudit({ knownHash: noted })
        deepEqual([found.isIntact, found.isKnownHashFound, found.newestSeq], [true, true, seq])
        ok(found.checked >= 2 && found.seq >= seq && found.oldestSeq! < seq)
        equal(found.checked, (await database.audit({ limit: 1 })).count)
        equal((await database.verifyAudit({ knownHash: 'ab'.repeat(32) })).isKnownHashFound, false)
        await fails(database.verifyAudit({ knownHash: 'no hash' }), 'invalid_argument')
      },
    },
  ],
}
