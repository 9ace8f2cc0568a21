import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TurnEnd } from '../../src/platform/index.ts'

/** Turns by hand: `next` runs what was deferred. */
class Loop {
  readonly order: string[] = []
  readonly end = new TurnEnd(run => this.#runs.push(run))
  #runs: (() => void)[] = []

  get deferred(): number {
    return this.#runs.length
  }

  next(): void {
    const runs = this.#runs
    this.#runs = []
    for (const run of runs) run()
  }

  say(name: string, isLast = false): void {
    this.end.add(() => this.order.push(name), isLast)
  }
}

describe('the end of a turn', () => {
  it('is one callback of the loop, whatever it is given', () => {
    const loop = new Loop()
    loop.say('last', true)
    loop.say('first')
    loop.say('second')
    assert.equal(loop.deferred, 1)
    loop.next()
    assert.deepEqual(loop.order, ['first', 'second', 'last'])
    assert.equal(loop.deferred, 0)
  })

  it('needs no further callback for what its tasks give as last, and one for all else', () => {
    const loop = new Loop()
    loop.end.add(() => loop.say('last', true), false)
    loop.next()
    assert.deepEqual([loop.order, loop.deferred], [['last'], 0])
    loop.end.add(() => loop.say('later'), false)
    loop.next()
    assert.deepEqual([loop.order, loop.deferred], [['last'], 1])
    // What the last ones give belongs to the next turn, or one could hold the loop for ever.
    loop.end.add(() => loop.say('again', true), true)
    loop.next()
    assert.deepEqual([loop.order, loop.deferred], [['last', 'later'], 1])
    loop.next()
    assert.deepEqual(loop.order, ['last', 'later', 'again'])
  })

  it('runs everything although one task throws, and what was deferred meanwhile after it', () => {
    const loop = new Loop()
    loop.end.add(() => {
      loop.say('meanwhile')
      throw new Error('a fault')
    }, false)
    loop.say('second')
    loop.say('last', true)
    assert.throws(() => loop.next(), /a fault/)
    loop.next()
    assert.deepEqual(loop.order, ['second', 'meanwhile', 'last'])
    assert.equal(loop.deferred, 0)
  })
})
