/**
 * Regular expressions whose matching takes time in proportion to the text, whatever the pattern: those of
 * the language that steps back can take for ever (`(a+)+$`), and here strangers write the patterns.
 */
import { Failure } from './failure.ts'

/** Longest pattern, characters. */
export const PATTERN_LENGTH_MAX = 256

/** Instructions of a compiled pattern: what one character of a text may cost. */
const PROGRAM_LENGTH_MAX = 1000

/** Tells whether a text has a part that matches. */
export interface LinearPattern {
  test(text: string): boolean
}

type CharTest = (code: number) => boolean

type Node =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'begin' | 'end' }
  | { readonly kind: 'all' | 'any'; readonly nodes: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number }

/**
 * Compiles a pattern: literals, `.`, `[a-z]`, `\d \w \s` and their opposites, `^ $`, groups, `|`, `* + ?`
 * and `{n,m}`, as in Go's RE2. What RE2 has besides is refused, never taken for something else.
 *
 * @throws Failure `argument-invalid`
 */
export function compilePattern(pattern: string): LinearPattern {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw refused(`it is longer than ${PATTERN_LENGTH_MAX} characters`)
  }
  const program: Instruction[] = []
  emit(program, new Parser(pattern).parse())
  append(program, { kind: 'match' })
  return { test: (text) => matches(program, text) }
}

function refused(why: string): Failure {
  return new Failure('argument-invalid', `the regular expression is refused: ${why}`)
}

const DIGIT: CharTest = (code) => code >= 0x30 && code <= 0x39
const SPACE: CharTest = (code) => code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0b)
const WORD: CharTest = (code) =>
  DIGIT(code) || code === 0x5f || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a && code < 0x80)
const not =
  (test: CharTest): CharTest =>
  (code) =>
    !test(code)

const CLASSES: Readonly<Record<string, CharTest>> = {
  d: DIGIT,
  D: not(DIGIT),
  s: SPACE,
  S: not(SPACE),
  w: WORD,
  W: not(WORD),
}

const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, f: 12, r: 13 }

const REPEATS: Readonly<Record<string, readonly [min: number, max: number]>> = {
  '*': [0, Number.POSITIVE_INFINITY],
  '+': [1, Number.POSITIVE_INFINITY],
  '?': [0, 1],
}

/** Reads a pattern from its beginning; groups are at most as deep as it is long. */
class Parser {
  readonly #text: readonly string[]
  #at = 0

  constructor(pattern: string) {
    this.#text = [...pattern]
  }

  parse(): Node {
    const node = this.#choice()
    if (this.#at < this.#text.length) throw refused('it has a ")" too many')
    return node
  }

  #choice(): Node {
    const nodes = [this.#sequence()]
    while (this.#take('|')) nodes.push(this.#sequence())
    return { kind: 'any', nodes }
  }

  #sequence(): Node {
    const nodes: Node[] = []
    for (;;) {
      const next = this.#text[this.#at]
      if (next === undefined || next === '|' || next === ')') return { kind: 'all', nodes }
      nodes.push(this.#repeated(this.#atom()))
    }
  }

  #repeated(node: Node): Node {
    const bounds = this.#bounds()
    if (bounds === undefined) return node
    // Lazy or not, whether there is a match is the same.
    this.#take('?')
    if (this.#bounds() !== undefined) throw refused('a repetition is repeated')
    const [min, max] = bounds
    return { kind: 'repeat', node, min, max }
  }

  #bounds(): readonly [min: number, max: number] | undefined {
    const simple = REPEATS[this.#text[this.#at] ?? '']
    if (simple !== undefined) {
      this.#at += 1
      return simple
    }
    if (this.#text[this.#at] !== '{') return undefined
    const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(
      this.#text.slice(this.#at, this.#at + 12).join(''),
    )
    if (counted === null) throw refused('a "{" begins no repetition')
    const [whole, low = '', comma, high = ''] = counted
    this.#at += whole.length
    const min = Number(low)
    const max = high === '' ? Number.POSITIVE_INFINITY : Number(high)
    const bounds = [min, comma === undefined ? min : max] as const
    if (bounds[1] < min) throw refused('a repetition ends before it begins')
    return bounds
  }

  #atom(): Node {
    const next = this.#next()
    switch (next) {
      case '^':
        return { kind: 'begin' }
      case '$':
        return { kind: 'end' }
      case '.':
        return { kind: 'char', test: (code) => code !== 0x0a }
      case '(':
        return this.#group()
      case '[':
        return { kind: 'char', test: this.#set() }
      case '\\':
        return { kind: 'char', test: this.#escaped() }
      case '*':
      case '+':
      case '?':
        throw refused(`a "${next}" repeats nothing`)
      default:
        return { kind: 'char', test: isCode(next.codePointAt(0) ?? 0) }
    }
  }

  #group(): Node {
    if (this.#take('?') && !this.#take(':')) throw refused('groups may be (...) and (?:...) alone')
    const node = this.#choice()
    if (!this.#take(')')) throw refused('a "(" has no end')
    return node
  }

  #set(): CharTest {
    const isNegated = this.#take('^')
    const tests: CharTest[] = []
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      const low = this.#member()
      if (typeof low === 'function') tests.push(low)
      else tests.push(this.#range(low))
    }
    this.#at += 1
    const isIn: CharTest = (code) => tests.some((test) => test(code))
    return isNegated ? not(isIn) : isIn
  }

  #range(low: number): CharTest {
    if (this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']') return isCode(low)
    this.#at += 1
    const high = this.#member()
    if (typeof high === 'function' || high < low) throw refused('a range in "[...]" has no order')
    return (code) => code >= low && code <= high
  }

  #member(): CharTest | number {
    const next = this.#next()
    if (next === '[' && this.#text[this.#at] === ':') throw refused('[:names:] are not known')
    if (next !== '\\') return next.codePointAt(0) ?? 0
    const escaped = this.#next()
    return CLASSES[escaped] ?? codeOf(escaped)
  }

  #escaped(): CharTest {
    const escaped = this.#next()
    return CLASSES[escaped] ?? isCode(codeOf(escaped))
  }

  #next(): string {
    const next = this.#text[this.#at]
    if (next === undefined) throw refused('it ends in the middle')
    this.#at += 1
    return next
  }

  #take(wanted: string): boolean {
    if (this.#text[this.#at] !== wanted) return false
    this.#at += 1
    return true
  }
}

function isCode(wanted: number): CharTest {
  return (code) => code === wanted
}

function codeOf(escaped: string): number {
  const control = CONTROLS[escaped]
  if (control !== undefined) return control
  // Letters and digits stand for something that is not built: word borders, references.
  if (/[A-Za-z0-9]/.test(escaped)) throw refused(`"\\${escaped}" is not known`)
  return escaped.codePointAt(0) ?? 0
}

type Instruction =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'begin' | 'end' | 'match' }
  /** Goes on at both places. */
  | { readonly kind: 'split'; readonly to: number[] }

function append<T extends Instruction>(program: Instruction[], instruction: T): T {
  if (program.length >= PROGRAM_LENGTH_MAX) throw refused('it repeats too much')
  program.push(instruction)
  return instruction
}

/** Adds the instructions of a node; whoever matches it comes to the place behind them. */
function emit(program: Instruction[], node: Node): void {
  switch (node.kind) {
    case 'all':
      for (const part of node.nodes) emit(program, part)
      return
    case 'any':
      emitChoice(program, node.nodes)
      return
    case 'repeat':
      emitRepeat(program, node)
      return
    default:
      append(program, node)
  }
}

function emitChoice(program: Instruction[], nodes: readonly Node[]): void {
  const ends: number[][] = []
  for (const [at, node] of nodes.entries()) {
    if (at === nodes.length - 1) {
      emit(program, node)
      break
    }
    const { to } = append(program, { kind: 'split', to: [program.length + 1] })
    emit(program, node)
    ends.push(append(program, { kind: 'split', to: [] as number[] }).to)
    to.push(program.length)
  }
  for (const end of ends) end.push(program.length)
}

function emitRepeat(
  program: Instruction[],
  { node, min, max }: Extract<Node, { kind: 'repeat' }>,
): void {
  for (let count = 0; count < min; count++) emit(program, node)
  if (max === Number.POSITIVE_INFINITY) {
    const begin = program.length
    const { to } = append(program, { kind: 'split', to: [begin + 1] })
    emit(program, node)
    append(program, { kind: 'split', to: [begin] })
    to.push(program.length)
    return
  }
  const exits: number[][] = []
  for (let count = min; count < max; count++) {
    exits.push(append(program, { kind: 'split', to: [program.length + 1] }).to)
    emit(program, node)
  }
  for (const exit of exits) exit.push(program.length)
}

/** Follows all ways through the program side by side, one character at a time (Thompson 1968). */
function matches(program: readonly Instruction[], text: string): boolean {
  const seen = new Uint32Array(program.length)
  const chars = [...text]
  let current: number[] = []
  for (let at = 0; at <= chars.length; at++) {
    const here = { at, atEnd: at === chars.length, step: at + 1 }
    const places: number[] = []
    // A match may begin at every place.
    for (const start of [...current, 0]) {
      if (follow(program, { start, seen, places, here })) return true
    }
    const code = chars[at]?.codePointAt(0) ?? 0
    current = []
    for (const place of places) {
      const instruction = program[place]
      if (instruction?.kind === 'char' && instruction.test(code)) current.push(place + 1)
    }
  }
  return false
}

/** Adds the places that wait for a character; @returns true when the end of the program is among them. */
function follow(
  program: readonly Instruction[],
  way: {
    readonly start: number
    readonly seen: Uint32Array
    readonly places: number[]
    readonly here: { readonly at: number; readonly atEnd: boolean; readonly step: number }
  },
): boolean {
  const { seen, places, here } = way
  const open = [way.start]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (seen[place] === here.step) continue
    seen[place] = here.step
    const instruction = program[place]
    switch (instruction?.kind) {
      case 'match':
        return true
      case 'char':
        places.push(place)
        break
      case 'split':
        open.push(...instruction.to)
        break
      case 'begin':
        if (here.at === 0) open.push(place + 1)
        break
      case 'end':
        if (here.atEnd) open.push(place + 1)
        break
      default:
    }
  }
  return false
}
