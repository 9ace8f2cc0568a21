import { FileError } from '../../platform/index.ts'
import type { File, Files } from '../../platform/index.ts'

/**
 * Where a fault can be planned:
 * - `wal_append`: bytes written to a segment of the log;
 * - `wal_sync`: a sync of a segment;
 * - `checkpoint_write`: pages and large values written to the page file, by a checkpoint or because memory is short;
 * - `manifest_write`: a superblock written to the page file.
 */
export type FaultPoint = 'wal_append' | 'wal_sync' | 'checkpoint_write' | 'manifest_write'

export const FAULT_POINTS: readonly FaultPoint[] = ['wal_append', 'wal_sync', 'checkpoint_write', 'manifest_write']

/** Which of the operations at a point fail, counted from when it was armed. */
export type FaultPlan =
  | { type: 'always' }
  /** The next one. */
  | { type: 'once' }
  /** All but the next `n`. */
  | { type: 'failAfter'; n: number }
  /** The `n`th, and each `n` further. */
  | { type: 'everyNth'; n: number }

export interface FaultOptions {
  /** What the operating system is said to have answered; default `EIO`. */
  systemCode?: 'EIO' | 'ENOSPC'
}

/** What has happened at a point since it was armed, or since `reset`. */
export interface FaultCounts {
  readonly passed: number
  readonly failed: number
}

interface Point {
  plan: FaultPlan | undefined
  systemCode: string
  passed: number
  failed: number
}

/** The superblocks lie in the first bytes of the page file (docs/formats/pages.md). */
const SUPERBLOCK_AREA_BYTES = 65_536
const SEGMENT = /\/log\/segment-\d+$/
const PAGE_FILE = /\/pages\/data$/

/**
 * Deterministic faults of the disk below a database: `wrap` gives files that fail where a plan says so, with the real ones underneath. The
 * database itself knows nothing of it. One object is one registry: nothing is global, and tests do not see each other's faults.
 */
export class FaultPoints {
  readonly #points: ReadonlyMap<FaultPoint, Point> = new Map(FAULT_POINTS.map(point => [point, unarmed()]))

  /** From the next operation on; replaces the plan that the point has and begins to count anew. @throws RangeError */
  arm(point: FaultPoint, plan: FaultPlan, { systemCode = 'EIO' }: FaultOptions = {}): void {
    if ('n' in plan && (!Number.isSafeInteger(plan.n) || plan.n < (plan.type === 'everyNth' ? 1 : 0))) {
      throw new RangeError(`${plan.type} with ${plan.n}`)
    }
    Object.assign(this.#of(point), unarmed(), { plan, systemCode })
  }

  /** Nothing fails there any more; what was counted stays. */
  disarm(point: FaultPoint): void {
    this.#of(point).plan = undefined
  }

  /** Disarms all points and forgets what was counted. */
  reset(): void {
    for (const point of this.#points.values()) Object.assign(point, unarmed())
  }

  counts(point: FaultPoint): FaultCounts {
    const { passed, failed } = this.#of(point)
    return { passed, failed }
  }

  /** The same files, with the faults. */
  wrap(files: Files): Files {
    return {
      open: async (path, mode) => this.#wrapFile(await files.open(path, mode)),
      openSync: (path, mode) => this.#wrapFile(files.openSync(path, mode)),
      list: directory => files.list(directory),
      makeDirectory: directory => files.makeDirectory(directory),
      size: path => files.size(path),
      rename: (from, to) => files.rename(from, to),
      remove: path => files.remove(path),
      removeTree: path => files.removeTree(path),
      syncDirectory: directory => files.syncDirectory(directory),
      lock: directory => files.lock(directory),
      freeBytes: path => files.freeBytes(path),
    }
  }

  #wrapFile(file: File): File {
    const isSegment = SEGMENT.test(file.path)
    const isPageFile = PAGE_FILE.test(file.path)
    if (!isSegment && !isPageFile) return file
    const beforeWrite = (position: number): void => {
      if (isSegment) this.#pass('wal_append', file.path)
      else this.#pass(position < SUPERBLOCK_AREA_BYTES ? 'manifest_write' : 'checkpoint_write', file.path)
    }
    const beforeSync = (): void => {
      if (isSegment) this.#pass('wal_sync', file.path)
    }
    return {
      path: file.path,
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => file.read(target, position),
      writeSync: (bytes, position) => {
        beforeWrite(position)
        file.writeSync(bytes, position)
      },
      write: async (bytes, position) => {
        beforeWrite(position)
        await file.write(bytes, position)
      },
      syncSync: () => {
        beforeSync()
        file.syncSync()
      },
      sync: async () => {
        beforeSync()
        await file.sync()
      },
      sizeSync: () => file.sizeSync(),
      truncate: size => file.truncate(size),
      truncateSync: size => file.truncateSync(size),
      preallocate: size => file.preallocate(size),
      close: () => file.close(),
      closeSync: () => file.closeSync(),
    }
  }

  /** @throws FileError as planned */
  #pass(name: FaultPoint, path: string): void {
    const point = this.#of(name)
    if (!isDue(point)) {
      point.passed++
      return
    }
    point.failed++
    const code = point.systemCode === 'ENOSPC' ? 'no_space' : 'io_failed'
    throw new FileError(code, path, `${point.systemCode}: the fault ${name} was planned`, {
      systemCode: point.systemCode,
    })
  }

  #of(point: FaultPoint): Point {
    const found = this.#points.get(point)
    if (found === undefined) throw new RangeError(`there is no fault point ${point}`)
    return found
  }
}

function unarmed(): Point {
  return { plan: undefined, systemCode: 'EIO', passed: 0, failed: 0 }
}

function isDue({ plan, passed, failed }: Point): boolean {
  switch (plan?.type) {
    case undefined:
      return false
    case 'always':
      return true
    case 'once':
      return failed === 0
    case 'failAfter':
      return passed >= plan.n
    case 'everyNth':
      return (passed + failed + 1) % plan.n === 0
    default:
      throw new RangeError(`plan ${String(plan satisfies never)}`)
  }
}
