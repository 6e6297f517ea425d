/** Letters of a word that are looked at; a misspelt key is shorter. */
const LETTERS_MAX = 100

/**
 * The candidate that somebody who wrote `word` most likely meant, without regard to case.
 *
 * @returns undefined when none is near: more than a third of the letters differ
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const wanted = word.slice(0, LETTERS_MAX).toLowerCase()
  let best: { readonly candidate: string; readonly distance: number } | undefined
  for (const candidate of candidates) {
    const known = candidate.toLowerCase()
    const tail = known.slice(known.lastIndexOf('.') + 1)
    // A key without its group counts as a near miss, not as a match.
    const distance = Math.min(editDistance(wanted, known), editDistance(wanted, tail) + 1)
    if (best === undefined || distance < best.distance) best = { candidate, distance }
  }
  const limit = Math.max(2, Math.floor(wanted.length / 3))
  return best !== undefined && best.distance <= limit ? best.candidate : undefined
}

/** Damerau-Levenshtein distance of adjacent swaps: insertions, deletions, changes and swaps. */
export function editDistance(a: string, b: string): number {
  let before: readonly number[] = []
  let previous: readonly number[] = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let distance = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      )
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (row > 1 && column > 1 && swapped) {
        distance = Math.min(distance, (before[column - 2] ?? 0) + 1)
      }
      current.push(distance)
    }
    before = previous
    previous = current
  }
  return previous[b.length] ?? 0
}
