/**
 * Reads a TypeScript source as text, without a compiler: the compiler of TypeScript 7 has no JavaScript interface. The
 * one thing that must be right is what is code and what is comment, string, template text or regular expression.
 */

/** One module reference of a file: `import`/`export ... from`, `import '...'` `import('...')` or `require('...')`. */
export interface ModuleReference {
  /** What stands between the quotes; undefined where an `import()` computes it. */
  readonly specifier: string | undefined
  /** Offset in the file. */
  readonly offset: number
  /** True where nothing remains of it in the compiled file (`import type`, `export type`). */
  readonly isTypeOnly: boolean
}

export interface SourceText {
  /** The file as it is. */
  readonly text: string
  /** Same length, with comments and the inside of strings, template text and regular expressions blanked. */
  readonly code: string
  readonly references: readonly ModuleReference[]
}

/** Words after which a slash begins a regular expression, although they look like names. */
const WORDS_BEFORE_EXPRESSION = new Set(
  'return typeof case in of delete void throw new else do await yield instanceof extends default'.split(' '),
)

export function readSourceText(text: string): SourceText {
  const code = maskNonCode(text)
  return { text, code, references: findReferences(text, code) }
}

/** The line number, from 1, of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < offset; i = text.indexOf('\n', i + 1)) line += 1
  return line
}

/**
 * Returns the text with everything that is not code turned into spaces; delimiters and line ends stay, so that offsets
 * and line numbers are those of the file.
 */
export function maskNonCode(text: string): string {
  const out = text.split('')
  /** For every open template: how many braces are open inside its current `${`. */
  const templates: number[] = []
  let i = 0
  const blank = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) if (out[at] !== '\n') out[at] = ' '
  }
  while (i < text.length) {
    const character = text.charAt(i)
    const next = text.charAt(i + 1)
    if (character === '/' && next === '/') {
      const end = endOfLine(text, i)
      blank(i, end)
      i = end
    } else if (character === '/' && next === '*') {
      const close = text.indexOf('*/', i + 2)
      const end = close === -1 ? text.length : close + 2
      blank(i, end)
      i = end
    } else if (character === "'" || character === '"') {
      const close = endOfQuoted(text, i, character)
      blank(i + 1, close)
      i = close + 1
    } else if (character === '/' && startsExpression(text, out, i)) {
      const close = endOfRegularExpression(text, i)
      blank(i + 1, close)
      i = close + 1
    } else if (character === '`' || (character === '}' && templates.at(-1) === 0)) {
      if (character === '}') templates.pop()
      const stop = endOfTemplateText(text, i + 1)
      blank(i + 1, stop)
      if (text.charAt(stop) === '$') templates.push(0)
      i = text.charAt(stop) === '$' ? stop + 2 : stop + 1
    } else {
      const depth = templates.at(-1)
      if (depth !== undefined && character === '{') templates[templates.length - 1] = depth + 1
      if (depth !== undefined && character === '}') templates[templates.length - 1] = depth - 1
      i += 1
    }
  }
  return out.join('')
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}

/** The offset of the closing quote, or of the line's end where the quote is not closed. */
function endOfQuoted(text: string, open: number, quote: string): number {
  let i = open + 1
  while (i < text.length && text.charAt(i) !== quote && text.charAt(i) !== '\n') i += text.charAt(i) === '\\' ? 2 : 1
  return Math.min(i, text.length)
}

/** The offset of the closing backtick or of the `$` of the next `${`. */
function endOfTemplateText(text: string, from: number): number {
  let i = from
  while (i < text.length && text.charAt(i) !== '`' && !text.startsWith('${', i)) i += text.charAt(i) === '\\' ? 2 : 1
  return Math.min(i, text.length)
}

function endOfRegularExpression(text: string, open: number): number {
  let isInClass = false
  let i = open + 1
  while (i < text.length && text.charAt(i) !== '\n' && (isInClass || text.charAt(i) !== '/')) {
    if (text.charAt(i) === '[') isInClass = true
    if (text.charAt(i) === ']') isInClass = false
    i += text.charAt(i) === '\\' ? 2 : 1
  }
  return Math.min(i, text.length)
}

/** Whether an expression may begin at a slash, judged by the last thing before it that is neither space nor comment. */
function startsExpression(text: string, masked: readonly string[], slash: number): boolean {
  let i = slash - 1
  while (i >= 0 && /\s/.test(masked[i] ?? '')) i -= 1
  if (i < 0) return true
  const before = text.charAt(i)
  if (/[\w$]/.test(before)) {
    const word = /[\w$]+$/.exec(text.slice(Math.max(0, i - 16), i + 1))?.[0] ?? ''
    return WORDS_BEFORE_EXPRESSION.has(word)
  }
  return !/[)\]}"'`]/.test(before)
}

function findReferences(text: string, code: string): ModuleReference[] {
  const references: ModuleReference[] = []
  for (const match of code.matchAll(/\bfrom\s*(['"])/g)) {
    const keyword = [...code.slice(0, match.index).matchAll(/(?<![.\w$])(import|export)(?![\w$])/g)].at(-1)
    const isTypeOnly = /^\w+\s+type\s+(?!from\b|,)/.test(code.slice(keyword?.index ?? 0, match.index + 4))
    references.push({ specifier: quotedAt(text, match), offset: match.index, isTypeOnly })
  }
  for (const match of code.matchAll(/\bimport\s*(['"])/g)) {
    references.push({ specifier: quotedAt(text, match), offset: match.index, isTypeOnly: false })
  }
  for (const match of code.matchAll(/(?<![.\w$])(?:import\s*\(\s*(['"])?|require\s*\(\s*(['"]))/g)) {
    const specifier = (match[1] ?? match[2]) === undefined ? undefined : quotedAt(text, match)
    references.push({ specifier, offset: match.index, isTypeOnly: false })
  }
  return references.sort((a, b) => a.offset - b.offset)
}

/** The inside of the quotes of which the match's last character opens the first. */
function quotedAt(text: string, match: RegExpExecArray): string {
  const open = match.index + match[0].length - 1
  return text.slice(open + 1, text.indexOf(text.charAt(open), open + 1))
}
