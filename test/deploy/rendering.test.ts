import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OVERLAYS, render, snapshot, withoutKubectl, writeSnapshot } from './rendered.ts'

const missing = withoutKubectl()
/** `QUORATE_SNAPSHOTS=write` takes the snapshots anew. */
const isWriting = process.env['QUORATE_SNAPSHOTS'] === 'write'

describe('kubectl kustomize', { skip: missing && `${missing}: what deploy/k8s renders to was not compared` }, () => {
  for (const [name, directory] of Object.entries(OVERLAYS)) {
    it(`renders ${directory} as its snapshot`, () => {
      const rendered = render(directory)
      if (isWriting) writeSnapshot(name, rendered)
      assert.equal(rendered, snapshot(name))
    })
  }
})
