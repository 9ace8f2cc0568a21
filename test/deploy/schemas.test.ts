import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { StatefulSet } from 'kubernetes-models/apps/v1'
import { CronJob } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Namespace, Secret, Service, ServiceAccount } from 'kubernetes-models/v1'
import { manifestsOf, OVERLAYS, ROOT, snapshot } from './rendered.ts'
import type { Manifest } from './rendered.ts'

type Model = new (data: never) => { validate(): void }

/** The models of what deploy/k8s consists of, by `apiVersion/kind`. */
const MODELS: Readonly<Record<string, Model>> = {
  'apps/v1/StatefulSet': StatefulSet,
  'batch/v1/CronJob': CronJob,
  'networking.k8s.io/v1/NetworkPolicy': NetworkPolicy,
  'policy/v1/PodDisruptionBudget': PodDisruptionBudget,
  'v1/ConfigMap': ConfigMap,
  'v1/Namespace': Namespace,
  'v1/Secret': Secret,
  'v1/Service': Service,
  'v1/ServiceAccount': ServiceAccount,
}

/** Types and values that a field may have. @throws Error naming the field */
function validate(manifest: Manifest): void {
  const name = `${manifest.apiVersion}/${manifest.kind}`
  const Model = MODELS[name]
  if (Model === undefined) throw new Error(`there is no model for ${name}`)
  new Model(withPlainBase64(manifest) as never).validate()
}

/** kustomize breaks long base64 into lines, which Kubernetes reads and the validator does not know. */
function withPlainBase64(manifest: Manifest): Manifest {
  if (manifest.kind !== 'Secret') return manifest
  const { data = {} } = manifest as { data?: Record<string, string> }
  const plain = Object.entries(data).map(([key, text]) => [key, text.replaceAll(/\s/g, '')] as const)
  return { ...manifest, data: Object.fromEntries(plain) } as Manifest
}

/** Fields that do not exist, which the validators let pass: the compiler's report, empty if all do. */
function unknownFields(directory: string, manifests: readonly Manifest[]): string {
  const lines = manifests.flatMap(({ apiVersion, kind, ...rest }, index) => [
    `import type { I${kind} as Kind${index} } from 'kubernetes-models/${apiVersion}'`,
    `export const manifest${index}: Kind${index} = ${JSON.stringify({ apiVersion, kind, ...rest })}`,
  ])
  writeFileSync(join(directory, 'manifests.ts'), lines.join('\n'))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const settings = '--noEmit --strict --skipLibCheck --module nodenext --target es2023 --types'.split(' ')
  const { stdout } = spawnSync(process.execPath, [compiler, ...settings, '', 'manifests.ts'], {
    cwd: directory,
    encoding: 'utf8',
  })
  return stdout
}

describe('the schemas of Kubernetes', () => {
  let directory = ''
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-manifests-'))
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  })
  after(() => rmSync(directory, { recursive: true }))

  for (const name of Object.keys(OVERLAYS)) {
    it(`hold for each manifest of ${name}`, () => {
      const manifests = manifestsOf(snapshot(name))
      assert.ok(manifests.length >= 7, `${manifests.length} manifests`)
      for (const manifest of manifests) validate(manifest)
      assert.equal(unknownFields(directory, manifests), '')
    })
  }

  it('hold for what docs/operate/backup.md shows', () => {
    const page = readFileSync(join(ROOT, 'docs/operate/backup.md'), 'utf8')
    const manifests = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, text = '']) => manifestsOf(text))
    assert.deepEqual(
      manifests.map(({ kind }) => kind),
      ['CronJob'],
    )
    for (const manifest of manifests) validate(manifest)
    assert.equal(unknownFields(directory, manifests), '')
  })

  it('are asked: a wrong type, a wrong value and a field that does not exist are found', () => {
    const manifests = manifestsOf(snapshot('base'))
    const changed = (kind: string, from: string, to: string): Manifest => {
      const text = JSON.stringify(manifests.find(manifest => manifest.kind === kind))
      assert.ok(text.includes(from), from)
      return JSON.parse(text.replace(from, to)) as Manifest
    }
    assert.throws(() => validate(changed('StatefulSet', '"replicas":3', '"replicas":"3"')), /replicas/)
    assert.throws(() => validate(changed('PodDisruptionBudget', '"AlwaysAllow"', '"Always"')), /unhealthyPodEviction/)
    const misspelt = changed('StatefulSet', '"failureThreshold"', '"failuresThreshold"')
    assert.match(unknownFields(directory, [misspelt]), /failuresThreshold/)
  })
})
