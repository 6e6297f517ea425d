import type { Clock } from '@forebay/base/clock'
import type { JobEngine } from '@forebay/jobs/engine'
import type { JobRecord } from '@forebay/jobs/job'
import type { JobRates } from './job-rates.ts'

/** Time over which changes of one job are taken together, ms. */
const GATHER_MS = 250

/** Told of a job that changed; `undefined` when it was removed. */
export type JobListener = (id: string, job: JobRecord | undefined) => void

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
      await clock.sleep(GATHER_MS, signal).catch(() => undefined)
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
      for (const listener of this.#listeners) listener(id, job)
    } catch (error) {
      report(error)
    }
  }
}
