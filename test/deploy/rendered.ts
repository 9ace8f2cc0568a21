import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

/** dist/test/deploy/ mirrors test/deploy/. */
export const ROOT: string = fileURLToPath(new URL('../../..', import.meta.url))

/** What `kubectl kustomize` makes of deploy/k8s, by the name of its snapshot. */
export const OVERLAYS: Readonly<Record<string, string>> = {
  base: 'deploy/k8s/base',
  dev: 'deploy/k8s/overlays/dev',
  production: 'deploy/k8s/overlays/production',
}

/** A manifest, as far as tests look into one without knowing its kind. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> }
}

export function readRoot(path: string): string {
  return readFileSync(`${ROOT}/${path}`, 'utf8')
}

function snapshotFile(name: string): string {
  return `${ROOT}/test/deploy/snapshots/${name}.yaml`
}

/** The manifests that an overlay gave when its snapshot was taken. */
export function snapshot(name: string): string {
  return existsSync(snapshotFile(name)) ? readFileSync(snapshotFile(name), 'utf8') : ''
}

export function writeSnapshot(name: string, text: string): void {
  writeFileSync(snapshotFile(name), text)
}

export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text).map(document => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as Manifest
  })
}

/** Why manifests cannot be rendered here; undefined if they can. kubectl has had kustomize 5 since 1.27. */
export function withoutKubectl(): string | undefined {
  const { status, stdout } = spawnSync('kubectl', ['version', '--client', '--output=json'], { encoding: 'utf8' })
  if (status !== 0) return 'there is no kubectl'
  const version = /"kustomizeVersion": "v(\d+)\.[^"]*"/.exec(stdout)
  return Number(version?.[1] ?? 0) >= 5 ? undefined : 'this kubectl has no kustomize 5'
}

/** What `kubectl kustomize DIRECTORY` prints. */
export function render(directory: string): string {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', directory], { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`kubectl kustomize ${directory}: ${stderr}`)
  return stdout
}
