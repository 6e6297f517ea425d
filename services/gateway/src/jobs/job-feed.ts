import type { Clock } from '@forebay/base/clock'
import type { JobEngine } from '@forebay/jobs/engine'
import type { JobRates } from './job-rates.ts'
import { type ShortJob, shortenJob } from './job-view.ts'

/** Time over which changes of one job are taken together, ms. */
const GATHER_MS = 250

/** The same while nobody listens, ms: only the rates want to know, and each look reads a whole job. */
const GATHER_ALONE_MS = 2000

/** Told of a job that changed; `undefined` when it was removed. */
export type JobListener = (id: string, job: ShortJob | undefined) => void

export interface JobFeedOptions {
  readonly engine: JobEngine
  readonly rates: JobRates
  readonly clock: Clock
  /** Told when a changed job could not be read. */
  readonly report: (error: unknown) => void
}

/**
 * One look at each job that changed, however many want to know: it feeds the rates and everybody who
 * watches. A job that changes a thousand times between two looks is told of once, as it is then.
 */
export class JobFeed {
  readonly #options: JobFeedOptions
  readonly #changed = new Set<string>()
  readonly #listeners = new Set<JobListener>()
  readonly #stopWatching: () => void
  readonly #closing = new AbortController()
  #gathering: Promise<void> | undefined

  constructor(options: JobFeedOptions) {
    this.#options = options
    this.#stopWatching = options.engine.watch(({ id }) => this.#note(id))
  }

  /** @returns ends it */
  listen(listener: JobListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async close(): Promise<void> {
    this.#stopWatching()
    this.#closing.abort()
    await this.#gathering
  }

  #note(id: string): void {
    if (this.#closing.signal.aborted) return
    this.#changed.add(id)
    this.#gathering ??= this.#gather()
  }

  async #gather(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    while (this.#changed.size > 0 && !signal.aborted) {
      const gatherMs = this.#listeners.size > 0 ? GATHER_MS : GATHER_ALONE_MS
      await clock.sleep(gatherMs, signal).catch(() => undefined)
      const ids = [...this.#changed]
      this.#changed.clear()
      for (const id of ids) {
        if (signal.aborted) break
        await this.#look(id)
      }
    }
    // With no pause since the set was empty: what changes from here on gathers anew.
    this.#gathering = undefined
  }

  async #look(id: string): Promise<void> {
    const { engine, rates, report } = this.#options
    try {
      const job = await engine.get(id)
      if (job !== undefined) rates.note(job)
      const short = job === undefined ? undefined : shortenJob(job)
      for (const listener of this.#listeners) listener(id, short)
    } catch (error) {
      report(error)
    }
  }
}
