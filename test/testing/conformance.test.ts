import { describe, it } from 'node:test'
import { createDatabase } from '../../src/model/index.ts'
import { conformanceSections, conformanceSuite } from '../../src/testing/index.ts'
import { ReferenceCore } from '../model/reference-core.ts'

const ABSENT: readonly string[] = [
  'a rule of a table',
  'a reference to another table',
  'the audit',
  'what happens to projects, scopes and tables',
  'a condition that does not hold',
]

conformanceSuite({
  name: 'the facade on the reference core',
  runner: { describe, it },
  hooks: ['advanceTimeMs', 'forgetChanges'],
  // The reference has rows and queries, but neither jobs, nor an audit, nor a lifecycle, nor what was found where a condition fails, nor all rules of definitions, nor what follows an update of what is referred to.
  sections: conformanceSections.filter(({ title }) => !ABSENT.includes(title)),
  open() {
    const core = new ReferenceCore()
    return Promise.resolve({
      database: createDatabase(core),
      close: () => Promise.resolve(),
      advanceTimeMs: ms => Promise.resolve(core.advanceTimeMs(ms)),
      forgetChanges: () => Promise.resolve(core.forget()),
    })
  },
})
