import { describe, it } from 'node:test'
import { createDatabase } from '../../src/model/index.ts'
import { conformanceSuite } from '../../src/testing/index.ts'
import { ReferenceCore } from '../model/reference-core.ts'

conformanceSuite({
  name: 'the facade on the reference core',
  runner: { describe, it },
  hooks: ['advanceTimeMs', 'forgetChanges'],
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
