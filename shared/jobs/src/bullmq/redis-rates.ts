import { Failure } from '@forebay/base/failure'
import { BURST_MS, PROMISE_MS, type Rate, type Rates, type Taking } from '../rates.ts'
import { asList } from './codec.ts'
import { EpochChanged } from './link.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** The rates of jobs for every process on one Redis, by the clock of that Redis. */
export class RedisRates implements Rates {
  readonly #jobs: RedisJobs

  constructor(jobs: RedisJobs) {
    this.#jobs = jobs
  }

  async take(rate: Rate, amount: number): Promise<Taking> {
    return this.#spend(rate, amount, PROMISE_MS)
  }

  async correct(rate: Rate, amount: number): Promise<void> {
    await this.#spend(rate, amount, Number.MAX_SAFE_INTEGER)
  }

  /** @param promiseMs debts that are paid off within this time are in nobody's way */
  async #spend(
    { jobId, unit, perSecond }: Rate,
    amount: number,
    promiseMs: number,
  ): Promise<Taking> {
    try {
      const args = [unit, amount, perSecond, BURST_MS, promiseMs]
      const [word, waitMs] = asList(await this.#jobs.run('spend', jobId, args))
      return { isTaken: word === 'ok', waitMs: Number(waitMs) }
    } catch (error) {
      if (!(error instanceof EpochChanged)) throw error
      throw new Failure('job-engine-unavailable', 'Redis lost the job', { cause: error })
    }
  }
}
