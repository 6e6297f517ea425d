/** Lines that are kept for whoever asks what happened last. */
export const RECENT_LINES_MAX = 1000

/** Characters of one line that are kept; a stack trace has some thousand. */
export const RECENT_LINE_CHARACTERS_MAX = 8192

/** The last lines of a log, in memory: at most 1,000, each cut at 8,192 characters. */
export class RecentLines {
  readonly #lines: string[] = []
  /** Where the next line goes, once the ring is full. */
  #next = 0

  add(line: string): void {
    const kept = line.slice(0, RECENT_LINE_CHARACTERS_MAX).trimEnd()
    if (this.#lines.length < RECENT_LINES_MAX) {
      this.#lines.push(kept)
      return
    }
    this.#lines[this.#next] = kept
    this.#next = (this.#next + 1) % RECENT_LINES_MAX
  }

  /** The lines, oldest first. */
  list(): readonly string[] {
    return [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)]
  }
}
