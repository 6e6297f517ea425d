import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Backend, UploadBody } from './backend.ts'
import { type BackendOperation, intercept, type Step, watchBody } from './intercept.ts'

export interface Caps {
  /** Absent: no cap. */
  readonly requestsPerSecond?: number | undefined
  /** Bytes of bodies in both directions together; absent: no cap. */
  readonly bytesPerSecond?: number | undefined
  /** What may be spent in a window of time; absent: no cap. */
  readonly cost?: CostCap | undefined
  /** Longest wait for a turn, ms; beyond it the request is refused. */
  readonly waitMaxMs: number
  readonly clock: Clock
}

/** A bound on the bill. Amounts are in any one unit, such as micro-dollars. */
export interface CostCap {
  readonly costMax: number
  readonly windowMs: number
  costOfRequest(operation: BackendOperation): number
  readonly costPerByteRead: number
}

/**
 * Keeps the load on the store, and the bill, under what the operator allows.
 *
 * A request over its rate waits; it fails with `slow-down` when it would wait longer than
 * `waitMaxMs`, or until the window of the cost ends.
 */
export function withCaps(backend: Backend, caps: Caps): Backend {
  const { clock, waitMaxMs } = caps
  const requests = caps.requestsPerSecond && new Pace(caps.requestsPerSecond, clock)
  const bytes = caps.bytesPerSecond ? new Pace(caps.bytesPerSecond, clock) : undefined
  const purse = caps.cost && new Purse(caps.cost, clock)

  async function admit(step: Step): Promise<void> {
    purse?.checkRequest(step.operation)
    if (!requests) return
    const waitMs = requests.waitMs()
    if (waitMs > waitMaxMs) {
      throw new Failure('slow-down', `${backend.name}: the cap of requests per second is reached`, {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      })
    }
    requests.take(1)
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
      await admit(step)
      const result = await run(step)
      if (result.kind !== 'found') return result
      const body = watchBody(result.body, {
        onChunk(length) {
          purse?.spendBytes(length)
          const waitMs = bytes?.waitMs() ?? 0
          bytes?.take(length)
          return waitMs > 0 ? clock.sleep(waitMs, step.signal) : undefined
        },
        onEnd: () => undefined,
      })
      return { ...result, body }
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

/** What was spent in the current window. */
class Purse {
  readonly #cap: CostCap
  readonly #clock: Clock
  #windowEndMs: number
  #spent = 0

  constructor(cap: CostCap, clock: Clock) {
    this.#cap = cap
    this.#clock = clock
    this.#windowEndMs = clock.monotonic() + cap.windowMs
  }

  /** @throws Failure `slow-down` when the window's amount is spent */
  checkRequest(operation: BackendOperation): void {
    const nowMs = this.#clock.monotonic()
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + this.#cap.windowMs
      this.#spent = 0
    }
    const cost = this.#cap.costOfRequest(operation)
    if (this.#spent + cost > this.#cap.costMax) {
      throw new Failure('slow-down', 'the cost cap of the backend is reached', {
        hint: 'raise the cap, or wait until its window ends',
        retryAfterSeconds: Math.ceil((this.#windowEndMs - nowMs) / 1000),
      })
    }
    this.#spent += cost
  }

  /** Bytes under way are paid, also beyond the cap: cutting them would waste what was spent. */
  spendBytes(bytes: number): void {
    this.#spent += bytes * this.#cap.costPerByteRead
  }
}
