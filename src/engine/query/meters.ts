import type { RowSource } from './sources.ts'
import type { Mark, Stage } from './stages.ts'
import { ROW } from './work.ts'
import type { Pull, Work } from './work.ts'

/** Counts what one stage of a run does, as the difference between all that happens in its pulls and what happens below. */
export class StageMeter {
  rows = 0
  #read = 0
  #held = 0
  #heldMax = 0
  readonly #work: Work
  readonly #below: StageMeter | undefined

  /** `below`: the stage that it pulls from. */
  constructor(work: Work, below: StageMeter | undefined) {
    this.#work = work
    this.#below = below
  }

  get read(): number {
    return this.#read - (this.#below === undefined ? 0 : this.#below.#read)
  }

  get heldBytesMax(): number {
    return this.#heldMax
  }

  /** One pull: a pull that throws has done its part, too, and what is below has counted it. */
  meter(pull: () => Pull): Pull {
    const { examined, heldBytes } = this.#work
    try {
      const pulled = pull()
      if (pulled === ROW) this.rows++
      return pulled
    } finally {
      this.#read += this.#work.examined - examined
      this.#held += this.#work.heldBytes - heldBytes
      const own = this.#held - (this.#below === undefined ? 0 : this.#below.#held)
      this.#heldMax = Math.max(this.#heldMax, own)
    }
  }
}

/** The meters of a run, by stage; those of stages that a plan does not have are absent. */
export class QueryMeters {
  readonly #work: Work
  #top: StageMeter | undefined
  scan: StageMeter | undefined
  readonly joins: StageMeter[] = []
  filter: StageMeter | undefined
  groups: StageMeter | undefined
  /** Groups before `having` chose among them. */
  groupCount: () => number = () => 0
  order: StageMeter | undefined
  distinct: StageMeter | undefined

  constructor(work: Work) {
    this.#work = work
  }

  /** A meter on top of those that there are. */
  next(): StageMeter {
    this.#top = new StageMeter(this.#work, this.#top)
    return this.#top
  }
}

/** Rows that are counted on their way. */
export class MeteredSource implements RowSource {
  readonly cells: RowSource['cells']
  readonly #source: RowSource
  readonly #meter: StageMeter

  constructor(source: RowSource, meter: StageMeter) {
    this.cells = source.cells
    this.#source = source
    this.#meter = meter
  }

  pull(): Pull {
    return this.#meter.meter(() => this.#source.pull())
  }
}

/** Rows of the result that are counted on their way. */
export class MeteredStage implements Stage {
  readonly #stage: Stage
  readonly #meter: StageMeter

  constructor(stage: Stage, meter: StageMeter) {
    this.#stage = stage
    this.#meter = meter
  }

  pull(): Pull {
    return this.#meter.meter(() => this.#stage.pull())
  }

  row(): ReturnType<Stage['row']> {
    return this.#stage.row()
  }

  mark(): Mark | undefined {
    return this.#stage.mark()
  }
}
