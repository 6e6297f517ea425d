/** Summaries of repeated runs. */

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const high = sorted[Math.floor(sorted.length / 2)]
  const low = sorted[Math.ceil(sorted.length / 2) - 1]
  if (high === undefined || low === undefined) throw new Error('the median of nothing')
  return (low + high) / 2
}

export function minimum(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the minimum of nothing')
  return Math.min(...values)
}

/** Slope of the least-squares line through the points, in units of y per unit of x. */
export function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  if (points.length < 2) throw new Error('a slope needs two points')
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length
  const above = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0)
  const below = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  if (below === 0) throw new Error('a slope needs two different x')
  return above / below
}

const UNITS = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const

/** Bytes of `4096`, `64k`, `1m` or `1g`; case and a trailing `iB` or `b` do not matter. */
export function parseSize(text: string): number {
  const match = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim())
  const unit = match?.[2]?.toLowerCase()
  if (unit !== '' && unit !== 'k' && unit !== 'm' && unit !== 'g') {
    throw new Error(`"${text}" is no size; write for example 4k, 1m or 1g`)
  }
  return Number(match?.[1]) * UNITS[unit]
}

/** `4 KiB`, `1 GiB`. */
export function formatSize(bytes: number): string {
  if (bytes >= UNITS.g && bytes % UNITS.g === 0) return `${bytes / UNITS.g} GiB`
  if (bytes >= UNITS.m && bytes % UNITS.m === 0) return `${bytes / UNITS.m} MiB`
  if (bytes >= UNITS.k && bytes % UNITS.k === 0) return `${bytes / UNITS.k} KiB`
  return `${bytes} B`
}

/** Three significant digits, without an exponent. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)))
  return value.toFixed(Math.min(6, Math.max(0, digits)))
}

/** Lines of a table with its columns aligned, the first to the left, the others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
