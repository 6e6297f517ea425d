import { Failure } from './failure.ts'

/** Different keys that may be under way at once, where the owner names no other bound. */
export const FLIGHTS_MAX_DEFAULT = 10_000

/** Callers that may wait for one flight; each costs about 300 bytes, so the worst key costs 3 MB. */
export const FLIGHT_WAITERS_MAX = 10_000

interface Flight<T> {
  readonly outcome: Promise<T>
  readonly controller: AbortController
  waiters: number
}

/**
 * Runs one piece of work per key at a time; whoever asks meanwhile gets the same outcome.
 *
 * A failure goes to all who waited and is not remembered: the next caller tries again. Nothing is
 * cached. Both bounds refuse with `object-busy` instead of queueing: `flightsMax` different keys, and
 * `FLIGHT_WAITERS_MAX` callers of one key.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()
  readonly #flightsMax: number

  constructor(flightsMax: number = FLIGHTS_MAX_DEFAULT) {
    this.#flightsMax = flightsMax
  }

  /** Keys under way. */
  get size(): number {
    return this.#flights.size
  }

  /**
   * The outcome of the key's work; starts `work` when none is under way.
   *
   * `signal` ends this caller's waiting only. The work's own signal is aborted when the last caller
   * has left; a later caller then starts afresh instead of joining work that is being given up.
   *
   * @throws Failure `object-busy` at a bound; the work's failure; the signal's reason
   */
  async run(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    if (flight.waiters >= FLIGHT_WAITERS_MAX) {
      throw busy(`more than ${FLIGHT_WAITERS_MAX} requests wait for the same work`)
    }
    flight.waiters += 1
    try {
      return await waitFor(flight.outcome, signal)
    } finally {
      flight.waiters -= 1
      if (flight.waiters === 0 && this.#flights.get(key) === flight) {
        this.#flights.delete(key)
        flight.controller.abort(new Error('nobody waits for this work any more'))
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    if (this.#flights.size >= this.#flightsMax) {
      throw busy(`more than ${this.#flightsMax} different pieces of work are under way`)
    }
    const controller = new AbortController()
    const outcome = Promise.resolve().then(() => work(controller.signal))
    const flight: Flight<T> = { outcome, controller, waiters: 0 }
    this.#flights.set(key, flight)
    const land = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    // Also keeps a failure that nobody waits for any more from being an unhandled rejection.
    outcome.then(land, land)
    return flight
  }
}

function waitFor<T>(outcome: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return outcome
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    const done = (): void => signal.removeEventListener('abort', leave)
    outcome.then(
      (value) => {
        done()
        resolve(value)
      },
      (error: unknown) => {
        done()
        reject(error)
      },
    )
  })
}

function busy(message: string): Failure {
  return new Failure('object-busy', message, { retryAfterSeconds: 1 })
}
