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

/** One for every wait that is over: without a reason each would make an exception of its own. */
const STOPPED = new Error('the wait is over')

/** Aborts its signal when a wait lasts too long. One timer for many chunks: a later deadline is seen when it fires. */
class Watchdog {
  readonly #timeouts: ProgressTimeouts
  readonly #name: string
  readonly #expired = new AbortController()
  #stopped = false
  /** Monotonic time at which the wait is over; `undefined` while the store waits for us. */
  #deadlineMs: number | undefined
  #limitMs = 0
  #timer: { readonly wakesMs: number; readonly cancel: AbortController } | undefined

  constructor(timeouts: ProgressTimeouts, name: string) {
    this.#timeouts = timeouts
    this.#name = name
  }

  get signal(): AbortSignal {
    return this.#expired.signal
  }

  wait(ms: number): void {
    if (this.#stopped) return
    this.#limitMs = ms
    this.#deadlineMs = this.#timeouts.clock.monotonic() + ms
    if (this.#timer === undefined || this.#deadlineMs < this.#timer.wakesMs) this.#arm()
  }

  pause(): void {
    this.#deadlineMs = undefined
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel.abort(STOPPED)
  }

  #arm(): void {
    this.#timer?.cancel.abort(STOPPED)
    this.#timer = undefined
    const deadlineMs = this.#deadlineMs
    // Paused: the next wait arms the timer anew.
    if (deadlineMs === undefined || this.#stopped) return
    const { clock } = this.#timeouts
    const leftMs = deadlineMs - clock.monotonic()
    if (leftMs <= 0) {
      const message = `${this.#name} made no progress in ${this.#limitMs} ms`
      this.#expired.abort(new Failure('backend-timeout', message))
      return
    }
    const cancel = new AbortController()
    this.#timer = { wakesMs: deadlineMs, cancel }
    clock.sleep(leftMs, cancel.signal).then(
      () => this.#arm(),
      // Cancelled: another timer runs, or the request ended.
      () => undefined,
    )
  }
}
