/** Lines that say how a run goes. */
import { describeBytes } from '@forebay/base/bytes'
import { formatNumber } from '../bench/statistics.ts'
import { OPERATION_KINDS } from './operation-kind.ts'
import type { LoaderOptions } from './options.ts'
import type { Recorder } from './recorder.ts'

/** A second has passed by then, so that its figures are whole. */
const ROLL_MS = 250

export class Progress {
  readonly #timers: readonly NodeJS.Timeout[]

  constructor(run: {
    readonly options: LoaderOptions
    readonly recorder: Recorder
    readonly endMs: number
    readonly say: (line: string) => void
  }) {
    const { options, recorder } = run
    const roll = setInterval(() => recorder.roll(performance.now()), ROLL_MS)
    const before = new Map<string, { readonly count: number; readonly bytes: number }>()
    let lastMs = recorder.startMs
    const tell = (): void => {
      const nowMs = performance.now()
      if (nowMs < recorder.startMs) {
        run.say('warming up')
        return
      }
      const seconds = (nowMs - lastMs) / 1000
      lastMs = nowMs
      const parts = OPERATION_KINDS.flatMap((kind) => {
        const { count, bytes, latency, isEmpty } = recorder.kinds[kind]
        if (isEmpty) return []
        const last = before.get(kind) ?? { count: 0, bytes: 0 }
        before.set(kind, { count, bytes })
        const rate = Math.round((count - last.count) / seconds)
        const moved = bytes > 0 ? ` ${describeBytes((bytes - last.bytes) / seconds)}/s` : ''
        const p99 = formatNumber(latency.quantileUs(0.99) / 1000)
        return [`${kind} ${rate}/s${moved} p99 ${p99} ms`]
      })
      const left = run.endMs - nowMs
      const rest = Number.isFinite(left) ? `, ${Math.max(0, Math.round(left / 1000))} s left` : ''
      const at = Math.round((nowMs - recorder.startMs) / 1000)
      run.say(`${at} s: ${parts.join(', ')}, ${recorder.errors} errors${rest}`)
    }
    const isQuiet = options.quiet || options.statsIntervalMs === 0
    this.#timers = isQuiet ? [roll] : [roll, setInterval(tell, options.statsIntervalMs)]
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }
}
