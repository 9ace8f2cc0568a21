import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { IStatefulSet } from 'kubernetes-models/apps/v1'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import type { IConfigMap, IProbe, ISecret, IService, IServiceAccount } from 'kubernetes-models/v1'
import { parse } from 'yaml'
import { loadConfiguration, nodePlatform } from '../../src/node/index.ts'
import type { Configuration } from '../../src/node/index.ts'
import { runWith } from '../cli/run.ts'
import { openTokens, readClusterSecret } from '../../src/transport/security/index.ts'
import { manifestsOf, readRoot, ROOT, snapshot } from './rendered.ts'
import type { Manifest } from './rendered.ts'

const { files } = nodePlatform()
const LABELS = { 'app.kubernetes.io/name': 'quorate' }
/** What the end of a node takes beyond its drain: clients are sent away (2 s), a last checkpoint (5 s), closing. */
const AFTER_DRAIN_SECONDS = 10

/** The manifests of an overlay, by kind and name. */
class Rendered {
  readonly manifests: readonly Manifest[]

  constructor(overlay: string) {
    this.manifests = manifestsOf(snapshot(overlay))
  }

  get<T>(kind: string, name = 'quorate'): T {
    const found = this.manifests.find(manifest => manifest.kind === kind && manifest.metadata.name === name)
    assert.ok(found, `there is no ${kind} ${name}`)
    return found as T
  }

  get set(): IStatefulSet {
    return this.get<IStatefulSet>('StatefulSet')
  }

  get pod(): NonNullable<NonNullable<IStatefulSet['spec']>['template']['spec']> {
    return this.set.spec!.template.spec!
  }

  get container(): (typeof this.pod.containers)[number] {
    assert.equal(this.pod.containers.length, 1)
    return this.pod.containers[0]!
  }

  get namespace(): string {
    return this.set.metadata!.namespace!
  }

  /** The variables of a pod, with what the kubelet puts in. */
  variablesOf(podName: string): Record<string, string> {
    const fields: Record<string, string> = { 'metadata.name': podName, 'metadata.namespace': this.namespace }
    const variables: Record<string, string> = {}
    for (const { name, value, valueFrom } of this.container.env!) {
      const text = value ?? fields[valueFrom!.fieldRef!.fieldPath]
      assert.ok(text !== undefined, name)
      variables[name] = text.replaceAll(/\$\((\w+)\)/g, (_, other: string) => variables[other]!)
    }
    return variables
  }

  /** What a mounted volume is made of. */
  volume(mountPath: string): NonNullable<typeof this.pod.volumes>[number] {
    const mount = this.container.volumeMounts!.find(mount => mount.mountPath === mountPath)
    return this.pod.volumes!.find(({ name }) => name === mount?.name)!
  }

  /** The configuration that `quorate server` finds in a pod. */
  async configurationOf(podName: string): Promise<Configuration> {
    const [command, option, path] = this.container.args!
    assert.deepEqual([command, option], ['server', '--config'])
    const directory = path!.slice(0, path!.lastIndexOf('/'))
    const { data } = this.get<IConfigMap>('ConfigMap', this.volume(directory).configMap!.name)
    const folder = await mkdtemp(join(tmpdir(), 'quorate-manifests-'))
    try {
      const file = join(folder, 'config.yaml')
      await writeFile(file, data![path!.slice(directory.length + 1)]!)
      const args = [command!, option!, file, '--print-config']
      const { code, text, error } = await runWith(this.variablesOf(podName), files, ...args)
      assert.deepEqual([code, error], [0, ''])
      return parse(text) as Configuration
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

const PODS = ['quorate-0', 'quorate-1', 'quorate-2']
const base = new Rendered('base')
const overlays = ['dev', 'production'].map(name => [name, new Rendered(name)] as const)

for (const [name, rendered] of overlays) {
  describe(`the cluster of ${name}`, () => {
    it('has a configuration that the server takes, in each pod with its own name and the same members', async () => {
      const configurations = await Promise.all(PODS.map(pod => rendered.configurationOf(pod)))
      assert.equal(rendered.set.spec!.replicas, PODS.length)
      for (const [index, configuration] of configurations.entries()) {
        assert.equal(configuration.name, PODS[index])
        assert.deepEqual(configuration.members, configurations[0]!.members)
        assert.equal(configuration.insecure, false)
      }
    })

    it('names its members by the names that Kubernetes gives to pods, good in every namespace', async () => {
      const { serviceName } = rendered.set.spec!
      const service = rendered.get<IService>('Service', serviceName)
      assert.deepEqual([service.spec!.clusterIP, service.spec!.publishNotReadyAddresses], ['None', true])
      const { members } = await rendered.configurationOf('quorate-0')
      const host = (pod: string): string => `${pod}.${serviceName}.${rendered.namespace}.svc`
      assert.deepEqual(
        members,
        PODS.map(pod => ({ name: pod, peer: `${host(pod)}:7410`, client: `${host(pod)}:7400` })),
      )
    })

    it('listens where the probes, the services and the policy look', async () => {
      const { client, peer, admin, dataDirectory } = await rendered.configurationOf('quorate-0')
      const ports = new Map(rendered.container.ports!.map(({ name, containerPort }) => [String(name), containerPort]))
      const own = { client: client.port, peer: peer.port, admin: admin.port }
      assert.deepEqual(Object.fromEntries(ports), own)
      for (const host of [client.host, peer.host, admin.host]) assert.equal(host, '0.0.0.0')
      const services = rendered.manifests.filter(({ kind }) => kind === 'Service') as unknown as IService[]
      for (const { spec } of services) {
        for (const { port, targetPort } of spec!.ports!) assert.equal(port, ports.get(String(targetPort)))
      }
      const { egress } = rendered.get<INetworkPolicy>('NetworkPolicy').spec!
      // `kubectl exec` of a command in one pod asks all of them, and hands leadership over at the admin port of the one that leads.
      assert.deepEqual(egress![0], {
        ports: [client, peer, admin].map(({ port }) => ({ port, protocol: 'TCP' })),
        to: [{ podSelector: { matchLabels: LABELS } }],
      })
      const mounted = rendered.container.volumeMounts!.find(({ mountPath }) => mountPath === dataDirectory)!
      assert.deepEqual(
        rendered.set.spec!.volumeClaimTemplates!.map(({ metadata }) => metadata!.name),
        [mounted.name],
      )
    })

    it('keeps heap and pages together within 70 % of a memory that it is sure of', async () => {
      const { limits, requests } = rendered.container.resources!
      assert.equal(limits!['memory'], requests!['memory'])
      assert.equal(limits!['cpu'], undefined, 'a throttled node misses its heartbeats')
      const { NODE_OPTIONS } = rendered.variablesOf('quorate-0')
      const heapMebibytes = Number(/^--max-old-space-size=(\d+)$/.exec(NODE_OPTIONS!)![1])
      const { storage } = await rendered.configurationOf('quorate-0')
      const limitBytes = bytesOf(String(limits!['memory']))
      assert.ok(heapMebibytes * 2 ** 20 + storage.budgetBytes <= 0.7 * limitBytes)
    })

    it('has the time that a node needs to stop in order', async () => {
      const { drainSeconds } = await rendered.configurationOf('quorate-0')
      const [sleep, seconds] = rendered.container.lifecycle!.preStop!.exec!.command!
      assert.equal(sleep, 'sleep')
      const { terminationGracePeriodSeconds } = rendered.pod
      assert.ok(Number(seconds) + drainSeconds + AFTER_DRAIN_SECONDS <= terminationGracePeriodSeconds!)
    })

    it('is in a namespace that holds pods to the strictest standard', () => {
      const [namespace] = manifestsOf(readRoot(`deploy/k8s/overlays/${name}/namespace.yaml`))
      assert.equal(namespace!.metadata.name, rendered.namespace)
      assert.equal(namespace!.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted')
      for (const { kind, metadata } of rendered.manifests) {
        // Whoever deletes what an overlay renders would delete the volumes with the namespace.
        if (kind === 'Namespace') assert.equal(name, 'dev')
        else assert.equal(metadata.namespace, rendered.namespace, `${kind} ${metadata.name}`)
      }
    })

    it('is what commands in a pod talk to', async () => {
      const { members } = await rendered.configurationOf('quorate-0')
      const { QUORATE_ENDPOINTS } = rendered.variablesOf('quorate-0')
      const suffix = `.${rendered.namespace}.svc:`
      assert.equal(QUORATE_ENDPOINTS, members.map(({ client }) => client.replace(suffix, ':')).join(','))
    })
  })
}

describe('the pods', () => {
  const { pod, container, set } = base

  it('are asked for what only this process can tell before they are restarted, and for readiness before they serve', () => {
    const paths = [container.startupProbe!, container.livenessProbe!, container.readinessProbe!].map(pathOf)
    assert.deepEqual(paths, ['/startupz', '/livez', '/readyz'])
    assert.ok(secondsOf(container.startupProbe!) >= 1_800, 'a replay may take long')
    assert.ok(secondsOf(container.livenessProbe!) >= 60, 'a busy node is not a dead one')
    assert.ok(secondsOf(container.readinessProbe!) <= 10)
  })

  it('start together and are replaced one by one, and their volumes stay', () => {
    const { podManagementPolicy, updateStrategy, persistentVolumeClaimRetentionPolicy, minReadySeconds } = set.spec!
    assert.deepEqual([podManagementPolicy, updateStrategy!.type], ['Parallel', 'RollingUpdate'])
    assert.deepEqual(persistentVolumeClaimRetentionPolicy, { whenDeleted: 'Retain', whenScaled: 'Retain' })
    assert.ok(minReadySeconds! >= 10)
    const { maxUnavailable, unhealthyPodEvictionPolicy } = base.get<IPodDisruptionBudget>('PodDisruptionBudget').spec!
    assert.deepEqual([maxUnavailable, unhealthyPodEvictionPolicy], [1, 'AlwaysAllow'])
  })

  it('run as the user of the image, without rights, on a root file system that nobody writes', () => {
    const { runAsNonRoot, runAsUser, runAsGroup, fsGroup, seccompProfile } = pod.securityContext!
    assert.match(readRoot('Dockerfile'), new RegExp(`^USER ${runAsUser}:${runAsGroup}$`, 'm'))
    assert.deepEqual([runAsNonRoot, fsGroup, seccompProfile!.type], [true, runAsGroup, 'RuntimeDefault'])
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  it('have no token of Kubernetes, and no variables of services that would be read as settings', () => {
    assert.deepEqual([pod.automountServiceAccountToken, pod.enableServiceLinks], [false, false])
    const account = base.get<IServiceAccount>('ServiceAccount', pod.serviceAccountName)
    assert.equal(account.automountServiceAccountToken, false)
  })

  it('are the ones that services, budget, policy and spreading select', () => {
    assert.deepEqual(set.spec!.template.metadata!.labels, LABELS)
    for (const name of ['quorate', 'quorate-peers'])
      assert.deepEqual(base.get<IService>('Service', name).spec!.selector, LABELS)
    const selectors = [
      set.spec!.selector,
      base.get<IPodDisruptionBudget>('PodDisruptionBudget').spec!.selector!,
      base.get<INetworkPolicy>('NetworkPolicy').spec!.podSelector,
      ...pod.topologySpreadConstraints!.map(({ labelSelector }) => labelSelector!),
    ]
    for (const { matchLabels } of selectors) assert.deepEqual(matchLabels, LABELS)
  })

  it('let only each other on the port for peers', () => {
    const { ingress, policyTypes } = base.get<INetworkPolicy>('NetworkPolicy').spec!
    assert.deepEqual(policyTypes, ['Ingress', 'Egress'])
    const peer = ingress!.filter(({ ports }) => ports!.some(({ port }) => port === 'peer'))
    assert.deepEqual(
      peer.map(({ from }) => from),
      [[{ podSelector: { matchLabels: LABELS } }]],
    )
  })

  it('share no machine in production', () => {
    const constraints = overlays[1]![1].pod.topologySpreadConstraints!
    const byHost = constraints.find(({ topologyKey }) => topologyKey === 'kubernetes.io/hostname')
    assert.deepEqual([byHost!.whenUnsatisfiable, byHost!.maxSkew, constraints.length], ['DoNotSchedule', 1, 2])
  })

  it('read secrets that their group may read, and that nobody finds in this repository but the ones of dev', async () => {
    for (const [name, rendered] of overlays) {
      const { secret } = rendered.volume('/etc/quorate/auth')
      assert.equal(secret!.defaultMode, 0o440)
      const isHere = rendered.manifests.some(({ kind }) => kind === 'Secret')
      assert.equal(isHere, name === 'dev')
      if (isHere)
        assert.deepEqual(Object.keys(rendered.get<ISecret>('Secret', secret!.secretName).data!), [
          'secret',
          'tokens.yaml',
        ])
    }
    assert.ok((await readClusterSecret(files, `${ROOT}/deploy/k8s/overlays/dev/secret`)).length >= 16)
    const tokens = await openTokens(files, `${ROOT}/deploy/k8s/overlays/dev/tokens.yaml`)
    assert.deepEqual(tokens.holderOf('known-to-everybody')?.roles, ['client', 'admin'])
  })
})

describe('the image', () => {
  it('says the version of the package', () => {
    const { version } = JSON.parse(readRoot('package.json')) as { version: string }
    assert.match(readRoot('Dockerfile'), new RegExp(`^ARG VERSION=${version.replaceAll('.', '\\.')}$`, 'm'))
    assert.equal(overlays[1]![1].container.image, `quorate:${version}`)
  })

  it('is told by default what the pods are told, but for tokens and secret', async () => {
    const file = `${ROOT}/deploy/docker/config.yaml`
    const own = await loadConfiguration({ files, file, variables: {}, flags: {} })
    const { client, peer, admin, dataDirectory } = await overlays[1]![1].configurationOf('quorate-0')
    assert.deepEqual([own.client, own.peer, own.admin, own.dataDirectory], [client, peer, admin, dataDirectory])
  })
})

function pathOf(probe: IProbe): string {
  assert.equal(probe.httpGet!.port, 'admin')
  return probe.httpGet!.path!
}

/** How long a probe may fail before it counts. */
function secondsOf({ periodSeconds, failureThreshold }: IProbe): number {
  return periodSeconds! * failureThreshold!
}

function bytesOf(quantity: string): number {
  const [, amount, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity)!
  return Number(amount) * (unit === 'Gi' ? 2 ** 30 : 2 ** 20)
}
