import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Backend, UploadBody } from './backend.ts'
import { intercept, type Step, watchResult } from './intercept.ts'
import type { Purse } from './spending.ts'

export interface Caps {
  /** Absent: no cap. */
  readonly requestsPerSecond?: number | undefined
  /** Bytes of bodies in both directions together; absent: no cap. */
  readonly bytesPerSecond?: number | undefined
  /** Pays for requests and bytes; absent: nobody counts. */
  readonly purse?: Purse | undefined
  /** Longest wait for a turn, ms; beyond it the request is refused. */
  readonly waitMaxMs: number
  readonly clock: Clock
}

/**
 * Keeps the load on the store, and the bill, under what the operator allows.
 *
 * A request over its rate waits; it fails with `slow-down` when it would wait longer than
 * `waitMaxMs`, and with `budget-spent` when its purse refuses to pay.
 */
export function withCaps(backend: Backend, caps: Caps): Backend {
  const { clock, waitMaxMs, purse } = caps
  const requests = caps.requestsPerSecond && new Pace(caps.requestsPerSecond, clock)
  const bytes = caps.bytesPerSecond ? new Pace(caps.bytesPerSecond, clock) : undefined

  /** Returns nothing when there is nothing to wait for. */
  function admit(step: Step): void | Promise<void> {
    if (requests) return takeTurn(requests, step).then(() => purse?.pay(step.operation))
    purse?.pay(step.operation)
    return undefined
  }

  async function takeTurn(pace: Pace, step: Step): Promise<void> {
    const waitMs = pace.waitMs()
    if (waitMs > waitMaxMs) {
      throw new Failure('slow-down', `${backend.name}: the cap of requests per second is reached`, {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      })
    }
    pace.take(1)
    if (waitMs > 0) await clock.sleep(waitMs, step.signal)
  }

  function paceUpload(upload: UploadBody, signal: AbortSignal): UploadBody {
    return {
      lengthBytes: upload.lengthBytes,
      repeatable: upload.repeatable,
      async *chunks() {
        for await (const chunk of upload.chunks()) {
          const waitMs = bytes?.waitMs() ?? 0
          bytes?.take(chunk.length)
          if (waitMs > 0) await clock.sleep(waitMs, signal)
          yield chunk
        }
      },
    }
  }

  return intercept(backend, {
    async run(step, run) {
      await admit(step)
      const { signal, upload } = step
      return run({ signal, upload: upload && bytes ? paceUpload(upload, signal) : upload })
    },
    async read(step, run) {
      const admitted = admit(step)
      if (admitted !== undefined) await admitted
      return watchResult(await run(step), {
        onChunk(length) {
          purse?.received(length)
          const waitMs = bytes?.waitMs() ?? 0
          bytes?.take(length)
          return waitMs > 0 ? clock.sleep(waitMs, step.signal) : undefined
        },
        onEnd: () => undefined,
      })
    },
  })
}

/** A rate without bursts beyond one second. */
class Pace {
  readonly #perSecond: number
  readonly #clock: Clock
  /** Monotonic time until which the rate is used up. */
  #bookedMs: number

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
    this.#bookedMs = clock.monotonic() - 1000
  }

  /** Until the next unit may go. */
  waitMs(): number {
    return Math.max(0, this.#bookedMs - this.#clock.monotonic())
  }

  take(count: number): void {
    // What was not used is forgotten after a second.
    const fromMs = Math.max(this.#bookedMs, this.#clock.monotonic() - 1000)
    this.#bookedMs = fromMs + (count / this.#perSecond) * 1000
  }
}
