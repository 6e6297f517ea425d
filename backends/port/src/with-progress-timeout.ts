import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Backend, UploadBody } from './backend.ts'
import { intercept, watchResult } from './intercept.ts'
import { Link, LinkedList } from './linked-list.ts'

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
  const waits = new Waits(timeouts.clock)
  const watched = intercept(backend, {
    async run(step, run) {
      const watchdog = new Watchdog(waits, backend.name, step.signal)
      const upload = step.upload && watchUpload(step.upload, watchdog)
      watchdog.wait(timeouts.answerMs)
      try {
        return await run({ signal: watchdog.signal, upload })
      } finally {
        watchdog.stop()
      }
    },
    async read(step, run) {
      const watchdog = new Watchdog(waits, backend.name, step.signal)
      watchdog.wait(timeouts.answerMs)
      try {
        const result = await run({ signal: watchdog.signal, upload: undefined })
        if (result.kind === 'found') watchdog.pause()
        else watchdog.stop()
        return watchResult(result, {
          onPump: () => watchdog.wait(timeouts.chunkMs),
          onChunk: () => watchdog.pause(),
          onTaken: () => watchdog.wait(timeouts.chunkMs),
          onEnd: () => watchdog.stop(),
        })
      } catch (error) {
        watchdog.stop()
        throw error
      }
    },
  })
  const close = (): Promise<void> => {
    waits.close()
    return watched.close()
  }
  return { ...watched, close }

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

/** Why a timer ends that is needed no more; without a reason each would make an exception of its own. */
const STOPPED = new Error('the wait is over')

/** The waits for one store. They share a timer: most end long before it fires, and cost it nothing. */
class Waits {
  readonly #clock: Clock
  readonly #waiting = new LinkedList<Watchdog>()
  #timer: { readonly wakesMs: number; readonly cancel: AbortController } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.monotonic()
  }

  begin(link: Link<Watchdog>): void {
    this.#waiting.add(link)
    const { deadlineMs } = link.value
    if (this.#timer === undefined || deadlineMs < this.#timer.wakesMs) this.#arm(deadlineMs)
  }

  end(link: Link<Watchdog>): void {
    this.#waiting.remove(link)
  }

  /** Ends the timer; what still waits is not looked after any more. */
  close(): void {
    this.#timer?.cancel.abort(STOPPED)
    this.#timer = undefined
  }

  #arm(wakesMs: number): void {
    this.close()
    const timer = { wakesMs, cancel: new AbortController() }
    this.#timer = timer
    this.#clock.sleep(Math.max(0, wakesMs - this.now()), timer.cancel.signal).then(
      () => {
        if (this.#timer === timer) this.#look()
      },
      // Another timer runs, or none is needed.
      () => undefined,
    )
  }

  #look(): void {
    this.#timer = undefined
    const now = this.now()
    for (const watchdog of this.#waiting.values()) if (watchdog.deadlineMs <= now) watchdog.expire()
    if (this.#waiting.size === 0) return
    let next = Number.POSITIVE_INFINITY
    for (const { deadlineMs } of this.#waiting.values()) next = Math.min(next, deadlineMs)
    this.#arm(next)
  }
}

/** Aborts its signal when a wait lasts too long, or `outer` is aborted. */
class Watchdog {
  readonly #waits: Waits
  readonly #name: string
  readonly #outer: AbortSignal
  readonly #ending = new AbortController()
  readonly #link = new Link<Watchdog>(this)
  readonly #follow = (): void => this.#ending.abort(this.#outer.reason)
  #stopped = false
  #limitMs = 0
  /** Monotonic time at which the wait is over. */
  deadlineMs = 0

  constructor(waits: Waits, name: string, outer: AbortSignal) {
    this.#waits = waits
    this.#name = name
    this.#outer = outer
    if (outer.aborted) this.#follow()
    else outer.addEventListener('abort', this.#follow, { once: true })
  }

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  wait(ms: number): void {
    if (this.#stopped) return
    this.#limitMs = ms
    this.deadlineMs = this.#waits.now() + ms
    this.#waits.begin(this.#link)
  }

  /** The store waits for us. */
  pause(): void {
    this.#waits.end(this.#link)
  }

  stop(): void {
    this.#stopped = true
    this.#waits.end(this.#link)
    this.#outer.removeEventListener('abort', this.#follow)
  }

  expire(): void {
    this.#waits.end(this.#link)
    const message = `${this.#name} made no progress in ${this.#limitMs} ms`
    this.#ending.abort(new Failure('backend-timeout', message))
  }
}
