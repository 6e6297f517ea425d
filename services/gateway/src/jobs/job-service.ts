import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { KeyedLock } from '@forebay/base/keyed-lock'
import type { JobEngine, JobFilter } from '@forebay/jobs/engine'
import {
  type ItemFailure,
  JOB_ENDS,
  type JobOrder,
  type JobRecord,
  type JobSchedule,
  type JobState,
  type JsonObject,
} from '@forebay/jobs/job'
import type { JobKind } from '@forebay/jobs/kind'
import { JOB_KINDS } from '@forebay/jobs/kinds/catalogue'
import { formatBucket } from '@forebay/model/bucket'
import { checkOrder, findKind, recheckOrder, requireRight } from './check-order.ts'
import type { JobCaller } from './job-caller.ts'
import { JobFeed, type JobListener } from './job-feed.ts'
import { JobRates } from './job-rates.ts'
import { type JobView, type ShortJob, shortenJob, viewJob } from './job-view.ts'
import { OrderTurns } from './order-turns.ts'

/** Jobs of one user that have not ended; more are refused until some have. */
export const JOBS_OPEN_PER_USER_MAX = 200

/** Jobs of all users that have not ended: what an engine tells of at once. */
export const JOBS_OPEN_MAX = 1000

/** Schedules of a cluster. */
export const SCHEDULES_MAX = 1000

/** Characters of a key that makes an order come once. */
export const ORDER_KEY_LENGTH_MAX = 255

const ORDER_KEY = new RegExp(`^[!-~]{1,${ORDER_KEY_LENGTH_MAX}}$`)

/** Failures of items in one answer. */
export const FAILURES_PAGE_MAX = 1000

/** Jobs in one answer. */
export const JOBS_PAGE_MAX = 1000

/** Who is told of jobs as they change, at once; each holds a connection. */
export const WATCHERS_MAX = 100

/** Of them, for one user: others must not find every place taken. */
export const WATCHERS_PER_USER_MAX = 25

/** States of jobs that have not ended. */
export const OPEN_STATES: readonly JobState[] = ['queued', 'running', 'paused']

const TRY_AGAIN_SECONDS = 10

export type JobChangeAction = 'pause' | 'resume' | 'retry' | 'abort'

export interface JobServiceOptions {
  readonly engine: JobEngine
  readonly clock: Clock
  /** Told of what went wrong where no caller waits for an answer. */
  readonly report: (error: unknown) => void
  /** What the node refuses of an order that is well formed; nothing by default. Throws the refusal. */
  readonly vet?: ((kind: string, args: JsonObject) => void) | undefined
  /** The catalogue by default. */
  readonly kinds?: readonly JobKind[] | undefined
}

/**
 * Jobs as users know them: checks what they ask for and whether they may, and tells how fast jobs are.
 *
 * A user sees the jobs of the buckets that they may read, and their own. A job is changed by the user
 * who ordered it and by administrators; what was never shown to a user does not exist for them.
 */
export class JobService {
  readonly kinds: readonly JobKind[]
  /** Of orders whose bodies are large. */
  readonly turns = new OrderTurns()
  readonly #engine: JobEngine
  readonly #vet: (kind: string, args: JsonObject) => void
  readonly #rates: JobRates
  readonly #feed: JobFeed
  readonly #orders = new KeyedLock()
  readonly #closing = new AbortController()
  /** User of each watcher; undefined in open mode. */
  readonly #watchers = new Map<symbol, string | undefined>()

  constructor({ engine, clock, report, vet, kinds = JOB_KINDS }: JobServiceOptions) {
    this.kinds = kinds
    this.#vet = vet ?? (() => undefined)
    this.#engine = engine
    this.#rates = new JobRates(clock)
    this.#feed = new JobFeed({ engine, clock, report, rates: this.#rates })
  }

  /** Aborted when nobody is told of jobs any more: the node stops. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  view(job: ShortJob): JobView {
    this.#rates.note(job)
    return viewJob(job, this.#rates.of(job))
  }

  /**
   * Orders a job; durable when it resolves.
   *
   * @param id taken as the job's id, for doors that promise a form of it
   * @throws Failure `argument-invalid` | `access-denied` | `bucket-*` | `jobs-too-many`
   */
  async order(body: unknown, caller: JobCaller, id?: string): Promise<JobRecord> {
    const order = await checkOrder(body, this.kinds, caller)
    this.#vet(order.kind, order.args)
    return this.#withRoom(caller, () =>
      this.#engine.submit(id === undefined ? order : { ...order, id }),
    )
  }

  /**
   * Orders a job once, however often it is asked for with one key: a caller who got no answer asks again.
   *
   * @param key 1..`ORDER_KEY_LENGTH_MAX` characters; each user has keys of their own
   * @throws Failure as `order`; `job-state-invalid` for another order than the key came with before
   */
  async orderOnce(body: unknown, caller: JobCaller, key: string): Promise<JobRecord> {
    if (!ORDER_KEY.test(key)) {
      throw new Failure(
        'argument-invalid',
        `Idempotency-Key has 1 to ${ORDER_KEY_LENGTH_MAX} characters, none of them a space`,
      )
    }
    const order = await checkOrder(body, this.kinds, caller)
    this.#vet(order.kind, order.args)
    const id = idOfKey(key, caller.user)
    const job =
      (await this.#engine.get(id)) ??
      (await this.#withRoom(caller, () => this.#engine.submit({ ...order, id })))
    if (isSameOrder(job, order)) return job
    throw new Failure('job-state-invalid', 'this Idempotency-Key came with another order before', {
      hint: 'Take a new key for each order.',
    })
  }

  /** Newest first, arguments shortened. @param filter `max`: 1..`JOBS_PAGE_MAX` */
  async list(
    filter: JobFilter & { readonly max: number },
    caller: JobCaller,
  ): Promise<readonly ShortJob[]> {
    // Who sees everything needs no more than asked for; for others what they do not see falls out.
    const max = caller.may('admin') ? filter.max : JOBS_PAGE_MAX
    const found = await this.#engine.list({ ...filter, max, withoutArgs: true })
    const jobs: ShortJob[] = []
    for (const job of found.filter((one) => isVisible(one, caller)).slice(0, filter.max)) {
      // One after another: the arguments of a few hundred jobs would not fit into memory together.
      const whole = await this.#engine.get(job.id)
      if (whole !== undefined) jobs.push(shortenJob(whole))
    }
    return jobs
  }

  /** @throws Failure `job-not-found` */
  async get(id: string, caller: JobCaller): Promise<JobRecord> {
    const job = isJobId(id) ? await this.#engine.get(id) : undefined
    if (job === undefined || !isVisible(job, caller)) throw notFound(id)
    return job
  }

  /** @throws Failure `job-not-found` */
  async failures(
    id: string,
    page: { readonly after: string | undefined; readonly max: number },
    caller: JobCaller,
  ): Promise<{ readonly failures: readonly ItemFailure[]; readonly next: string | undefined }> {
    await this.get(id, caller)
    return this.#engine.failures(id, page)
  }

  /**
   * @throws Failure `job-not-found` | `job-state-invalid` | `access-denied` | `bucket-not-found`; of
   *   `retry` also `jobs-too-many`
   */
  async change(id: string, action: JobChangeAction, caller: JobCaller): Promise<JobRecord> {
    const job = await this.get(id, caller)
    requireOwn(job.user, caller)
    switch (action) {
      case 'pause':
        return this.#engine.pause(id)
      case 'abort':
        return this.#engine.abort(id, `aborted by ${caller.user ?? 'a user'}`)
      case 'resume':
        await requireRight(findKind(this.kinds, job.kind), job, caller)
        return this.#engine.resume(id)
      case 'retry':
        await requireRight(findKind(this.kinds, job.kind), job, caller)
        return this.#withRoom(caller, () => this.#engine.retry(id))
      default:
        return action satisfies never
    }
  }

  /** Forgets a job that has ended. @throws Failure as `change` */
  async remove(id: string, caller: JobCaller): Promise<void> {
    requireOwn((await this.get(id, caller)).user, caller)
    await this.#engine.remove(id)
  }

  /**
   * Tells of the jobs that the caller sees, as they change.
   *
   * @returns ends it
   * @throws Failure `slow-down` when as many watch already as may
   */
  watch(caller: JobCaller, listener: JobListener): () => void {
    const { user } = caller
    const own = [...this.#watchers.values()].filter((other) => other === user)
    const isOver = user !== undefined && own.length >= WATCHERS_PER_USER_MAX
    if (isOver || this.#watchers.size >= WATCHERS_MAX) {
      throw new Failure('slow-down', 'as many watch jobs already as may', {
        hint: 'Ask for the jobs from time to time instead.',
        retryAfterSeconds: TRY_AGAIN_SECONDS,
      })
    }
    const place = Symbol(user)
    this.#watchers.set(place, user)
    const stop = this.#feed.listen((id, job) => {
      // Of a job that is gone nothing says whose it was; that some id is gone gives nothing away.
      if (job === undefined || isVisible(job, caller)) listener(id, job)
    })
    return () => {
      stop()
      this.#watchers.delete(place)
    }
  }

  /**
   * The job once it has ended.
   *
   * @throws the signal's reason; Failure `job-not-found`, also when it is removed meanwhile
   */
  async untilEnded(id: string, caller: JobCaller, signal: AbortSignal): Promise<JobRecord> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // The signal may come before anybody waits for it.
    promise.catch(() => undefined)
    const stop = this.#feed.listen((changed, job) => {
      if (changed === id && (job === undefined || JOB_ENDS.has(job.state))) resolve()
    })
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    try {
      const job = await this.get(id, caller)
      if (JOB_ENDS.has(job.state)) return job
      signal.throwIfAborted()
      await promise
      return await this.get(id, caller)
    } finally {
      signal.removeEventListener('abort', leave)
      stop()
    }
  }

  async schedules(caller: JobCaller): Promise<readonly JobSchedule[]> {
    const schedules = await this.#engine.listSchedules()
    return schedules.filter(({ order }) => isVisible(order, caller))
  }

  /**
   * Makes a schedule, or replaces one.
   *
   * @throws Failure `argument-invalid` | `access-denied` | `bucket-*` | `jobs-too-many`
   */
  async putSchedule(
    schedule: {
      readonly id: string
      readonly cron: string
      readonly timeZone: string
      readonly order: unknown
    },
    caller: JobCaller,
  ): Promise<JobSchedule> {
    const { id, cron, timeZone } = schedule
    if (!isJobId(id)) {
      throw new Failure(
        'argument-invalid',
        'the id of a schedule has 1 to 64 letters, digits, "-" and "_"',
      )
    }
    const order = await checkOrder(schedule.order, this.kinds, caller)
    this.#vet(order.kind, order.args)
    const release = await this.#orders.acquire('schedules')
    try {
      const all = await this.#engine.listSchedules()
      const known = all.find((one) => one.id === id)
      if (known !== undefined) requireOwn(known.order.user, caller)
      else if (all.length >= SCHEDULES_MAX) throw tooMany(`${SCHEDULES_MAX} schedules`)
      return await this.#engine.putSchedule({ id, cron, timeZone, order })
    } finally {
      release()
    }
  }

  /**
   * Why the order of a schedule may not be given now, in the name of its user.
   *
   * @param caller the user as they may do things now
   * @returns undefined where it may
   */
  async refusalOf({ order }: JobSchedule, caller: JobCaller): Promise<Failure | undefined> {
    try {
      await recheckOrder(order, this.kinds, caller)
      this.#vet(order.kind, order.args)
      await this.#requireRoom(caller)
      return undefined
    } catch (error) {
      if (isFailure(error, 'access-denied')) return deniedNow(order, error)
      if (isFailure(error)) return error
      throw error
    }
  }

  /** @throws Failure `job-not-found` | `access-denied` */
  async removeSchedule(id: string, caller: JobCaller): Promise<void> {
    const known = (await this.schedules(caller)).find((one) => one.id === id)
    if (known === undefined) throw new Failure('job-not-found', `there is no schedule "${cut(id)}"`)
    requireOwn(known.order.user, caller)
    await this.#engine.removeSchedule(id)
  }

  /** Ends every watch; the engine goes on. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#feed.close()
  }

  /** Begins one job more, where there may be one. @throws Failure `jobs-too-many` */
  async #withRoom(caller: JobCaller, begin: () => Promise<JobRecord>): Promise<JobRecord> {
    // One at a time for each user, so that the limit holds however many are sent at once.
    const release = await this.#orders.acquire(caller.user ?? '')
    try {
      await this.#requireRoom(caller)
      return await begin()
    } finally {
      release()
    }
  }

  async #requireRoom(caller: JobCaller): Promise<void> {
    const open = await this.#engine.list({
      states: OPEN_STATES,
      max: JOBS_OPEN_MAX,
      withoutArgs: true,
    })
    if (open.length >= JOBS_OPEN_MAX) throw tooMany(`${JOBS_OPEN_MAX} jobs that have not ended`)
    const own = open.filter(({ user }) => user === caller.user)
    if (own.length >= JOBS_OPEN_PER_USER_MAX) {
      throw tooMany(`${JOBS_OPEN_PER_USER_MAX} jobs of one user that have not ended`)
    }
  }
}

/** The same for the same key of the same user, and no one else's. */
function idOfKey(key: string, user: string | undefined): string {
  const digest = createHash('sha256').update(JSON.stringify([user ?? null, key]))
  return digest.digest('hex').slice(0, 24).toUpperCase()
}

function isSameOrder(job: JobRecord, order: JobOrder): boolean {
  const textOf = ({ kind, bucket, args }: JobOrder): unknown =>
    JSON.parse(JSON.stringify({ kind, bucket, args }))
  return isDeepStrictEqual(textOf(job), textOf(order))
}

/** That a user may not any more: nobody who reads it was there when they might. */
function deniedNow({ user, kind, bucket }: JobOrder, cause: Failure): Failure {
  const who = user === undefined ? 'a caller without a name' : `user "${user}"`
  const where = bucket === undefined ? 'on this node' : `on ${formatBucket(bucket)}`
  return new Failure('access-denied', `${who} may not order ${kind} ${where} now`, { cause })
}

function isVisible(job: Pick<JobOrder, 'bucket' | 'user'>, caller: JobCaller): boolean {
  if (job.user !== undefined && job.user === caller.user) return true
  return job.bucket === undefined ? caller.may('admin') : caller.may('read', job.bucket)
}

function requireOwn(user: string | undefined, caller: JobCaller): void {
  if ((user !== undefined && user === caller.user) || caller.may('admin')) return
  throw new Failure('access-denied', 'only who ordered it and administrators may change it')
}

/** 1..64 of `[A-Za-z0-9_-]`. */
function isJobId(id: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id)
}

function notFound(id: string): Failure {
  return new Failure('job-not-found', `there is no job "${cut(id)}"`)
}

function cut(id: string): string {
  return id.slice(0, 64)
}

function tooMany(what: string): Failure {
  return new Failure('jobs-too-many', `there are ${what}, as many as may be`, {
    hint: 'Wait until some have ended, or remove some.',
    retryAfterSeconds: TRY_AGAIN_SECONDS,
  })
}
