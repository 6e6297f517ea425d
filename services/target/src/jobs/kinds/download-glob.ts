/**
 * True when a pattern names the path: `*` stands for any characters of one name, `?` for one of them,
 * `**` for any at all, and `**` with a slash for any directories, or none. A pattern without a slash is
 * about the last name alone, so `*.tar` means those of every directory.
 *
 * Costs at most the product of both lengths, whatever the pattern.
 */
export function matchesGlob(pattern: string, path: string): boolean {
  const named = pattern.includes('/') ? path : path.slice(path.lastIndexOf('/') + 1)
  const tokens = pattern.replace(/^\//, '').match(/\*\*\/|\*\*|./gsu) ?? []
  // For every beginning of the pattern: whether it stands for the text so far.
  let reached = [true, ...tokens.map(() => false)]
  passEmpty(tokens, reached, true)
  for (const character of named) {
    reached = passCharacter(tokens, reached, character)
    passEmpty(tokens, reached, character === '/')
  }
  return reached[tokens.length] === true
}

function passCharacter(
  tokens: readonly string[],
  reached: readonly boolean[],
  character: string,
): boolean[] {
  const next = [false, ...tokens.map(() => false)]
  for (const [at, token] of tokens.entries()) {
    if (reached[at] !== true) continue
    const inName = character !== '/'
    if (token.startsWith('**') || (token === '*' && inName)) next[at] = true
    if (token === character || (token === '?' && inName)) next[at + 1] = true
  }
  return next
}

/** Stars may stand for nothing; directories end where a name begins. */
function passEmpty(tokens: readonly string[], reached: boolean[], atName: boolean): void {
  for (const [at, token] of tokens.entries()) {
    const passes = token === '**/' ? atName : token === '*' || token === '**'
    if (reached[at] === true && passes) reached[at + 1] = true
  }
}
