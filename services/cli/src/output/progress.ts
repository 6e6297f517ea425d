import { describeBytes } from '@forebay/base/bytes'
import type { Run } from '../cli-context.ts'
import { spanText } from './values.ts'

/** Shortest time between two lines, ms: a terminal shows no more. */
const REDRAW_MS = 100

/** Time over which the rate is told, ms. */
const RATE_WINDOW_MS = 5000

const BAR_WIDTH = 24

export interface ProgressOptions {
  readonly label: string
  /** Bytes to come, where known. */
  readonly totalBytes: number | undefined
  /** Milliseconds that never go back. */
  readonly now?: (() => number) | undefined
}

/** A bar with rate and remaining time on standard error, only where that is a terminal. */
export class Progress {
  readonly #run: Run
  readonly #options: ProgressOptions
  readonly #now: () => number
  readonly #visible: boolean
  #doneBytes = 0
  #drawnMs = Number.NEGATIVE_INFINITY
  /** Points of the last seconds, oldest first; at most one per redraw. */
  #points: { readonly atMs: number; readonly bytes: number }[]

  constructor(run: Run, options: ProgressOptions) {
    this.#run = run
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    const { quiet, json } = run.options
    this.#visible = run.context.stderr.isTTY === true && quiet !== true && json !== true
    this.#points = [{ atMs: this.#now(), bytes: 0 }]
  }

  add(bytes: number): void {
    this.#doneBytes += bytes
    const now = this.#now()
    if (!this.#visible || now - this.#drawnMs < REDRAW_MS) return
    this.#drawnMs = now
    this.#points.push({ atMs: now, bytes: this.#doneBytes })
    this.#points = this.#points.filter(({ atMs }) => atMs >= now - RATE_WINDOW_MS)
    this.#run.context.stderr.write(`\r\x1b[K${this.line()}`)
  }

  /** Takes the bar away. */
  finish(): void {
    if (this.#visible) this.#run.context.stderr.write('\r\x1b[K')
  }

  /** What the terminal shows. */
  line(): string {
    const { label, totalBytes } = this.#options
    const rate = this.#bytesPerSecond()
    const speed = rate === undefined ? '' : `  ${describeBytes(rate)}/s`
    const done = describeBytes(this.#doneBytes)
    if (totalBytes === undefined || totalBytes === 0) return `${label}  ${done}${speed}`
    const share = Math.min(1, this.#doneBytes / totalBytes)
    const filled = Math.round(share * BAR_WIDTH)
    const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}`
    const left =
      rate === undefined || rate === 0
        ? ''
        : `  ${spanText((totalBytes - this.#doneBytes) / rate)} left`
    return `${label}  [${bar}] ${Math.floor(share * 100)} %  ${done}${speed}${left}`
  }

  #bytesPerSecond(): number | undefined {
    const oldest = this.#points[0]
    const elapsedMs = oldest === undefined ? 0 : this.#now() - oldest.atMs
    if (oldest === undefined || elapsedMs <= 0) return undefined
    return ((this.#doneBytes - oldest.bytes) / elapsedMs) * 1000
  }
}
