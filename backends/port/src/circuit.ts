import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { Link, LinkedList } from './linked-list.ts'

export interface CircuitOptions {
  /** Failures without an answer in between before requests are refused. */
  readonly failuresMin: number
  /** They must span this long, ms: connections that break all at once are no outage. */
  readonly failingForMs: number
  /** So many requests waiting, and no answer for so long, ms, are an outage before any has failed. */
  readonly silentForMs: number
  /** Upper bound of the first pause, ms; it doubles with each probe that fails. */
  readonly pauseMs: number
  readonly pauseMaxMs: number
  /** Longest wait for the answer to a probe, ms. */
  readonly probeTimeoutMs: number
  /** After an outage requests are let through a few at a time; with so many at a time all are. */
  readonly rampMax: number
  /** Failures in a row that end this return. */
  readonly rampFailuresMax: number
  readonly clock: Clock
  /** Numbers 0..1, for jitter. */
  readonly random: () => number
  /** Asks the store for anything cheap; any answer will do. */
  probe(signal: AbortSignal): Promise<unknown>
  onChange?(state: CircuitState): void
}

/** A second of failures opens it; an outage is noticed to be over within ten seconds. */
export const CIRCUIT_DEFAULTS = {
  failuresMin: 5,
  failingForMs: 1000,
  silentForMs: 5000,
  pauseMs: 1000,
  pauseMaxMs: 10_000,
  probeTimeoutMs: 5000,
  rampMax: 32,
  rampFailuresMax: 3,
} as const

/** `open`: requests are refused at once; `ramp`: the store answers again, a few are let through. */
export type CircuitState = 'closed' | 'open' | 'ramp'

/** What a circuit wants to know of a request. */
export interface Entering {
  /** False for one that may take long by itself, such as an upload or a copy. */
  readonly answersSoon: boolean
  /** Ends a wait that is no use any more. */
  cut?(reason: Failure): void
}

/** One request that was let through. Tell how it ended, once. */
export interface Passage {
  /** @param error why it failed; absent for any answer */
  end(error?: unknown): void
}

/**
 * Whether a store can be reached, judged by how the requests to it end. While it cannot, requests are
 * refused at once, so that what is in the cache is served without waiting, and the store is asked by one
 * probe at a time, with jitter, only while somebody wants something of it. No request of a client is a
 * probe. When it answers again, requests return as TCP does after a loss: a few, then more.
 */
export class Circuit {
  readonly #name: string
  readonly #options: CircuitOptions
  #state: CircuitState = 'closed'
  /** Raised by each change: what was let through before does not count any more. */
  #epoch = 0
  #failures = 0
  /** Monotonic start of the first request of the failures that are counted. */
  #failingSinceMs = 0
  /** Requests since the last change that wait for an answer, the oldest first. */
  readonly #waiting = new LinkedList<{ readonly startedMs: number; cut?(reason: Failure): void }>()
  #lastAnswerMs = 0
  #lastError: unknown
  #openedMs = 0
  #askedMs = 0
  #pauseMs = 0
  #untilMs = 0
  #probing = false
  #window = 0
  /** Requests that were let through on the way back, the oldest first. */
  readonly #returning = new Set<{ readonly startedMs: number }>()

  constructor(name: string, options: CircuitOptions) {
    this.#name = name
    this.#options = options
  }

  get state(): CircuitState {
    return this.#state
  }

  /** Milliseconds since it opened, 0 while it is closed. */
  get downForMs(): number {
    return this.#state === 'closed' ? 0 : this.#options.clock.monotonic() - this.#openedMs
  }

  /** Milliseconds since anything was last wanted of the store: nobody else finds out how it does. */
  get idleForMs(): number {
    return this.#options.clock.monotonic() - this.#askedMs
  }

  /** @throws Failure `backend-unreachable` | `backend-throttled` while requests are refused */
  refuseIfOpen(): void {
    if (this.#state !== 'open') return
    this.#askedMs = this.#options.clock.monotonic()
    throw this.#refuse()
  }

  /** @throws Failure `backend-unreachable` | `backend-throttled` while requests are refused */
  enter(entering: Entering): Passage {
    if (this.#isSilent()) this.#openForSilence()
    this.refuseIfOpen()
    if (this.#state === 'ramp' && this.#isFull()) throw this.#refusal()
    const epoch = this.#epoch
    const startedMs = this.#options.clock.monotonic()
    this.#askedMs = startedMs
    const { cut } = entering
    const wait = cut === undefined ? { startedMs } : { startedMs, cut }
    const link = new Link(wait)
    if (entering.answersSoon) this.#waiting.add(link)
    if (this.#state === 'ramp') this.#returning.add(wait)
    let ended = false
    return {
      end: (error) => {
        this.#waiting.remove(link)
        if (ended || epoch !== this.#epoch) return
        ended = true
        this.#returning.delete(wait)
        if (error === undefined || isAnswer(error)) this.#answered()
        else if (isOutage(error)) this.#failed(error, startedMs)
      },
    }
  }

  /** One that takes long, such as an upload, keeps its place for a while only: others may know sooner. */
  #isFull(): boolean {
    const sinceMs = this.#options.clock.monotonic() - this.#options.silentForMs
    for (const passage of this.#returning) {
      if (passage.startedMs > sinceMs) break
      this.#returning.delete(passage)
    }
    return this.#returning.size >= this.#window
  }

  /** Nothing but time has to pass for this, so it is looked at when somebody comes. */
  #isSilent(): boolean {
    const { failuresMin, silentForMs, clock } = this.#options
    if (this.#state !== 'closed' || this.#waiting.size < failuresMin) return false
    const sinceMs = Math.max(this.#lastAnswerMs, this.#waiting.first?.startedMs ?? 0)
    return clock.monotonic() - sinceMs >= silentForMs
  }

  #openForSilence(): void {
    const { silentForMs, clock } = this.#options
    const waiting = this.#waiting.values()
    this.#lastError = new Failure(
      'backend-timeout',
      `${this.#name} has answered none of ${waiting.length} requests for ${silentForMs} ms`,
    )
    this.#openedMs = clock.monotonic()
    this.#pauseMs = 0
    this.#open()
    for (const { cut } of waiting) cut?.(this.#refusal())
  }

  #answered(): void {
    this.#failures = 0
    this.#lastAnswerMs = this.#options.clock.monotonic()
    if (this.#state !== 'ramp') return
    this.#window += 1
    if (this.#window > this.#options.rampMax) this.#close()
  }

  #failed(error: unknown, startedMs: number): void {
    const { clock, failuresMin, failingForMs, rampFailuresMax } = this.#options
    if (this.#failures === 0) this.#failingSinceMs = startedMs
    this.#failingSinceMs = Math.min(this.#failingSinceMs, startedMs)
    this.#failures += 1
    this.#lastError = error
    if (this.#state === 'ramp') {
      this.#window = Math.max(1, Math.floor(this.#window / 2))
      if (this.#failures >= rampFailuresMax) this.#open()
      return
    }
    const forMs = clock.monotonic() - this.#failingSinceMs
    if (this.#failures < failuresMin || forMs < failingForMs) return
    this.#openedMs = clock.monotonic()
    this.#pauseMs = 0
    this.#open()
  }

  #open(): void {
    this.#change('open')
    this.#pause()
  }

  #pause(): void {
    const { pauseMs, pauseMaxMs, clock, random } = this.#options
    this.#pauseMs = this.#pauseMs === 0 ? pauseMs : Math.min(pauseMaxMs, this.#pauseMs * 2)
    // Nodes that lost the store together do not all ask it at the same moment.
    this.#untilMs = clock.monotonic() + this.#pauseMs * (0.5 + random() / 2)
  }

  #close(): void {
    this.#pauseMs = 0
    this.#change('closed')
  }

  #change(state: CircuitState): void {
    this.#state = state
    this.#epoch += 1
    this.#failures = 0
    this.#waiting.clear()
    this.#returning.clear()
    this.#window = 1
    this.#options.onChange?.(state)
  }

  #refuse(): Failure {
    if (!this.#probing && this.#options.clock.monotonic() >= this.#untilMs) void this.#probe()
    return this.#refusal()
  }

  /** Never rejects: how it ends is the state that follows. */
  async #probe(): Promise<void> {
    const { clock, probeTimeoutMs } = this.#options
    this.#probing = true
    const timeout = new AbortController()
    const done = new AbortController()
    const timer = clock.sleep(probeTimeoutMs, done.signal).then(
      () => timeout.abort(new Failure('backend-timeout', `${this.#name} did not answer a probe`)),
      () => undefined,
    )
    try {
      // An adapter that waits for something else than its request would keep it open for ever.
      await Promise.race([this.#options.probe(timeout.signal), whenAborted(timeout.signal)])
      this.#change('ramp')
    } catch (error) {
      if (isAnswer(error)) this.#change('ramp')
      else {
        this.#lastError = error
        this.#pause()
      }
    } finally {
      this.#probing = false
      done.abort()
      await timer
    }
  }

  #refusal(): Failure {
    const waitMs = this.#untilMs - this.#options.clock.monotonic()
    const downForSeconds = Math.round(this.downForMs / 1000)
    const throttled = isFailure(this.#lastError, 'backend-throttled')
    return new Failure(
      throttled ? 'backend-throttled' : 'backend-unreachable',
      `${this.#name} has been failing for ${downForSeconds} s and is not asked at the moment`,
      {
        cause: this.#lastError,
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
        facts: { notSent: true, circuit: this.#state },
      },
    )
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** True for the failure of a request that a circuit refused; repeating it at once is no use. */
export function isRefusedByCircuit(error: unknown): boolean {
  return isFailure(error) && error.facts['circuit'] !== undefined
}

/** Failures that a store causes which is down, or wants to be left alone. */
function isOutage(error: unknown): boolean {
  if (!isFailure(error, 'backend-unreachable', 'backend-timeout', 'backend-throttled')) return false
  // A store that waited in vain for a body of ours (400, 408) is well.
  const status = Number(error.facts['backendStatus'] ?? 0)
  return status === 0 || status === 429 || status >= 500
}

/** Failures that the store itself stated: it is there. Limits of ours and aborts tell nothing. */
function isAnswer(error: unknown): boolean {
  if (!isFailure(error) || isOutage(error)) return false
  return error.code.startsWith('backend-') || error.facts['backendStatus'] !== undefined
}
