import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedCrash, SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'

/** A small embedded engine, which takes checkpoints only when it is told to. */
export const ENGINE_OPTIONS = {
  pageBytes: 4096,
  budgetBytes: 256 << 10,
  segmentBytes: 32 << 10,
  checkpointLogBytes: 1 << 20,
} as const

/** A machine whose disk tears sectors in two, so that whatever is being written can be left bad by a loss of power. */
export class EngineMachine {
  readonly world: SimulatedWorld
  readonly machine: SimulatedMachine

  constructor(ownSeed: number) {
    this.world = new SimulatedWorld({ seed: ownSeed, drainMicrotasks })
    this.machine = new SimulatedMachine(this.world, { name: 'one', disk: { tear: 'byte' } })
  }

  /** Runs `task` on virtual time; undefined if the machine died meanwhile. */
  async run<T>(task: Promise<T>): Promise<T | undefined> {
    const run = { isOver: false }
    const settle = (): void => void (run.isOver = true)
    task.then(settle, settle)
    while (!run.isOver && this.machine.process !== undefined) await this.world.step(this.world.nowMs + 10_000)
    if (!run.isOver) return undefined
    try {
      return await task
    } catch (error) {
      if (isCrash(error)) return undefined
      throw error
    }
  }
}

export function isCrash(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) if (each instanceof SimulatedCrash) return true
  return false
}
