import { GenericContainer, getContainerRuntimeClient, Network } from 'testcontainers'
import type { ContainerRuntimeClient, StartedNetwork } from 'testcontainers'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

/** The repository; dist/test/docker/ mirrors test/docker/. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const LABEL = 'quorate.suite'

/** What testcontainers is told by variables: nothing that pulls an image of its own, and 127.0.0.1 as the place of published ports. */
process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1'

/** Everything that one run of the suite makes in an engine; `remove` removes it, whatever became of it. */
export class Engine {
  readonly runtime: ContainerRuntimeClient
  readonly network: StartedNetwork
  readonly label: Readonly<Record<string, string>>
  readonly #id: string

  private constructor(runtime: ContainerRuntimeClient, network: StartedNetwork, id: string) {
    this.runtime = runtime
    this.network = network
    this.label = { [LABEL]: id }
    this.#id = id
  }

  /** @returns undefined where no engine answers */
  static async find(): Promise<Engine | undefined> {
    const runtime = await getContainerRuntimeClient().catch(() => undefined)
    if (runtime === undefined) return undefined
    return new Engine(runtime, await new Network().start(), randomBytes(4).toString('hex'))
  }

  /** Builds the Dockerfile; images of different versions differ in their label alone. @returns its name */
  async build(version: string): Promise<string> {
    const name = `quorate-suite:${this.#id}-${version}`
    const baseImage = process.env['BASE_IMAGE']
    await GenericContainer.fromDockerfile(ROOT)
      .withBuildArgs({ VERSION: version, ...(baseImage !== undefined && { BASE_IMAGE: baseImage }) })
      .withCache(true)
      .build(name, { deleteOnExit: false })
    return name
  }

  /** @returns its name */
  async createVolume(purpose: string): Promise<string> {
    const name = `quorate-${this.#id}-${purpose}`
    await this.docker.createVolume({ Name: name, Labels: this.label })
    return name
  }

  get docker(): ContainerRuntimeClient['container']['dockerode'] {
    return this.runtime.container.dockerode
  }

  /** Bytes that an image adds to the one that it begins with. */
  async ownBytes(image: string): Promise<number> {
    const layers = (await this.docker.getImage(image).history()) as { CreatedBy: string; Size: number }[]
    const own = layers.findIndex(({ CreatedBy }) => CreatedBy.includes('ARG VERSION'))
    return layers.slice(0, own + 1).reduce((sum, { Size }) => sum + Size, 0)
  }

  /** What cannot be removed is told, and keeps nothing else from being removed. */
  async remove(): Promise<void> {
    const filters = { label: [`${LABEL}=${this.#id}`] }
    const attempt = (work: Promise<unknown>): Promise<unknown> =>
      work.catch((error: unknown) => console.error(`something is left in the engine: ${String(error)}`))
    for (const { Id } of await this.docker.listContainers({ all: true, filters })) {
      await attempt(this.docker.getContainer(Id).remove({ force: true, v: true }))
    }
    const { Volumes } = await this.docker.listVolumes({ filters })
    for (const { Name } of Volumes) await attempt(this.docker.getVolume(Name).remove())
    for (const { Id } of await this.docker.listImages({ filters: { reference: [`quorate-suite:${this.#id}-*`] } })) {
      await attempt(this.docker.getImage(Id).remove({ force: true }))
    }
    await attempt(this.network.stop())
  }
}
