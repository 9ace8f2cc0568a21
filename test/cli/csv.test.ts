import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { formatCsv, parseCsv } from '../../src/cli/csv.ts'
import type { CsvField } from '../../src/cli/csv.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

async function* pieces(text: string, length: number): AsyncGenerator<string> {
  const characters = Array.from(text)
  for (let i = 0; i < characters.length; i += length) yield characters.slice(i, i + length).join('')
}

async function parse(text: string, length = 1_000): Promise<CsvField[][]> {
  const records: CsvField[][] = []
  for await (const record of parseCsv(pieces(text, length))) records.push(record)
  return records
}

describe('CSV', () => {
  it('is read as RFC 4180 has it, in pieces of any length', async () => {
    const cases: [string, CsvField[][]][] = [
      ['', []],
      ['a,b\n', [['a', 'b']]],
      ['a,b', [['a', 'b']]],
      [
        'a,b\r\nc,d\r\n',
        [
          ['a', 'b'],
          ['c', 'd'],
        ],
      ],
      [
        '"a","b"\r\n"c","d"',
        [
          ['a', 'b'],
          ['c', 'd'],
        ],
      ],
      ['"a,""b""\r\nc",d', [['a,"b"\r\nc', 'd']]],
      [',\n', [[null, null]]],
      [
        '"",\r\n,""',
        [
          ['', null],
          [null, ''],
        ],
      ],
      ['\n\r\na\n\n', [['a']]],
      ['a\rb,\rc\n', [['a\rb', '\rc']]],
      ['\uFEFFa,\uFEFFb', [['a', '\uFEFFb']]],
      ['é,\u{10000}', [['é', '\u{10000}']]],
      ['a, b ', [['a', ' b ']]],
    ]
    for (const [text, records] of cases) {
      for (const length of [1, 2, 3, 1_000]) assert.deepEqual(await parse(text, length), records, JSON.stringify(text))
    }
  })

  it('that is wrong is refused with its line', async () => {
    for (const [text, message] of [
      ['a\n"b', /line 2: a quoted field is not closed/],
      ['a\n"b\nc,d\n', /line 2: a quoted field is not closed/],
      ['a\nb"c', /line 2: a quote within a field/],
      ['"a"b', /line 1: a character follows a closed quote/],
      ['"a"\rb', /line 1: a character follows/],
    ] as const) {
      await assert.rejects(parse(text), message)
    }
  })

  it('comes back as it was written', async () => {
    const field = fc.option(
      fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', ' ', '\u{10000}'), maxLength: 6 }),
      {
        nil: null,
      },
    )
    const records = fc.array(fc.array(field, { minLength: 2, maxLength: 5 }), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: 1, max: 9 }), async (records, length) => {
        assert.deepEqual(await parse(records.map(formatCsv).join(''), length), records)
      }),
      { seed, numRuns: 200 },
    )
  })
})
