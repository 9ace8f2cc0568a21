import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { createLog, startLogWriter } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'
import { setLogMutants } from '../../src/log/mutants.ts'
import type { Files, Job, Thread, Threads } from '../../src/platform/index.ts'
import { SimulatedDisk, SeededRandom } from '../../src/platform/simulated/index.ts'
import { DIRECTORY_ID, GROUP_ID, SEGMENT_BYTES, batch, settle } from './log-world.ts'

const HARD_STATE = { term: 1, votedFor: 0, commitSeq: 0 }

/** The log's thread, which has its turns when the test says so: between any two of the log's accesses to the shared memory, for example. */
class SteppedThread implements Thread, Threads {
  readonly #files: Files
  #nowMs = 0
  #job: Job | undefined
  #isRung = false
  #posted: unknown[] = []
  #onMessage: (message: unknown) => void = () => undefined
  turns = 0
  delivered = 0

  constructor(files: Files) {
    this.#files = files
  }

  start(_job: string, init: unknown): Thread {
    const clock = { monotonicMs: (): number => this.#nowMs }
    this.#job = startLogWriter({ init, files: this.#files, clock, post: message => this.#posted.push(message) })
    return this
  }

  ringDoorbell(): void {
    this.#isRung = true
  }

  onMessage(handler: (message: unknown) => void): void {
    this.#onMessage = handler
  }

  onExit(): void {}

  stop(): Promise<void> {
    return Promise.resolve()
  }

  /** A turn of the thread at this time, if it was woken. */
  turn(nowMs = 0): void {
    this.#nowMs = nowMs
    if (!this.#isRung) return
    this.#isRung = false
    this.turns++
    this.#job!.onDoorbell()
  }

  /** Hands the log what the thread has said. */
  deliver(): void {
    for (const message of this.#posted.splice(0)) {
      this.delivered++
      this.#onMessage(message)
    }
  }

  /** Lets both sides work until nothing is under way. */
  settle(): void {
    do {
      this.turn()
      this.deliver()
    } while (this.#isRung || this.#posted.length > 0)
  }
}

const { load, store } = Atomics

/** Runs `act`; before its access number `at` to shared memory, counted from 0, `between` runs whole. False if there were fewer. */
function interleave(at: number, act: () => void, between: () => void): boolean {
  let count = 0
  let isOver = false
  const step = (): void => {
    if (isOver || count++ !== at) return
    isOver = true // what runs in between is not counted
    between()
  }
  try {
    Atomics.load = ((...args: Parameters<typeof load>) => {
      step()
      return load(...args)
    }) as typeof load
    Atomics.store = ((...args: Parameters<typeof store>) => {
      step()
      return store(...args)
    }) as typeof store
    act()
  } finally {
    Atomics.load = load
    Atomics.store = store
  }
  return isOver
}

interface Stage {
  log: Log
  thread: SteppedThread
  told: number[]
  nowMs: { value: number }
}

async function stage(ringBytes = 65_536): Promise<Stage> {
  const files = new SimulatedDisk({ seed: new SeededRandom(1) }).files()
  const thread = new SteppedThread(files)
  const told: number[] = []
  const nowMs = { value: 0 }
  const { log } = await createLog({
    files,
    threads: thread,
    directory: '/data',
    directoryId: DIRECTORY_ID,
    groupId: GROUP_ID,
    lane: 'worker',
    segmentBytes: SEGMENT_BYTES * 8,
    ringBytes,
    tailCacheBytes: 3000,
    clock: { monotonicMs: () => nowMs.value, wallMicros: () => 0 },
    onSynced: ioSeq => told.push(ioSeq),
    hardState: HARD_STATE,
  })
  await settle() // the next segment is prepared
  thread.settle()
  log.tellSyncs(false)
  return { log, thread, told, nowMs }
}

/** Who may want to hear of a sync, and whether it has heard. */
const WISHES: Readonly<Record<string, (at: Stage) => { wish: () => void; isHeard: () => Promise<boolean> }>> = {
  'the owner': ({ log, told }) => ({
    wish: () => log.tellSyncs(true),
    isHeard: () => Promise.resolve(told.at(-1) === 1),
  }),
  'whoever waits for one': ({ log }) => {
    let isSynced = false
    return {
      wish: () => {
        void log.whenSynced(1).then(() => {
          isSynced = true
        })
      },
      isHeard: async () => {
        await settle()
        return isSynced
      },
    }
  },
}

/** Both orders at every access: the thread's turn within the wish, and the wish within the thread's turn. True if a wish was not heard. */
async function isAnyWishLost(): Promise<boolean> {
  for (const of of Object.values(WISHES)) {
    for (const isThreadInside of [true, false]) {
      for (let at = 0, isInside = true; isInside; at++) {
        const staged = await stage()
        const { log, thread } = staged
        const { wish, isHeard } = of(staged)
        log.append({ entries: batch(1, 1, 1) })
        const turn = (): void => thread.turn()
        isInside = isThreadInside ? interleave(at, wish, turn) : interleave(at, turn, wish)
        if (!isInside && isThreadInside) turn()
        if (!isInside && !isThreadInside) wish()
        thread.settle()
        if (!(await isHeard())) return true
      }
    }
  }
  return false
}

describe('the thread of the log', () => {
  afterEach(() => setLogMutants())

  it('says nothing of a sync that nobody wants to hear of, and the log finds it by looking', async () => {
    const { log, thread, told, nowMs } = await stage()
    const { delivered } = thread
    const before = log.stats.syncLatency.count
    for (let seq = 1; seq <= 3; seq++) {
      nowMs.value = seq * 10
      log.append({ entries: batch(seq, 1, 1) })
      thread.turn(seq * 10 + 2)
    }
    thread.settle()
    nowMs.value = 500
    assert.deepEqual([thread.delivered - delivered, told, log.syncedIoSeq], [0, [], 3])
    log.noteSynced()
    log.noteSynced()
    assert.deepEqual(told, [3])
    assert.equal(log.stats.syncLatency.count - before, 3)
    assert.ok(
      log.stats.syncDuration.percentileMs(100) < 5,
      'they were synced 2 ms after their appends, whenever that was seen',
    )
    log.tellSyncs(true)
    log.append({ entries: batch(4, 1, 1) })
    thread.settle()
    assert.deepEqual(told, [3, 4])
  })

  it('says it again and again as long as somebody waits for a later one', async () => {
    const { log, thread, told } = await stage()
    for (let seq = 1; seq <= 2; seq++) log.append({ entries: batch(seq, 1, 1) })
    const synced = log.whenSynced(3)
    thread.settle()
    log.append({ entries: batch(3, 1, 1) })
    thread.settle()
    await synced
    assert.deepEqual(told, [2, 3])
    log.append({ entries: batch(4, 1, 1) })
    thread.settle()
    assert.deepEqual(told, [2, 3], 'and no longer')
  })

  it('loses no wish, whichever of the two is the first at each access to the shared memory', async () => {
    assert.equal(await isAnyWishLost(), false)
  })

  it('would lose one if the log looked first and wished then', async () => {
    setLogMutants('looks_before_it_wishes')
    assert.equal(await isAnyWishLost(), true)
  })

  it('says that there is room again where frames wait for it, whatever the order', async () => {
    for (const isThreadInside of [true, false]) {
      for (let at = 0, isInside = true; isInside; at++) {
        const { log, thread } = await stage(4096)
        log.append({ entries: batch(1, 1, 1, 3000) })
        const append = (): void => {
          log.append({ entries: batch(2, 1, 1, 6000) }) // finds no room, and goes in pieces
        }
        const turn = (): void => thread.turn()
        isInside = isThreadInside ? interleave(at, append, turn) : interleave(at, turn, append)
        if (!isInside && !isThreadInside) append()
        thread.settle()
        assert.equal(log.syncedIoSeq, 2, `${isThreadInside ? 'thread' : 'log'} before access ${at}`)
      }
    }
  })

  it('tells a log that closes when it is done', async () => {
    const { log, thread } = await stage()
    log.append({ entries: batch(1, 1, 1) })
    let end: unknown
    void log.close().then(closed => {
      end = closed
    })
    for (let i = 0; i < 5; i++) {
      thread.settle()
      await settle()
    }
    assert.notEqual(end, undefined)
  })
})
