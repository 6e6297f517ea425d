import { randomUUID } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import { type Asked, askedNow, HeldLease } from './held-lease.ts'
import { EpochChanged } from './link.ts'
import type { RedisJobs, ScriptAnswer } from './redis-jobs.ts'
import type { ScriptName } from './scripts.ts'

/** Renewals in the time of a lease: three may be lost. */
const RENEWALS = 4

/** Pause before something is recorded again that Redis could not be told. */
const RECORD_PAUSE_MS = 250

/** What a taking brought: a lease and what the script answered with it. */
export interface Taken {
  readonly lease: HeldLease
  readonly parts: readonly unknown[]
}

/** Takes leases, keeps them alive, and ends them when their jobs stop. */
export class LeaseDesk {
  readonly #jobs: RedisJobs
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #onTrouble: (error: unknown) => void
  readonly #held = new Set<HeldLease>()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(options: {
    readonly jobs: RedisJobs
    readonly clock: Clock
    readonly leaseMs: number
    readonly onTrouble: (error: unknown) => void
  }) {
    this.#jobs = options.jobs
    this.#clock = options.clock
    this.#leaseMs = options.leaseMs
    this.#onTrouble = options.onTrouble
    this.#timer = setInterval(() => this.#renewAll(), options.leaseMs / RENEWALS)
  }

  /** Aborted when the engine closes. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /**
   * Takes what `name` takes; waits while somebody before may still go on.
   *
   * @param args before the token
   * @returns undefined where there is nothing to take any more
   */
  async take(
    name: ScriptName & ('take' | 'begin'),
    id: string,
    args: readonly string[],
  ): Promise<Taken | undefined> {
    for (;;) {
      this.closing.throwIfAborted()
      const token = randomUUID()
      const asked = askedNow(this.#clock)
      const reply = await this.#jobs.run(name, id, [...args, token, this.#leaseMs])
      const [word, ...parts] = Array.isArray(reply) ? reply : []
      if (word === 'ok') return { lease: this.adopt({ jobId: id, token, asked }), parts }
      if (word !== 'busy') return undefined
      const leftMs = Math.min(Number(parts[0]), this.#leaseMs)
      await this.#clock.sleep(Math.max(10, leftMs), this.closing)
    }
  }

  /** A lease that a script gave: it counts from before that was asked. */
  adopt(given: {
    readonly jobId: string
    readonly token: string
    readonly asked: Asked
  }): HeldLease {
    const lease = new HeldLease({ ...given, clock: this.#clock, leaseMs: this.#leaseMs })
    this.#held.add(lease)
    return lease
  }

  /** The work under it is over. */
  drop(lease: HeldLease): void {
    this.#held.delete(lease)
    lease.end('this piece of it was ended')
  }

  /** Asks at once how the job stands, since something happened to it. */
  stopped(jobId: string): void {
    for (const lease of this.#held) if (lease.jobId === jobId) this.#renew(lease)
  }

  endAll(why: string): void {
    for (const lease of this.#held) lease.end(why)
  }

  /** Leases of a job are over here, without asking. */
  endJob(jobId: string, why: string): void {
    for (const lease of this.#held) if (lease.jobId === jobId) this.#end(lease, why)
  }

  /**
   * Tells Redis what became of something, as often as it takes to be heard.
   *
   * @returns undefined where Redis forgot what it is about
   * @throws Failure `job-engine-unavailable` when this engine closes meanwhile
   */
  async record(
    name: ScriptName,
    id: string,
    args: readonly (string | number)[],
  ): Promise<ScriptAnswer | undefined> {
    for (;;) {
      try {
        return await this.#jobs.ask(name, id, args)
      } catch (error) {
        if (error instanceof EpochChanged) return undefined
        if (this.closing.aborted || !isFailure(error, 'job-engine-unavailable')) throw error
      }
      await this.#clock.sleep(RECORD_PAUSE_MS, this.closing).catch(() => undefined)
    }
  }

  close(why: string): void {
    this.#closing.abort(new Error(why))
    this.endAll(why)
    clearInterval(this.#timer)
  }

  #renewAll(): void {
    for (const lease of this.#held) this.#renew(lease)
  }

  #renew(lease: HeldLease): void {
    if (lease.isOver) return
    const asked = askedNow(this.#clock)
    this.#jobs.run('renew', lease.jobId, [lease.token, this.#leaseMs]).then(
      (state) => {
        if (state === 'running' || state === 'queued') lease.extend(asked)
        else if (state === 'gone') lease.end('it was removed')
        else if (state === 'lost') lease.end('its lease ran out')
        else this.#end(lease, `it is ${state}`)
      },
      (error: unknown) => {
        if (error instanceof EpochChanged) lease.end('Redis lost it')
        else this.#onTrouble(error)
      },
    )
  }

  /** Ends it here first, then says so: whoever waits for that may go on. */
  #end(lease: HeldLease, why: string): void {
    lease.end(why)
    this.#jobs.run('letGo', lease.jobId, [lease.token]).catch(this.#onTrouble)
  }
}
