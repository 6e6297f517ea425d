import type { TraceResult } from './compare.ts'

const SERIES = [
  { name: 'optimum', colour: '#9aa5b1' },
  { name: 'epoch', colour: '#0b7a75' },
  { name: 's3-fifo', colour: '#3867d6' },
  { name: 'sieve', colour: '#8854d0' },
  { name: 'lru', colour: '#d1495b' },
] as const

const WIDTH = 900
const LABELS_WIDTH = 330
const ROW_HEIGHT = 64
const BAR_HEIGHT = 10
const TOP = 56
const VALUE_WIDTH = 44

/** Byte hit ratios as a chart that stands alone: no script, no font or picture from elsewhere. */
export function drawChart(results: readonly TraceResult[]): string {
  const height = TOP + results.length * ROW_HEIGHT + 16
  const rows = results.map((result, at) => drawRow(result, TOP + at * ROW_HEIGHT))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"`,
    ' font-family="system-ui, sans-serif" font-size="12">',
    '<title>Share of bytes read from the cache, by trace and eviction policy</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    '<text x="16" y="22" font-size="15" font-weight="600" fill="#1f2933">Share of bytes that came from the cache</text>',
    drawLegend(),
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

function drawLegend(): string {
  return SERIES.map(({ name, colour }, at) => {
    const x = LABELS_WIDTH + at * 100
    return `<rect x="${x}" y="34" width="10" height="10" fill="${colour}"/><text x="${x + 15}" y="43" fill="#1f2933">${name}</text>`
  }).join('')
}

function drawRow(result: TraceResult, top: number): string {
  const scale = WIDTH - LABELS_WIDTH - VALUE_WIDTH - 16
  const bars = SERIES.map(({ name, colour }, at) => {
    const { bytes } = name === 'optimum' ? result.optimum : result.policies[name]
    const y = top + at * (BAR_HEIGHT + 1)
    const width = Math.max(1, bytes * scale).toFixed(1)
    const x = LABELS_WIDTH + Math.max(1, bytes * scale) + 5
    return `<rect x="${LABELS_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" fill="${colour}"/><text x="${x.toFixed(1)}" y="${y + 9}" font-size="9" fill="#52606d">${bytes.toFixed(3)}</text>`
  })
  const label = `<text x="${LABELS_WIDTH - 12}" y="${top + 32}" text-anchor="end" fill="#1f2933">${result.name}</text>`
  return `<g>${label}${bars.join('')}</g>`
}
