import type { Clock } from '@forebay/base/clock'
import type { UserLoad } from './user-load.ts'

/** Items at once with which work begins beside users: enough for a small job, and not noticed for a moment. */
export const START_ITEMS = 8

/** How often the pace is judged while jobs have work, ms. */
export const TICK_MS = 200

/** Users are away when none asked for anything for so long, ms. */
export const USERS_AWAY_MS = 10_000

/** Waits of users that a judgement needs. */
export const WAITS_MIN = 8

/** Fewer than that are judged after so many ticks all the same. */
const TICKS_MAX = 10

/** Users may wait so much longer than usual before jobs give way, as a factor and on top, ms. */
const SLOWER_MAX = 1.4
const SLOWER_MS = 2

/** Share of its time that the loop may be busy while users are there, 0..1: beyond it they queue for it. */
const LOOP_BUSY_MAX = 0.7

/** After so many ticks without work the next begins as the first did: not between two pages. */
const IDLE_TICKS = 10

/** How many ticks nothing is tried after jobs gave way. */
const HOLD_TICKS = 5

/** What users usually wait is measured again after so long, ms, with almost no jobs in their way. */
export const USUAL_TRUSTED_MS = 60_000

/** Longest such measurement, ticks: 2 s of a minute. */
const PROBE_TICKS_MAX = 10

/** Weight of a new measurement of what is usual, 0..1. */
const USUAL_WEIGHT = 0.3

export interface JobPaceOptions {
  readonly clock: Clock
  readonly users: UserLoad
  /** Items of all jobs at once on this node, >= 1. */
  readonly itemsMax: number
  /** Share of its time that the event loop was busy since it was asked last, 0..1. */
  readonly loopBusyShare: () => number
}

interface Waiter {
  grant(): void
}

interface Probe {
  readonly limitBefore: number
  ticksLeft: number
  /** The items that were begun before have ended. */
  isClear: boolean
}

/**
 * How many items of jobs are worked on at once: as many as users do not notice.
 *
 * While no user is there it is the limit: at once when work begins, and within a second when the last
 * user has left, so that a job of a second loses nothing. While one is, it grows by one each fifth of a
 * second as long as users wait for the store about as long as they do without jobs, and halves when
 * nine of ten wait 1.4 times that, or the event loop has no time left. What they wait without jobs is
 * measured with a single item at once: when users come, and once a minute for at most two seconds. So
 * it comes to rest just below the number at which store, network, disk or processor make users wait,
 * whichever it is.
 *
 * It never falls below one: a job comes to its end on any node.
 */
export class JobPace {
  readonly #options: JobPaceOptions
  readonly #waiters: Waiter[] = []
  #limit: number
  #running = 0
  #ticking = false
  #ticks = 0
  #holdTicks = 0
  #usualMs: number | undefined
  #usualAt = Number.NEGATIVE_INFINITY
  #probe: Probe | undefined

  constructor(options: JobPaceOptions) {
    this.#options = options
    this.#limit = Math.min(START_ITEMS, options.itemsMax)
  }

  /** Items at once just now, 1..`itemsMax`. */
  get limit(): number {
    return this.#limit
  }

  /** Items that are being worked on. */
  get running(): number {
    return this.#running
  }

  /** What nine of ten reads of users wait for the store while jobs are not in their way, ms. */
  get usualWaitMs(): number | undefined {
    return this.#usualMs
  }

  /**
   * Waits for a place, in the order of asking.
   *
   * @returns gives it back; once
   * @throws the signal's reason
   */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    this.#tick()
    if (this.#running < this.#limit && this.#waiters.length === 0) this.#running += 1
    else await this.#wait(signal)
    return () => {
      this.#running -= 1
      this.#admit()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        grant: () => {
          signal.removeEventListener('abort', leave)
          resolve()
        },
      }
      const leave = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiters.push(waiter)
    })
  }

  #admit(): void {
    while (this.#running < this.#limit) {
      const waiter = this.#waiters.shift()
      if (waiter === undefined) return
      this.#running += 1
      waiter.grant()
    }
  }

  /** Judges again and again while anybody works or waits. */
  #tick(): void {
    if (this.#ticking) return
    this.#ticking = true
    const { users, itemsMax } = this.#options
    // What was right for the work before may be too much now.
    this.#limit = users.idleMs > USERS_AWAY_MS ? itemsMax : Math.min(START_ITEMS, this.#limit)
    // What came while there was no work says nothing about work.
    users.take()
    this.#options.loopBusyShare()
    this.#ticks = 0
    void this.#keepTicking()
  }

  async #keepTicking(): Promise<void> {
    for (let idleTicks = 0; idleTicks < IDLE_TICKS; idleTicks += 1) {
      await this.#options.clock.sleep(TICK_MS)
      this.#judge()
      this.#admit()
      if (this.#running > 0 || this.#waiters.length > 0) idleTicks = 0
    }
    this.#ticking = false
  }

  #judge(): void {
    const { users, loopBusyShare, clock } = this.#options
    const busy = loopBusyShare() > LOOP_BUSY_MAX
    this.#ticks += 1
    const known = clock.monotonic() - this.#usualAt < USUAL_TRUSTED_MS
    if (users.idleMs > USERS_AWAY_MS) this.#growFast()
    else if (this.#probe !== undefined) this.#goOnProbing(this.#probe)
    else if (!known && users.waitCount > 0) this.#beginProbe()
    else this.#adapt(busy)
  }

  #growFast(): void {
    this.#endProbe()
    this.#holdTicks = 0
    this.#grow(Math.max(1, this.#limit >> 1))
  }

  #adapt(busy: boolean): void {
    const { users } = this.#options
    const enough = users.waitCount >= WAITS_MIN || this.#ticks >= TICKS_MAX
    const waitMs = enough ? mostWait(users.take().waitsMs) : undefined
    if (enough) this.#ticks = 0
    if (waitMs !== undefined && this.#running <= 1) this.#learn(waitMs)
    if (busy || this.#isSlow(waitMs)) this.#giveWay()
    else if (this.#holdTicks > 0) this.#holdTicks -= 1
    // A number that was not used was not tried.
    else if (this.#waiters.length > 0) this.#grow(1)
  }

  #grow(by: number): void {
    this.#limit = Math.min(this.#options.itemsMax, this.#limit + by)
  }

  #isSlow(waitMs: number | undefined): boolean {
    if (waitMs === undefined || this.#usualMs === undefined) return false
    return waitMs > this.#usualMs * SLOWER_MAX + SLOWER_MS
  }

  #giveWay(): void {
    this.#limit = Math.max(1, this.#limit >> 1)
    this.#holdTicks = HOLD_TICKS
  }

  /** Measures what users wait with a single item in their way. */
  #beginProbe(): void {
    this.#probe = { limitBefore: this.#limit, ticksLeft: PROBE_TICKS_MAX, isClear: false }
    this.#limit = 1
    this.#options.users.startAnew()
  }

  #goOnProbing(probe: Probe): void {
    const { users, clock } = this.#options
    probe.ticksLeft -= 1
    const isLast = probe.ticksLeft <= 0
    if (!probe.isClear) {
      // What waits beside items that were begun before is no measure.
      users.startAnew()
      probe.isClear = this.#running <= 1
    }
    if (users.waitCount < WAITS_MIN && !isLast) return
    const waitMs = mostWait(users.take().waitsMs)
    if (waitMs !== undefined) this.#learn(waitMs)
    // Also where nothing was learnt: users who hardly come are not waited for.
    this.#usualAt = clock.monotonic()
    this.#endProbe()
  }

  #endProbe(): void {
    if (this.#probe === undefined) return
    this.#limit = Math.max(1, this.#probe.limitBefore >> 1)
    this.#probe = undefined
    this.#ticks = 0
  }

  #learn(waitMs: number): void {
    this.#usualMs =
      this.#usualMs === undefined ? waitMs : this.#usualMs + USUAL_WEIGHT * (waitMs - this.#usualMs)
    this.#usualAt = this.#options.clock.monotonic()
  }
}

/** What nine of ten waited at most. */
function mostWait(waitsMs: readonly number[]): number | undefined {
  const sorted = waitsMs.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) * 0.9)]
}
