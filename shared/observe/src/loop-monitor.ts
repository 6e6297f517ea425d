import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Delay of the event loop over a window, seconds. */
export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Time between two samples, ms; what is under it cannot be seen. Each costs 50 us, also of a node that rests. */
const RESOLUTION_MS = 20

/** Length of a window, ms. */
export const LOOP_WINDOW_MS = 10_000

/**
 * Watches how late the event loop is, in windows of ten seconds, and raises an alarm for each window
 * whose p99 is over the limit.
 */
export class LoopMonitor {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #timer: NodeJS.Timeout
  #latest: LoopDelay | undefined

  /** @param alarm told the delay of a window whose p99 is over `limitMs` */
  constructor(limitMs: number, alarm: (delay: LoopDelay) => void) {
    this.#histogram.enable()
    this.#timer = setInterval(() => {
      const delay = this.#read()
      this.#latest = delay
      this.#histogram.reset()
      if (delay.p99 * 1000 > limitMs) alarm(delay)
    }, LOOP_WINDOW_MS)
    this.#timer.unref()
  }

  /** The last whole window; before there is one, what has been seen so far. */
  get delay(): LoopDelay {
    return this.#latest ?? this.#read()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#histogram.disable()
  }

  #read(): LoopDelay {
    const histogram = this.#histogram
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 }
    return {
      p50: toDelay(histogram.percentile(50)),
      p99: toDelay(histogram.percentile(99)),
      max: toDelay(histogram.max),
    }
  }
}

/** The histogram holds the time between two samples, which is the resolution when nothing is late. */
function toDelay(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS) / 1000
}
