/**
 * A test for names that match one of the patterns: `*` stands for any characters, `?` for one.
 * Linear in the length of the name for each pattern.
 */
export function matchNames(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.includes('*')) return () => true
  const exact = new Set(patterns.filter((pattern) => !/[*?]/.test(pattern)))
  const wild = patterns.filter((pattern) => /[*?]/.test(pattern))
  return (name) => exact.has(name) || wild.some((pattern) => matchesWild(pattern, name))
}

/** The greedy match with one point of return: no pattern makes it try more than length x length. */
function matchesWild(pattern: string, name: string): boolean {
  let inPattern = 0
  let inName = 0
  let star = -1
  let resume = 0
  while (inName < name.length) {
    const wanted = pattern[inPattern]
    if (wanted === '*') {
      star = inPattern++
      resume = inName
    } else if (wanted !== undefined && (wanted === '?' || wanted === name[inName])) {
      inPattern++
      inName++
    } else if (star !== -1) {
      inPattern = star + 1
      inName = ++resume
    } else {
      return false
    }
  }
  while (pattern[inPattern] === '*') inPattern++
  return inPattern === pattern.length
}
