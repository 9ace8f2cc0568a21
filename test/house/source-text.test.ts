import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lineAt, maskNonCode, readSourceText } from './source-text.ts'

/** A source, and the same with a dot for every character that must be blanked. */
const EXAMPLES: readonly (readonly [title: string, source: string, masked: string])[] = [
  ['strings with escapes', String.raw`a = 'b\'c' + "d'e" + f`, `a = '....' + "..." + f`],
  ['comments', 'a /* b */ c // d', 'a ....... c ....'],
  ['template text, not what it computes', '`a ${b} c` + d', '`..${b}..` + d'],
  ['braces inside what a template computes', '`a ${{ b: `c ${d} e` }} f` + g', '`..${{ b: `..${d}..` }}..` + g'],
  ['functions inside a template', '`${a.map(b => { return b })} c`', '`${a.map(b => { return b })}..`'],
  ['a regular expression after an operator', 'a = /b"c/g.test(d)', 'a = /.../g.test(d)'],
  ['a slash in a class of a regular expression', "a(/[/'\\]]/, b)", 'a(/....../, b)'],
  ['a regular expression after a word', 'return /"/.test(a)', 'return /./.test(a)'],
  ['a regular expression at the beginning', '/"/.test(a)', '/./.test(a)'],
  ['division after a name, a number and a bracket', 'a / b / 2 / c[0] / "d"', 'a / b / 2 / c[0] / "."'],
  ['a string that its line ends', "a = 'b\nc", "a = '.\nc"],
  ['a comment that the file ends', 'a /* b', 'a ....'],
]

describe('reading a source as text', () => {
  for (const [title, source, masked] of EXAMPLES) {
    it(`blanks only what is not code: ${title}`, () => {
      const blanked = masked.replaceAll('.', (dot, offset: number) => (source.charAt(offset) === dot ? dot : ' '))
      assert.equal(maskNonCode(source), blanked)
    })
  }

  it('keeps offsets and lines', () => {
    const source = '/* a\n b */ c\n`d\n e`'
    assert.equal(maskNonCode(source).length, source.length)
    assert.deepEqual(
      [0, 4, 5, source.indexOf('c'), source.indexOf('e')].map(offset => lineAt(source, offset)),
      [1, 1, 2, 2, 4],
    )
  })

  it('finds every kind of module reference, in order, and knows which leave nothing in the compiled file', () => {
    const source = [
      "import { a } from './a.ts'",
      "import type { importB } from './b.ts'",
      "import { type c } from './c.ts'",
      "import type from './d.ts'",
      "export type * from './e.ts'",
      "export * as f from './f.ts'",
      "import './g.ts'",
      "const h = await import('./h.ts')",
      'const i = import(name)',
      "type J = typeof import('./j.ts')",
      "k.import('./k.ts')",
    ].join('\n')
    assert.deepEqual(
      readSourceText(source).references.map(({ specifier, isTypeOnly }) => `${specifier}${isTypeOnly ? ' type' : ''}`),
      ['./a.ts', './b.ts type', './c.ts', './d.ts', './e.ts type', './f.ts', './g.ts', './h.ts', 'undefined', './j.ts'],
    )
  })
})
