import { isFailure } from '@forebay/base/failure'
import { type JobWorker, type ListedStep, PAGE_ATTEMPTS_MAX } from '../engine.ts'
import type { JobRecord, JsonObject } from '../job.ts'
import { checkListed, NOTHING_SETTLED, reasonOf, retryPauseMs } from '../outcome.ts'
import { endedByCount } from '../record-change.ts'
import {
  asFields,
  asList,
  asText,
  decodeFailures,
  decodeItems,
  decodeSaved,
  encodeItems,
  itemsLeft,
  type JobFields,
} from './codec.ts'
import type { HeldLease } from './held-lease.ts'
import type { LeaseDesk } from './lease-desk.ts'
import type { Outbox } from './outbox.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** The name of one delivery. */
export interface ControlName {
  readonly jobId: string
  readonly kind: 'l' | 'e'
  readonly seq: string
}

interface Step {
  readonly lease: HeldLease
  readonly job: JobRecord
  readonly fields: JobFields
  readonly seq: string
}

/** Has steps of lists and ends of jobs done. */
export class ControlDesk {
  readonly #jobs: RedisJobs
  readonly #outbox: Outbox
  readonly #leases: LeaseDesk
  readonly #worker: JobWorker

  constructor(options: {
    readonly jobs: RedisJobs
    readonly outbox: Outbox
    readonly leases: LeaseDesk
    readonly worker: JobWorker
  }) {
    this.#jobs = options.jobs
    this.#outbox = options.outbox
    this.#leases = options.leases
    this.#worker = options.worker
  }

  async deliver({ jobId, kind, seq }: ControlName): Promise<void> {
    const taken = await this.#leases.take('begin', jobId, [kind, seq])
    if (taken === undefined) return
    const { lease, parts } = taken
    try {
      const fields = asFields(parts[0])
      const step = { lease, fields, seq, job: await this.#jobs.decode(jobId, fields) }
      if (kind === 'l') await this.#list(step)
      else await this.#end(step)
    } finally {
      this.#leases.drop(lease)
    }
  }

  async #list(step: Step): Promise<void> {
    if (step.fields.get('taking') === '1') return this.#takeUp(step)
    const { lease, job, fields } = step
    let listed: ListedStep
    try {
      listed = await this.#worker.list({ job, cursor: fields.get('cursor'), lease })
      checkListed(listed)
    } catch (error) {
      return this.#again(step, error)
    }
    const pages = listed.pages.filter(({ items }) => items.length > 0)
    await this.#listed(step, [
      listed.cursor === undefined ? 0 : 1,
      listed.cursor ?? '',
      'list',
      '',
      ...pages.flatMap(({ owner, items }) => [
        '',
        owner,
        encodeItems(items),
        items.length,
        items.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0),
      ]),
    ])
  }

  /** One page of those that the attempt before left something of. */
  async #takeUp(step: Step): Promise<void> {
    const { id } = step.job
    const left = asList(await this.#jobs.run('left', id)).map(asText)
    const [number, owner = '', items = '', saved = '', failures = ''] = left
    if (number === undefined) return this.#listed(step, [0, '', 'take', ''])
    const failed = decodeFailures(id, failures)
    const page =
      items === ''
        ? failed.map(({ item }) => item)
        : itemsLeft(
            { items: decodeItems(id, items) },
            decodeSaved(id, { saved, failures }) ?? NOTHING_SETTLED,
          )
    const row = [number, owner, encodeItems(page), page.length, 0]
    await this.#listed(step, [0, '', 'take', number, ...row])
  }

  async #listed(step: Step, args: readonly (string | number)[]): Promise<void> {
    const { seq, lease, job } = step
    const answer = await this.#leases.record('listed', job.id, [seq, lease.token, ...args])
    await this.#outbox.send(answer?.send ?? [])
  }

  async #end(step: Step): Promise<void> {
    const { lease, job } = step
    let result: JsonObject | undefined
    try {
      result = await this.#worker.end({ job, lease })
    } catch (error) {
      return this.#again(step, error)
    }
    const { state, error = '' } = endedByCount(job.counters.failed)
    const text = result === undefined ? '' : JSON.stringify(result)
    await this.#leases.record('end', job.id, [lease.token, state, error, text])
  }

  async #again({ lease, job, fields }: Step, error: unknown): Promise<void> {
    const before = Number(fields.get('tries') ?? 0)
    const tries = lease.isOver ? before : before + 1
    const { message } = reasonOf(error)
    const isHopeless = isFailure(error) && !error.retryable
    if (!lease.isOver && (isHopeless || tries >= PAGE_ATTEMPTS_MAX)) {
      await this.#leases.record('end', job.id, [lease.token, 'failed', message, ''])
      return
    }
    const pauseMs = lease.isOver ? 0 : retryPauseMs(tries, error)
    const answer = await this.#leases.record('again', job.id, [lease.token, pauseMs, tries])
    await this.#outbox.send(answer?.send ?? [])
  }
}
