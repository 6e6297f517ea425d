import { open, readFile, rename, rm } from 'node:fs/promises'
import type { JobRecord, JobSchedule } from '../job.ts'
import { isEnd } from '../record-change.ts'
import { readRecord, readSchedule } from '../stored.ts'
import { parseJson } from './codec.ts'

/** Jobs that a node remembers; more than run at once anywhere. */
const LEDGER_JOBS_MAX = 10_000

/** Arguments longer than this are not remembered: the ledger says what was lost, not how to do it. */
const ARGS_LENGTH_MAX = 4096

/**
 * What a node knows of jobs that have not ended, in a small file of its own: if Redis comes back empty,
 * these are the jobs that were lost.
 */
export class Ledger {
  readonly #path: string
  readonly #jobs = new Map<string, JobRecord>()
  #schedules: readonly JobSchedule[] = []
  #epoch = ''
  #dirty = false
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string) {
    this.#path = path
  }

  /** One that cannot be read counts as empty: it is of use only after a disaster. */
  static async open(path: string): Promise<Ledger> {
    const ledger = new Ledger(path)
    const text = await readFile(path, 'utf8').catch(() => '')
    const value = parseJson(text)
    if (typeof value !== 'object' || value === null) return ledger
    if ('epoch' in value && typeof value.epoch === 'string') ledger.#epoch = value.epoch
    if ('jobs' in value && Array.isArray(value.jobs)) {
      for (const row of value.jobs) {
        const job = readRecord(row)
        if (job !== undefined) ledger.#jobs.set(job.id, job)
      }
    }
    if ('schedules' in value && Array.isArray(value.schedules)) {
      ledger.#schedules = value.schedules.flatMap((row) => readSchedule(row) ?? [])
    }
    return ledger
  }

  /** Of the Redis that these jobs were in; empty at first. */
  get epoch(): string {
    return this.#epoch
  }

  get jobs(): readonly JobRecord[] {
    return [...this.#jobs.values()]
  }

  get schedules(): readonly JobSchedule[] {
    return this.#schedules
  }

  /** Another Redis, in which none of the jobs is. */
  begin(epoch: string): void {
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#jobs.clear()
    this.#dirty = true
  }

  note(job: JobRecord): void {
    if (isEnd(job.state)) {
      this.drop(job.id)
      return
    }
    if (!this.#jobs.has(job.id) && this.#jobs.size >= LEDGER_JOBS_MAX) return
    const args = JSON.stringify(job.args).length > ARGS_LENGTH_MAX ? {} : job.args
    this.#jobs.set(job.id, { ...job, args })
    this.#dirty = true
  }

  drop(id: string): void {
    if (this.#jobs.delete(id)) this.#dirty = true
  }

  noteSchedules(schedules: readonly JobSchedule[]): void {
    this.#schedules = schedules
    this.#dirty = true
  }

  /** Durable when it resolves. */
  flush(): Promise<void> {
    const next = this.#writing.then(() => this.#write())
    this.#writing = next.catch(() => undefined)
    return next
  }

  async #write(): Promise<void> {
    if (!this.#dirty) return
    this.#dirty = false
    const text = JSON.stringify({
      epoch: this.#epoch,
      jobs: this.jobs,
      schedules: this.#schedules,
    })
    const part = `${this.#path}.part`
    try {
      const file = await open(part, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(part, this.#path)
    } catch (error) {
      this.#dirty = true
      await rm(part, { force: true })
      throw error
    }
  }
}
