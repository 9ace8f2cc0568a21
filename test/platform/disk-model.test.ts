import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { File } from '../../src/platform/index.ts'
import { SeededRandom, SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const ROOM = 40_000

/** The naive truth about one file: its bytes now, and for each place every value that a power loss may leave there. */
class Model {
  size = 0
  readonly bytes = new Uint8Array(ROOM)
  readonly possible: Set<number>[] = Array.from({ length: ROOM }, () => new Set([0]))
  smallestSize = 0
  largestSize = 0

  put(at: number, value: number): void {
    this.bytes[at] = value
    this.possible[at]?.add(value)
  }

  setSize(size: number): void {
    for (let at = size; at < this.size; at++) this.put(at, 0)
    this.size = size
    this.smallestSize = Math.min(this.smallestSize, size)
    this.largestSize = Math.max(this.largestSize, size)
  }

  sync(): void {
    this.smallestSize = this.largestSize = this.size
    for (let at = 0; at < ROOM; at++) {
      // Past the end there are zeros, whatever happens.
      this.possible[at] = new Set([this.bytes[at] as number])
    }
  }
}

function change(file: File, model: Model, random: SeededRandom): void {
  const choice = random.below(10)
  if (choice < 6) {
    const at = random.below(ROOM - 3000)
    const bytes = random.bytes(random.pick([1, 300, 512, 3000]))
    file.writeSync(bytes, at)
    if (at + bytes.length > model.size) model.setSize(at + bytes.length)
    bytes.forEach((value, n) => model.put(at + n, value))
  } else if (choice < 8) {
    file.syncSync()
    model.sync()
  } else {
    const size = random.below(ROOM)
    file.truncateSync(size)
    model.setSize(size)
  }
}

describe('the contents of a simulated file, against a naive model', () => {
  it('are what was written while the process runs, and after a power loss a mixture of what may be there', async () => {
    for (let n = 0; n < 60; n++) {
      const random = new SeededRandom(seed + n).split('model')
      const tear = n % 2 === 0 ? 'sector' : 'byte'
      const disk = new SimulatedDisk({ seed: seed + n, tear, sectorBytes: n % 3 === 0 ? 4096 : 512 })
      const model = new Model()
      let files = disk.files()
      let file = await files.open('/a', 'create')
      await files.syncDirectory('/')
      for (let life = 0; life < 4; life++) {
        for (let steps = random.below(12); steps > 0; steps--) change(file, model, random)
        assert.deepEqual(disk.contents('/a'), model.bytes.subarray(0, model.size), 'before the power loss')
        disk.crash()
        files = disk.files()
        file = await files.open('/a', 'readWrite')
        const left = disk.contents('/a')
        assert.ok(left.length >= model.smallestSize && left.length <= model.largestSize)
        const wrong = left.findIndex((value, at) => model.possible[at]?.has(value) !== true)
        assert.equal(wrong, -1, `byte ${wrong} is ${left[wrong]}`)
        model.bytes.fill(0)
        model.bytes.set(left)
        model.size = left.length
        model.sync()
      }
    }
  })
})
