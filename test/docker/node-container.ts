import { GenericContainer } from 'testcontainers'

/** A host port on the loopback, and the container's port behind it. */
export interface Published {
  readonly host: number
  readonly container: number
}

/**
 * A container with the rights that deploy/k8s gives to a pod: no capability, nothing to write but `/data` and `/tmp`, and bounded memory.
 * Its ports are published on 127.0.0.1 alone, which the library has no word for.
 */
export class NodeContainer extends GenericContainer {
  readonly #published: readonly Published[]
  readonly #memoryBytes: number
  readonly #onCreated: (containerId: string) => void

  /** `onCreated`: hears of the container before it starts, whether or not it ever gets ready. */
  constructor(
    image: string,
    published: readonly Published[],
    memoryBytes: number,
    onCreated: (containerId: string) => void,
  ) {
    super(image)
    this.#onCreated = onCreated
    this.#published = published
    this.#memoryBytes = memoryBytes
    this.withExposedPorts(...published)
    this.withTmpFs({ '/tmp': 'rw,size=64m' })
    this.withDroppedCapabilities('ALL')
    this.withSecurityOpt('no-new-privileges')
  }

  protected override beforeContainerCreated(): Promise<void> {
    this.hostConfig.ReadonlyRootfs = true
    this.hostConfig.Memory = this.#memoryBytes
    this.hostConfig.PortBindings = Object.fromEntries(
      this.#published.map(({ host, container }) => [
        `${container}/tcp`,
        [{ HostIp: '127.0.0.1', HostPort: String(host) }],
      ]),
    )
    return Promise.resolve()
  }

  protected override containerCreated(containerId: string): Promise<void> {
    this.#onCreated(containerId)
    return Promise.resolve()
  }
}
