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
  /** What one character of a text costs at most, as a count of instructions. */
  readonly stepsPerCharacter: number
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
  const machine = new Machine(program)
  return { stepsPerCharacter: program.length, test: (text) => machine.test(text) }
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

/**
 * Follows all ways through the program side by side, one character at a time (Thompson 1968). What it
 * needs is made once: a text is matched without a pause, and a program may be tried on a million.
 */
class Machine {
  readonly #program: readonly Instruction[]
  /** The step in which a place was reached last. */
  readonly #seen: Uint32Array
  /** Places that are to be followed; each is there once in a step. */
  readonly #open: Uint16Array
  readonly #current: Uint16Array
  readonly #next: Uint16Array
  #openCount = 0
  #step = 0

  constructor(program: readonly Instruction[]) {
    const { length } = program
    this.#program = program
    this.#seen = new Uint32Array(length)
    this.#open = new Uint16Array(length)
    this.#current = new Uint16Array(length)
    this.#next = new Uint16Array(length)
  }

  test(text: string): boolean {
    const chars = [...text]
    const program = this.#program
    let count = 0
    for (let at = 0; at <= chars.length; at++) {
      this.#begin()
      for (let one = 0; one < count; one++) this.#reach(this.#current[one] ?? 0)
      // A match may begin at every place.
      this.#reach(0)
      const waiting = this.#follow({ atBegin: at === 0, atEnd: at === chars.length })
      if (waiting === undefined) return true
      const code = chars[at]?.codePointAt(0) ?? 0
      count = 0
      for (let one = 0; one < waiting; one++) {
        const place = this.#next[one] ?? 0
        const instruction = program[place]
        if (instruction?.kind === 'char' && instruction.test(code)) {
          this.#current[count++] = place + 1
        }
      }
    }
    return false
  }

  #begin(): void {
    this.#step += 1
    if (this.#step < 2 ** 32) return
    this.#seen.fill(0)
    this.#step = 1
  }

  #reach(place: number): void {
    if (this.#seen[place] === this.#step) return
    this.#seen[place] = this.#step
    this.#open[this.#openCount++] = place
  }

  /** @returns how many places wait for a character, in `#next`; undefined where the program is through */
  #follow({ atBegin, atEnd }: { readonly atBegin: boolean; readonly atEnd: boolean }) {
    let waiting = 0
    while (this.#openCount > 0) {
      const place = this.#open[--this.#openCount] ?? 0
      const instruction = this.#program[place]
      switch (instruction?.kind) {
        case 'match':
          this.#openCount = 0
          return undefined
        case 'char':
          this.#next[waiting++] = place
          break
        case 'split':
          for (const to of instruction.to) this.#reach(to)
          break
        case 'begin':
          if (atBegin) this.#reach(place + 1)
          break
        case 'end':
          if (atEnd) this.#reach(place + 1)
          break
        default:
      }
    }
    return waiting
  }
}
