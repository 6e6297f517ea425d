/** The report as one HTML page: charts are drawn in place, nothing is fetched. */
import { describeBytes } from '@forebay/base/bytes'
import { formatNumber } from '../bench/statistics.ts'
import { type KindReport, type Report, SHARES, shareName, type Times } from './report.ts'

const WIDTH = 760
const HEIGHT = 240
const LEFT = 64
const RIGHT = 16
const TOP = 16
const BOTTOM = 32

/** Points of a line: more are not told apart. */
const POINTS_MAX = 600

/** Places on the y axis that are named. */
const TICKS = 4

type Line = {
  readonly name: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
  readonly isDashed?: boolean
}

type Chart = {
  readonly title: string
  readonly lines: readonly Line[]
  readonly formatY: (value: number) => string
  readonly xLabels: readonly { readonly x: number; readonly text: string }[]
  /** A logarithmic scale; values of 0 are left out. */
  readonly isLog?: boolean
}

export function renderPage(report: Report): string {
  const verdicts = report.verdicts.map(
    ({ what, isMet }) =>
      `<li class="${isMet ? 'met' : 'missed'}">${isMet ? 'met' : 'MISSED'}: ${escapeHtml(what)}</li>`,
  )
  const wrong = report.mismatchesTold.map(
    (text) => `<li class="missed">wrong: ${escapeHtml(text)}</li>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load on ${escapeHtml(report.setup['bucket'] ?? '')}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Load on ${escapeHtml(report.setup['bucket'] ?? '')}</h1>
<p>${escapeHtml(report.at)}, ${report.seconds.toFixed(1)} s${report.isInterrupted ? ', interrupted' : ''}</p>
<dl>${Object.entries(report.setup)
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('')}</dl>
${verdicts.length + wrong.length === 0 ? '' : `<ul>${[...verdicts, ...wrong].join('')}</ul>`}
${renderTable(report.kinds)}
${chartsOf(report).map(renderChart).join('\n')}
${renderErrors(report)}
<p>The loader took ${formatNumber(report.loaderUsPerOperation)} us of CPU an operation${
    report.lag === undefined
      ? ''
      : ` and was late by ${formatNumber((report.lag.quantilesUs[2] ?? 0) / 1000)} ms or less in 99 of 100`
  }.</p>
</main>
</body>
</html>
`
}

function chartsOf({ timeline, kinds }: Report): readonly Chart[] {
  const step = Math.max(1, Math.ceil(timeline.length / POINTS_MAX))
  const seconds = timeline.filter((_, at) => at % step === 0)
  const series = (name: string, value: (second: (typeof seconds)[number]) => number): Line => ({
    name,
    points: seconds.map((second) => ({ x: second.atSecond, y: value(second) })),
  })
  const last = seconds.at(-1)?.atSecond ?? 0
  const xLabels = [0, 0.25, 0.5, 0.75, 1].map((share) => ({
    x: last * share,
    text: `${formatNumber(Math.round(last * share * 10) / 10)} s`,
  }))
  const byShare = kinds.flatMap(({ kind, latency, service }) => [
    quantileLine(`${kind}, from due`, latency, false),
    quantileLine(`${kind}, from sent`, service, true),
  ])
  const shareLabels = [...SHARES.map(shareName), 'max'].map((text, x) => ({ x, text }))
  const ms = (value: number): string => `${formatNumber(value)} ms`
  return [
    {
      title: 'Operations a second',
      lines: [
        series('done', ({ operations }) => operations),
        series('failed', ({ errors }) => errors),
      ],
      formatY: (value) => String(Math.round(value)),
      xLabels,
    },
    {
      title: 'Bytes a second',
      lines: [series('of objects', ({ bytes }) => bytes)],
      formatY: describeBytes,
      xLabels,
    },
    {
      title: 'Latency over time',
      lines: [
        series('p50', ({ p50Us }) => p50Us / 1000),
        series('p99', ({ p99Us }) => p99Us / 1000),
      ],
      formatY: ms,
      xLabels,
      isLog: true,
    },
    {
      title: 'Latency by percentile',
      lines: byShare,
      formatY: ms,
      xLabels: shareLabels,
      isLog: true,
    },
  ]
}

function quantileLine(name: string, times: Times, isDashed: boolean): Line {
  const values = [...times.quantilesUs, times.maxUs]
  return { name, isDashed, points: values.map((us, x) => ({ x, y: us / 1000 })) }
}

function renderChart({ title, lines, formatY, xLabels, isLog }: Chart): string {
  const kept = lines.map((line) => ({
    ...line,
    points: isLog === true ? line.points.filter(({ y }) => y > 0) : line.points,
  }))
  const ys = kept.flatMap(({ points }) => points.map(({ y }) => y))
  if (ys.length === 0 || Math.max(...ys) === 0) return ''
  const high = Math.max(...ys)
  const low = isLog === true ? Math.min(...ys, high / 2) : 0
  const scale = (y: number): number => (isLog === true ? Math.log(y) : y)
  const xMax = Math.max(1, ...xLabels.map(({ x }) => x))
  const px = (x: number): string => (LEFT + (x / xMax) * (WIDTH - LEFT - RIGHT)).toFixed(1)
  const py = (y: number): string =>
    (
      HEIGHT -
      BOTTOM -
      ((scale(y) - scale(low)) / (scale(high) - scale(low))) * (HEIGHT - TOP - BOTTOM)
    ).toFixed(1)
  const ticks = Array.from({ length: TICKS + 1 }, (_, tick) => {
    const share = tick / TICKS
    return isLog === true ? low * (high / low) ** share : high * share
  })
  const grid = ticks.map(
    (y) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${py(y)}" y2="${py(y)}"/>` +
      `<text x="${LEFT - 6}" y="${py(y)}" text-anchor="end" dy="4">${escapeHtml(formatY(y))}</text>`,
  )
  const labels = xLabels.map(
    ({ x, text }) =>
      `<text x="${px(x)}" y="${HEIGHT - 10}" text-anchor="middle">${escapeHtml(text)}</text>`,
  )
  const drawn = kept.map(
    ({ points, isDashed }, at) =>
      `<polyline class="c${at % COLOURS}"${isDashed ? ' stroke-dasharray="5 4"' : ''} points="${points
        .map(({ x, y }) => `${px(x)},${py(y)}`)
        .join(' ')}"/>`,
  )
  const legend = kept.map(
    ({ name, isDashed }, at) =>
      `<span><svg width="24" height="8" aria-hidden="true"><line class="c${at % COLOURS}" x1="0" x2="24" y1="4" y2="4"${isDashed ? ' stroke-dasharray="5 4"' : ''}/></svg> ${escapeHtml(name)}</span>`,
  )
  return `<figure>
<figcaption>${escapeHtml(title)}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${[...grid, ...labels, ...drawn].join('')}</svg>
<div class="legend">${legend.join('')}</div>
</figure>`
}

/** Classes of lines that the style has a colour for. */
const COLOURS = 6

function renderTable(kinds: readonly KindReport[]): string {
  const head = ['', 'count', 'a second', 'bytes a second', ...SHARES.map(shareName), 'max']
  const rows = kinds.map(({ kind, operations, operationsPerSecond, bytesPerSecond, latency }) => [
    kind,
    String(operations),
    formatNumber(operationsPerSecond),
    bytesPerSecond > 0 ? describeBytes(bytesPerSecond) : '',
    ...[...latency.quantilesUs, latency.maxUs].map((us) => formatNumber(us / 1000)),
  ])
  return table('Latency from when requests were due, ms', head, rows)
}

function renderErrors({ kinds }: Report): string {
  const rows = kinds.flatMap(({ kind, errors }) =>
    Object.entries(errors).map(([what, count]) => [kind, what, String(count)]),
  )
  return rows.length === 0
    ? '<p>No errors.</p>'
    : table('Errors', ['operation', 'what', 'count'], rows)
}

function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = (row: readonly string[], name: string): string =>
    `<tr>${row.map((cell) => `<${name}>${escapeHtml(cell)}</${name}>`).join('')}</tr>`
  return `<table><caption>${escapeHtml(caption)}</caption><thead>${cells(head, 'th')}</thead><tbody>${rows
    .map((row) => cells(row, 'td'))
    .join('')}</tbody></table>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`)
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2230; --paper: #fff; --grid: #d9dde5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8f0; --paper: #12151c; --grid: #333a47; } }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
main { max-width: 820px; margin: 0 auto; padding: 24px 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
dt { opacity: .7 } dd { margin: 0 }
table { border-collapse: collapse; width: 100%; margin: 16px 0; font-variant-numeric: tabular-nums; }
caption, figcaption { text-align: left; font-weight: 600; margin-bottom: 4px; }
th, td { text-align: right; padding: 3px 6px; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; }
figure { margin: 24px 0; } svg { max-width: 100%; }
text { font-size: 11px; fill: var(--ink); }
.grid { stroke: var(--grid); }
polyline { fill: none; stroke-width: 1.6; } .legend line { stroke-width: 2; }
.legend span { margin-right: 16px; white-space: nowrap; }
.c0 { stroke: #2f6fde } .c1 { stroke: #d9480f } .c2 { stroke: #2b8a3e }
.c3 { stroke: #9c36b5 } .c4 { stroke: #c08b00 } .c5 { stroke: #0b7285 }
.missed { color: #d9480f; font-weight: 600 } .met { color: #2b8a3e }
`
