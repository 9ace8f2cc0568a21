import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseEndpoints } from '../../src/cli/context.ts'
import { ExitCode, exitCodeOf } from '../../src/cli/exit-codes.ts'
import { DurationHistogram } from '../../src/model/index.ts'
import { NodeLine } from '../../src/cli/node-line.ts'
import { cellText, keyCells } from '../../src/cli/cell-text.ts'
import { formatTable, printable } from '../../src/cli/output.ts'
import { ReloadRequests } from '../../src/cli/reload-requests.ts'
import { StopRequests } from '../../src/cli/stop-requests.ts'
import { QuorateError } from '../../src/model/index.ts'

describe('endpoints', () => {
  it('repeat the host for bare ports and default to 7400', () => {
    assert.deepEqual(parseEndpoints('127.0.0.1:7400,7401'), ['127.0.0.1:7400', '127.0.0.1:7401'])
    assert.deepEqual(parseEndpoints('h1,ws://h2:1,[::1]:2'), ['h1:7400', 'h2:1', '[::1]:2'])
    assert.throws(() => parseEndpoints('h1:x'), /not an endpoint/)
    assert.throws(() => parseEndpoints('h1:65536'), { code: 'invalid_argument' })
    assert.deepEqual(parseEndpoints('h1:65535'), ['h1:65535'])
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

describe('a request to read tokens and certificates again', () => {
  it('that comes while the node starts is heeded once it is there', () => {
    for (const isEarly of [true, false]) {
      let count = 0
      const reloads = new ReloadRequests()
      if (isEarly) reloads.request()
      reloads.started({ reload: () => Promise.resolve(void count++) })
      assert.equal(count, isEarly ? 1 : 0)
      reloads.request()
      assert.equal(count, isEarly ? 2 : 1)
    }
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

describe('cells on the command line', () => {
  const definition = {
    columns: [
      { name: 'id', type: 'u64' },
      { name: 'on', type: 'boolean' },
      { name: 'name', type: 'text' },
      { name: 'seal', type: 'blob' },
    ],
    primaryKey: ['id', 'on', 'name', 'seal'],
  } as const

  it('of a key are given in order or by their names, and read by their types', () => {
    const expected = { id: 18446744073709551615n, on: true, name: 'a=b', seal: Uint8Array.of(0, 255) }
    assert.deepEqual(keyCells(definition, ['18446744073709551615', 'true', 'a=b', '0x00ff']), expected)
    assert.deepEqual(keyCells(definition, ['name=a=b', 'seal=0x00FF', 'on=true', 'id=18446744073709551615']), {
      ...expected,
    })
    for (const words of [[], ['1'], ['x', 'true', 'a', '0x'], ['1', 'yes', 'a', '0x'], ['1', 'true', 'a', '00']]) {
      assert.throws(() => keyCells(definition, words), { code: 'invalid_argument' })
    }
    assert.throws(() => keyCells(definition, ['id=1', 'id=2', 'on=true', 'name=x']), { code: 'invalid_argument' })
  })

  it('are printed on one line, and nothing looks like Null but Null', () => {
    assert.deepEqual([null, 'null', '', 'a\nb', 'x', 5, 2n ** 64n, true].map(cellText), [
      'null',
      '"null"',
      '""',
      '"a\\nb"',
      'x',
      '5',
      '18446744073709551616',
      'true',
    ])
    assert.equal(cellText(Uint8Array.of(1, 171)), '0x01ab')
  })
})
