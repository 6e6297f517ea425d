/** A command line up to the cursor, as the shell would cut it into words. */
export interface SplitLine {
  /** Whole words before the one at the cursor. */
  readonly before: readonly string[]
  /** The word at the cursor, without quotes and backslashes; empty between words. */
  readonly current: string
  /** The word at the cursor has begun with a quote. */
  readonly quoted: boolean
}

/** Cuts a line as bash does, but for expansions, which stay as they stand. */
export function splitLine(line: string): SplitLine {
  const before: string[] = []
  let current = ''
  let started = false
  let quoted = false
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? ''
    if (quote === '' && /\s/.test(character)) {
      if (started) before.push(current)
      current = ''
      started = false
      quoted = false
    } else if (character === quote) {
      quote = ''
    } else if (quote === '' && (character === '"' || character === "'")) {
      quote = character
      quoted ||= !started
      started = true
    } else if (character === '\\' && quote !== "'" && at + 1 < line.length) {
      current += line[++at]
      started = true
    } else {
      current += character
      started = true
    }
  }
  return { before, current, quoted }
}
