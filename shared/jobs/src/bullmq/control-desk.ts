import { randomUUID } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
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
import { askedNow, type HeldLease } from './held-lease.ts'
import type { LeaseDesk } from './lease-desk.ts'
import type { Outbox } from './outbox.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** The name of one delivery. */
export interface ControlName {
  readonly jobId: string
  readonly kind: 'l' | 'e'
  readonly seq: string
}

/** A step that this process has the right to. */
interface Begun {
  readonly lease: HeldLease
  readonly fields: JobFields
  /** Of the step before. */
  readonly sending?: Promise<void>
}

interface Step extends Begun {
  readonly job: JobRecord
  readonly seq: string
}

/** Has steps of lists and ends of jobs done. */
export class ControlDesk {
  readonly #jobs: RedisJobs
  readonly #outbox: Outbox
  readonly #leases: LeaseDesk
  readonly #worker: JobWorker
  readonly #clock: Clock
  readonly #leaseMs: number

  constructor(options: {
    readonly clock: Clock
    readonly leaseMs: number
    readonly jobs: RedisJobs
    readonly outbox: Outbox
    readonly leases: LeaseDesk
    readonly worker: JobWorker
  }) {
    this.#jobs = options.jobs
    this.#outbox = options.outbox
    this.#leases = options.leases
    this.#worker = options.worker
    this.#clock = options.clock
    this.#leaseMs = options.leaseMs
  }

  async deliver(name: ControlName): Promise<void> {
    const { jobId, kind, seq } = name
    const taken = await this.#leases.take('begin', jobId, [kind, seq])
    if (taken === undefined) return
    const { lease, parts } = taken
    let begun: Begun | undefined = { lease, fields: asFields(parts[0]) }
    while (begun !== undefined) begun = await this.#step(name, begun)
  }

  /** @returns the next step of the same delivery */
  async #step({ jobId, kind, seq }: ControlName, begun: Begun): Promise<Begun | undefined> {
    try {
      const step = { ...begun, seq, job: await this.#jobs.decode(jobId, begun.fields) }
      return await (kind === 'l' ? this.#list(step) : this.#end(step))
    } finally {
      this.#leases.drop(begun.lease)
    }
  }

  async #list(step: Step): Promise<Begun | undefined> {
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
    return this.#listed(step, [
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
  async #takeUp(step: Step): Promise<Begun | undefined> {
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
    return this.#listed(step, [0, '', 'take', number, ...row])
  }

  /** What goes into queues goes while the next step is done already: at most one such turn at once. */
  async #listed(
    { seq, lease, job, sending }: Step,
    found: readonly (string | number)[],
  ): Promise<Begun | undefined> {
    const token = randomUUID()
    const asked = askedNow(this.#clock)
    const args = [seq, lease.token, token, this.#leaseMs, ...found]
    const answer = await this.#leases.record('listed', job.id, args)
    await sending
    const sent = this.#outbox.send(answer?.send ?? [])
    if (answer?.word === 'next') {
      const next = this.#leases.adopt({ jobId: job.id, token, asked })
      return { lease: next, fields: asFields(answer.rest[0]), sending: sent }
    }
    await sent
    return undefined
  }

  async #end(step: Step): Promise<undefined> {
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

  async #again({ lease, job, fields }: Step, error: unknown): Promise<undefined> {
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
