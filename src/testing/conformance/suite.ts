import { equal } from 'node:assert/strict'
import type { Database } from '../../model/index.ts'
import { auditSection } from './audit-cases.ts'
import { catalogSection } from './catalog-cases.ts'
import { commitSection } from './commit-cases.ts'
import { conditionSection } from './condition-cases.ts'
import { consistencySection } from './consistency-cases.ts'
import type {
  ConformanceContext,
  ConformanceHooks,
  ConformanceOptions,
  ConformanceSection,
  OpenedDatabase,
} from './context.ts'
import { constraintSection } from './constraint-cases.ts'
import { counterSection } from './counter-cases.ts'
import { eventSection } from './event-cases.ts'
import { eventQuerySection } from './event-query-cases.ts'
import { exactlyOnceSection } from './exactly-once-cases.ts'
import { bytes, fails } from './expectations.ts'
import { expirySection } from './expiry-cases.ts'
import { keyValueSection } from './key-value-cases.ts'
import { jobSection } from './job-cases.ts'
import { layerSection } from './layer-cases.ts'
import { lifecycleSection } from './lifecycle-cases.ts'
import { lockSection } from './lock-cases.ts'
import { permissionSection } from './permission-cases.ts'
import { preflightSection } from './preflight-cases.ts'
import { querySection } from './query-cases.ts'
import { referenceSection } from './reference-cases.ts'
import { rowSection } from './row-cases.ts'
import { rowTransactionSection } from './row-transaction-cases.ts'
import { scanScopesSection } from './scan-scopes-cases.ts'
import { tablePermissionSection, tableSection } from './table-cases.ts'
import { tableRuleSection } from './table-rule-cases.ts'
import { tableWatchSection } from './table-watch-cases.ts'
import { transactionSection } from './transaction-cases.ts'
import { quotaSection, usageSection } from './usage-cases.ts'
import { watchSection } from './watch-cases.ts'

/** Every promise of `Database` that one process can check, as data. */
export const conformanceSections: readonly ConformanceSection[] = [
  keyValueSection,
  counterSection,
  expirySection,
  catalogSection,
  permissionSection,
  commitSection,
  transactionSection,
  consistencySection,
  watchSection,
  exactlyOnceSection,
  eventSection,
  eventQuerySection,
  lifecycleSection,
  tableSection,
  rowSection,
  constraintSection,
  referenceSection,
  querySection,
  rowTransactionSection,
  tablePermissionSection,
  tableRuleSection,
  usageSection,
  quotaSection,
  tableWatchSection,
  lockSection,
  preflightSection,
  jobSection,
  layerSection,
  scanScopesSection,
  auditSection,
  conditionSection,
]

/**
 * Registers the suite for one deployment. The database is opened by the first case and closed by the last one; every case has a project
 * of its own, so that one failing case does not fail others. Cases whose hook is not in `hooks` are not registered.
 */
export function conformanceSuite(options: ConformanceOptions): void {
  const { name, open, runner, hooks = [], sections = conformanceSections } = options
  let opening: Promise<OpenedDatabase> | undefined
  let cases = 0
  const opened = (): Promise<OpenedDatabase> => (opening ??= open())
  runner.describe(name, () => {
    for (const section of sections) {
      runner.describe(section.title, () => {
        for (const { name, needs, run } of section.cases) {
          if (needs !== undefined && ![needs].flat().every(hook => hooks.includes(hook))) continue
          const project = `case-${++cases}`
          runner.it(name, async () => run(await contextFor(await opened(), project)))
        }
      })
    }
    runner.it('closes, and answers nothing afterwards', async () => {
      const target = await opened()
      try {
        await requireClosed(target.database)
      } finally {
        await target.close()
      }
    })
  })
}

async function contextFor(target: OpenedDatabase, project: string): Promise<ConformanceContext> {
  const { database } = target
  await database.ddl({ type: 'createProject', project })
  const missing = (hook: keyof ConformanceHooks): Promise<void> =>
    Promise.reject(new Error(`the hook ${hook} was announced, but open() did not give it`))
  return {
    database,
    project,
    kv: database.kv(project),
    hooks: {
      advanceTimeMs: ms => target.advanceTimeMs?.(ms) ?? missing('advanceTimeMs'),
      forgetChanges: () => target.forgetChanges?.() ?? missing('forgetChanges'),
      checkpoint: () => target.checkpoint?.() ?? missing('checkpoint'),
    },
  }
}

async function requireClosed(database: Database): Promise<void> {
  const kv = database.kv('case-1')
  await database.as('somebody').close()
  equal(await kv.get('a key that nobody set'), undefined)
  await database.close()
  await database.close()
  await fails(kv.get('k'), 'closed')
  await fails(kv.set('k', bytes('1')), 'closed')
  await fails(database.view(), 'closed')
  await fails(
    database.transaction(tx => tx.kv('case-1').get('k')),
    'closed',
  )
}
