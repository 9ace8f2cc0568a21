import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseEndpoints } from '../../src/cli/context.ts'
import { ExitCode, exitCodeOf } from '../../src/cli/exit-codes.ts'
import { DurationHistogram } from '../../src/model/index.ts'
import { NodeLine } from '../../src/cli/node-line.ts'
import { formatTable, printable } from '../../src/cli/output.ts'
import { StopRequests } from '../../src/cli/stop-requests.ts'
import { QuorateError } from '../../src/model/index.ts'

describe('endpoints', () => {
  it('repeat the host for bare ports and default to 7400', () => {
    assert.deepEqual(parseEndpoints('127.0.0.1:7400,7401'), ['127.0.0.1:7400', '127.0.0.1:7401'])
    assert.deepEqual(parseEndpoints('h1,ws://h2:1,[::1]:2'), ['h1:7400', 'h2:1', '[::1]:2'])
    assert.throws(() => parseEndpoints('h1:x'), /not an endpoint/)
  })
})

describe('the histogram', () => {
  it('is right to within a hundredth, whatever the size of the values', () => {
    for (const scale of [0.01, 1, 1_000]) {
      const histogram = new DurationHistogram()
      for (let i = 1; i <= 10_000; i++) histogram.record((i * scale) / 10)
      for (const percent of [50, 90, 99, 99.9]) {
        const exact = percent * 10 * scale
        const error = Math.abs(histogram.percentileMs(percent) - exact)
        assert.ok(error <= exact * 0.011 + 0.001, `p${percent} of ${scale}: ${histogram.percentileMs(percent)}`)
      }
      assert.equal(histogram.maxMs, 1_000 * scale)
    }
  })
})

describe('what a command prints', () => {
  it('has columns as wide as their cells, numbers to the right', () => {
    assert.deepEqual(
      formatTable([
        { name: 'n0', seq: 7 },
        { name: 'node1', seq: 1234 },
      ]),
      ['NAME   SEQ', 'n0        7', 'node1  1234'],
    )
  })

  it('shows bytes that are no printable text as hexadecimal digits', () => {
    assert.equal(printable(Buffer.from('grüße')), 'grüße')
    assert.equal(printable(Uint8Array.of(0xff, 0x00)), '0xff00')
    assert.equal(printable(Buffer.from('a\u001b[2J')), '0x611b5b324a')
  })

  it('ends with the documented codes', () => {
    assert.equal(exitCodeOf(new QuorateError('damaged', '')), ExitCode.damage)
    assert.equal(exitCodeOf(new QuorateError('unavailable', '')), ExitCode.unavailable)
    assert.equal(exitCodeOf(new QuorateError('configuration_invalid', '')), ExitCode.usage)
    assert.equal(exitCodeOf(new QuorateError('conflict', '')), ExitCode.failed)
  })
})

describe('a request to stop', () => {
  it('ends a node that still starts at once, as the signal would, and stops a started one in order', () => {
    const [ended, stopped]: [number[], string[]] = [[], []]
    const stops = new StopRequests(code => ended.push(code))
    stops.request('SIGTERM')
    stops.request('SIGINT')
    stops.request('the supervisor is gone')
    assert.deepEqual(ended, [143, 130, 1])
    stops.started({ stop: reason => Promise.resolve(void stopped.push(reason)) })
    stops.request('SIGTERM')
    assert.deepEqual([ended.length, stopped], [3, ['SIGTERM']])
  })
})

describe('the line of a node', () => {
  it('follows the role in its log and passes errors on', () => {
    const line = new NodeLine('n1')
    line.started(42)
    assert.equal(line.take('{"level":30,"role":"leader","term":3,"msg":"this node is leader"}'), undefined)
    assert.equal(line.text, 'n1 leader pid 42')
    assert.equal(line.take('{"level":50,"msg":"the disk is full"}'), 'n1: the disk is full')
    assert.equal(line.take('Segmentation fault'), 'n1: Segmentation fault')
    line.ended()
    assert.equal(line.text, 'n1 stopped')
  })
})
