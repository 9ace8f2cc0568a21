import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FIRST_COUNTERS } from '../../src/engine/catalog/index.ts'
import { FEATURE_LEVEL, QuorateError } from '../../src/model/index.ts'
import { Harness, set } from './harness.ts'

const isUnsupported = (error: unknown): boolean => error instanceof QuorateError && error.code === 'unsupported_version'

/** The state of a later version, by all that this one knows. */
async function ofLaterVersion(): Promise<Harness> {
  Object.assign(FIRST_COUNTERS, { featureLevel: FEATURE_LEVEL + 1 })
  try {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1')] })
    await harness.checkpoint()
    return harness
  } finally {
    Object.assign(FIRST_COUNTERS, { featureLevel: FEATURE_LEVEL })
  }
}

describe('a state of a feature level that this version does not know', () => {
  it('is not opened', async () => {
    const harness = await ofLaterVersion()
    await assert.rejects(harness.reopen(), isUnsupported)
  })

  it('is not taken from a peer', async () => {
    const harness = await ofLaterVersion()
    const source = await harness.core.snapshotSource(undefined)
    const empty = await Harness.create()
    await assert.rejects(empty.core.beginInstall(source.manifest), isUnsupported)
  })
})
