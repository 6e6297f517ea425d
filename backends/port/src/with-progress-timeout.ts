import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Backend, UploadBody } from './backend.ts'
import { intercept, watchBody } from './intercept.ts'

export interface ProgressTimeouts {
  /** Until the head of an answer: connecting included, time of an upload's body not; ms. */
  readonly answerMs: number
  /** Until the next chunk of a body moves, in either direction; ms. */
  readonly chunkMs: number
  readonly clock: Clock
}

/**
 * Ends a request when the store makes no progress, with `backend-timeout`. Time in which the store
 * waits for us (a slow reader, a source that withholds its tail) does not count.
 */
export function withProgressTimeout(backend: Backend, timeouts: ProgressTimeouts): Backend {
  return intercept(backend, {
    async run(step, run) {
      const watchdog = new Watchdog(timeouts, backend.name)
      const signal = AbortSignal.any([step.signal, watchdog.signal])
      const upload = step.upload && watchUpload(step.upload, watchdog)
      watchdog.wait(timeouts.answerMs)
      try {
        return await run({ signal, upload })
      } finally {
        watchdog.stop()
      }
    },
    async read(step, run) {
      const watchdog = new Watchdog(timeouts, backend.name)
      const signal = AbortSignal.any([step.signal, watchdog.signal])
      watchdog.wait(timeouts.answerMs)
      try {
        const result = await run({ signal, upload: undefined })
        if (result.kind !== 'found') {
          watchdog.stop()
          return result
        }
        watchdog.pause()
        const body = watchBody(result.body, {
          onPump: () => watchdog.wait(timeouts.chunkMs),
          onChunk: () => watchdog.pause(),
          onTaken: () => watchdog.wait(timeouts.chunkMs),
          onEnd: () => watchdog.stop(),
        })
        return { ...result, body }
      } catch (error) {
        watchdog.stop()
        throw error
      }
    },
  })

  function watchUpload(upload: UploadBody, watchdog: Watchdog): UploadBody {
    return {
      lengthBytes: upload.lengthBytes,
      repeatable: upload.repeatable,
      async *chunks() {
        watchdog.pause()
        for await (const chunk of upload.chunks()) {
          watchdog.wait(timeouts.chunkMs)
          yield chunk
          watchdog.pause()
        }
        watchdog.wait(timeouts.answerMs)
      },
    }
  }
}

/** Aborts its signal when a wait lasts too long. One timer, however many chunks. */
class Watchdog {
  readonly #timeouts: ProgressTimeouts
  readonly #name: string
  readonly #expired = new AbortController()
  readonly #stopped = new AbortController()
  /** Monotonic time at which the wait is over; `undefined` while the store waits for us. */
  #deadlineMs: number | undefined
  #limitMs = 0
  #running = false

  constructor(timeouts: ProgressTimeouts, name: string) {
    this.#timeouts = timeouts
    this.#name = name
  }

  get signal(): AbortSignal {
    return this.#expired.signal
  }

  wait(ms: number): void {
    this.#limitMs = ms
    this.#deadlineMs = this.#timeouts.clock.monotonic() + ms
    if (!this.#running) this.#watch()
  }

  pause(): void {
    this.#deadlineMs = undefined
  }

  stop(): void {
    this.#stopped.abort()
  }

  #watch(): void {
    const { clock } = this.#timeouts
    if (this.#stopped.signal.aborted) return
    this.#running = true
    const deadlineMs = this.#deadlineMs
    // Paused: the next wait starts the timer anew.
    if (deadlineMs === undefined) {
      this.#running = false
      return
    }
    const leftMs = deadlineMs - clock.monotonic()
    if (leftMs <= 0) {
      const message = `${this.#name} made no progress in ${this.#limitMs} ms`
      this.#expired.abort(new Failure('backend-timeout', message))
      return
    }
    clock.sleep(leftMs, this.#stopped.signal).then(
      () => this.#watch(),
      // The request ended: nothing is left to watch.
      () => undefined,
    )
  }
}
