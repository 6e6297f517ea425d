import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { columnsOf, type Frame } from './history.ts'
import { THEME_EVENT } from './theme.ts'

/** One line of a chart. */
export interface Line {
  readonly label: string
  /** Name of the custom property that holds its colour. */
  readonly colour: '--line-1' | '--line-2' | '--line-3'
  readonly pick: (frame: Frame) => number | undefined
}

interface ChartProps {
  readonly title: string
  readonly frames: readonly Frame[]
  readonly lines: readonly Line[]
  /** Writes a value with its unit. */
  readonly format: (value: number | undefined) => string
  /** Top of the scale, where it has one. */
  readonly top?: number
  /** The values are bytes: the scale goes by powers of two. */
  readonly bytes?: true
}

const HEIGHT_PX = 150

/** Room beside the newest value for the half of a time that stands below it. */
const RIGHT_PX = 28

/** Distances between the lines of a scale of bytes: 1, 2, 4, 8 and so on, up to 2 TiB. */
const BYTE_STEPS = Array.from({ length: 42 }, (_, exponent) => 2 ** exponent)

/** Seconds on the horizontal axis while there are fewer frames. */
const SPAN_SECONDS_MIN = 60

/** A chart of the last minutes. What it shows stands below it in words too. */
export function Chart(props: ChartProps): ComponentChildren {
  const { title, frames, lines, format } = props
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | undefined>(undefined)
  useEffect(() => {
    if (box.current === null) return
    const made = makePlot(box.current, props)
    plot.current = made
    const redraw = (): void => made.redraw()
    const resize = new ResizeObserver(([entry]) => {
      if (entry !== undefined) made.setSize({ width: entry.contentRect.width, height: HEIGHT_PX })
    })
    resize.observe(box.current)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', redraw)
    window.addEventListener(THEME_EVENT, redraw)
    return () => {
      resize.disconnect()
      dark.removeEventListener('change', redraw)
      window.removeEventListener(THEME_EVENT, redraw)
      made.destroy()
    }
  }, [])
  useEffect(() => {
    plot.current?.setData(
      columnsOf(
        frames,
        lines.map(({ pick }) => pick),
      ),
    )
  }, [frames, lines])
  const last = frames.at(-1)
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <ul class="legend">
          {lines.map(({ label, colour, pick }) => (
            <li key={label}>
              <i style={{ background: `var(${colour})` }} />
              {label} <b>{format(last === undefined ? undefined : pick(last))}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={box} aria-hidden="true" style={{ height: `${HEIGHT_PX}px` }} />
    </figure>
  )
}

function makePlot(box: HTMLDivElement, { lines, format, top, bytes }: ChartProps): UPlot {
  const colour = (name: string) => (): string =>
    getComputedStyle(document.documentElement).getPropertyValue(name)
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  const options: UPlot.Options = {
    width: Math.max(box.clientWidth, 100),
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, RIGHT_PX, 0, 0],
    scales: {
      x: {
        range: (_plot, min, max) => [
          Math.min(min ?? 0, (max ?? 0) - SPAN_SECONDS_MIN),
          max ?? SPAN_SECONDS_MIN,
        ],
      },
      y: { range: (_plot, _min, max) => [0, top ?? niceTop(max)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 90,
        values: (_plot, splits) =>
          splits.map((at) => new Date(at * 1000).toTimeString().slice(0, 8)),
      },
      {
        ...axis,
        size: 74,
        space: 34,
        ...(bytes === true ? { incrs: BYTE_STEPS } : {}),
        values: (_plot, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 2,
        points: { show: false },
      })),
    ],
  }
  return new UPlot(
    options,
    columnsOf(
      [],
      lines.map(({ pick }) => pick),
    ),
    box,
  )
}

/** A little above the highest value; a chart of nothing has a scale too. */
function niceTop(max: number | null): number {
  return max === null || max <= 0 ? 1 : max * 1.1
}
