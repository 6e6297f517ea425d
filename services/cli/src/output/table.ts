/** A column: its head, and whether its cells stand at the right (numbers). */
export interface Column {
  readonly head: string
  readonly right?: boolean | undefined
}

/** Lines of an aligned table; cells are cleaned of what a terminal would obey. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const clean = rows.map((row) => row.map(printable))
  const widths = columns.map(({ head }, at) =>
    Math.max(head.length, ...clean.map((row) => row[at]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ right }, at) => {
        const cell = cells[at] ?? ''
        return right === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)
      })
      .join('  ')
      .trimEnd()
  return [line(columns.map(({ head }) => head)), ...clean.map(line)]
}

/** Lines `name  value`, values aligned. */
export function formatPairs(
  pairs: readonly (readonly [name: string, value: string])[],
): readonly string[] {
  const width = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`.trimEnd())
}

/** Text without control characters: a key must not move the cursor or recolour the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to take out
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, escapeControl)
}

function escapeControl(character: string): string {
  const short = JSON.stringify(character).slice(1, -1)
  // JSON leaves the second block of control characters as it is; terminals obey it.
  return short === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : short
}
