import { Answer, answersOf, required } from './answer.ts'
import { errorOfConnection, ForebayError } from './forebay-error.ts'
import { serverEvents } from './server-events.ts'
import type { Transport, TransportRequest } from './transport.ts'

interface Call {
  readonly signal?: AbortSignal | undefined
}

/** A job as the server tells of it. Times are ISO 8601. */
export interface JobReport {
  readonly id: string
  readonly kind: string
  /** `provider://name`; absent for jobs of the node. */
  readonly bucket: string | undefined
  readonly args: Readonly<Record<string, unknown>>
  readonly description: string | undefined
  readonly user: string | undefined
  readonly priority: string
  readonly limits: Readonly<Record<string, unknown>>
  /** `queued`, `running`, `paused`, `finished`, `failed`, `aborted` or `lost`. */
  readonly state: string
  readonly created: string | undefined
  readonly started: string | undefined
  readonly ended: string | undefined
  readonly attempt: number
  readonly listing: {
    readonly items: number
    readonly bytes: number
    /** `items` and `bytes` are totals. */
    readonly complete: boolean
  }
  readonly counters: {
    readonly done: number
    readonly skipped: number
    readonly failed: number
    readonly bytes: number
  }
  /** Of the last seconds, while it runs. */
  readonly rate: { readonly itemsPerSecond: number; readonly bytesPerSecond: number } | undefined
  readonly remainingSeconds: number | undefined
  readonly error: string | undefined
  readonly result: Readonly<Record<string, unknown>> | undefined
  /** Id of the schedule that asked for it. */
  readonly schedule: string | undefined
  /** The answer as it came. */
  readonly raw: unknown
}

/** States that a job does not leave by itself. */
export const JOB_END_STATES: ReadonlySet<string> = new Set([
  'finished',
  'failed',
  'aborted',
  'lost',
])

/** What is asked for. */
export interface JobOrder {
  readonly kind: string
  /** `provider://name` */
  readonly bucket?: string | undefined
  readonly args: Readonly<Record<string, unknown>>
  readonly description?: string | undefined
  readonly priority?: string | undefined
  readonly limits?: Readonly<Record<string, number | undefined>> | undefined
}

/** One argument that a kind of job takes. */
export interface JobArgument {
  readonly name: string
  readonly doc: string
  readonly required: boolean
  /** Its JSON schema. */
  readonly schema: Answer
}

/** What can be known of a kind of job. */
export interface JobKindReport {
  readonly name: string
  readonly doc: string
  /** `required`, `optional` or `none` */
  readonly bucket: string
  readonly args: readonly JobArgument[]
  /** The answer as it came. */
  readonly raw: unknown
}

export interface JobFailureReport {
  readonly key: string
  readonly code: string
  readonly message: string
}

export interface JobScheduleReport {
  readonly id: string
  readonly cron: string
  readonly timeZone: string
  readonly kind: string
  readonly bucket: string | undefined
  /** ISO 8601; absent for one that never comes. */
  readonly next: string | undefined
  readonly lastJob: string | undefined
  /** Why the last time passed without a job, and when (ISO 8601). */
  readonly lastError: { readonly time: string | undefined; readonly message: string } | undefined
  /** The answer as it came. */
  readonly raw: unknown
}

export interface JobFilter extends Call {
  readonly kind?: string | undefined
  readonly state?: string | undefined
  readonly bucket?: string | undefined
  /** Newest first; 1..1,000, 100 by default. */
  readonly max?: number | undefined
}

/** What a stream of jobs tells: a job as it is now, or that one is no more. */
export type JobEvent =
  /** The first one: of every change from here on the stream tells. */
  | { readonly kind: 'open' }
  | { readonly kind: 'job'; readonly job: JobReport }
  | { readonly kind: 'removed'; readonly id: string }

/** How often an order is sent of which nobody knows whether it came. */
const START_ATTEMPTS_MAX = 3

const START_PAUSE_MS = 1000

/** Jobs of a node: long work over many objects. */
export class Jobs {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Every kind of job that the server knows, in the order in which it shows them. */
  async kinds(call: Call = {}): Promise<readonly JobKindReport[]> {
    return answersOf(await this.#ask('GET', ['jobs', 'kinds'], call)).map(kindOf)
  }

  /**
   * The job is durable when this resolves. Where no answer came, or the server could not tell whether the
   * order did, it is sent again: with its key it is one job.
   *
   * @param call `key`: one of 1 to 255 characters for each order; made here by default
   */
  async start(
    order: JobOrder,
    call: Call & { readonly key?: string | undefined } = {},
  ): Promise<JobReport> {
    const { key = newKey(), signal } = call
    const request = requestOf('POST', ['jobs'], { signal, json: order })
    const headers = { ...request.headers, 'idempotency-key': key }
    for (let attempt = 1; ; attempt++) {
      try {
        return jobOf(await this.#transport.json({ ...request, headers }))
      } catch (error) {
        if (attempt === START_ATTEMPTS_MAX || !isDoubtful(error)) throw error
        await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS))
        signal?.throwIfAborted()
      }
    }
  }

  async list(filter: JobFilter = {}): Promise<readonly JobReport[]> {
    const { kind, state, bucket, max, signal } = filter
    const query = { kind, state, bucket, max: max === undefined ? undefined : String(max) }
    const answer = new Answer(await this.#ask('GET', ['jobs'], { query, signal }))
    return listOf(answer, 'jobs').map(jobOf)
  }

  async get(id: string, call: Call = {}): Promise<JobReport> {
    return jobOf(await this.#ask('GET', ['jobs', checkId(id)], call))
  }

  /**
   * A job as it is now, then after each change, until it ends; of several changes at once only the last.
   * The iteration ends early when the server goes away.
   */
  async *follow(id: string, call: Call = {}): AsyncGenerator<JobReport, void> {
    for await (const event of this.#events(['jobs', checkId(id), 'events'], call)) {
      if (event.kind === 'job') yield event.job
    }
  }

  /** Changes of every job that the user may see, until the server goes away. */
  watch(call: Call = {}): AsyncGenerator<JobEvent, void> {
    return this.#events(['jobs', 'events'], call)
  }

  /** One page of what failed, in the order of the list. */
  async failures(
    id: string,
    page: Call & { readonly after?: string | undefined; readonly max?: number | undefined } = {},
  ): Promise<{
    readonly failures: readonly JobFailureReport[]
    /** Where the next page begins; absent at the end. */
    readonly next: string | undefined
  }> {
    const { after, max, signal } = page
    const query = { after, max: max === undefined ? undefined : String(max) }
    const answer = new Answer(
      await this.#ask('GET', ['jobs', checkId(id), 'failures'], { query, signal }),
    )
    const failures = answer.list('failures').map((failure) => ({
      key: failure.text('key') ?? '',
      code: failure.text('code') ?? '',
      message: failure.text('message') ?? '',
    }))
    return { failures, next: answer.text('next') }
  }

  /** `retry` takes up what failed, and that alone. @returns the job as it is then */
  async change(
    id: string,
    action: 'pause' | 'resume' | 'retry' | 'abort',
    call: Call = {},
  ): Promise<JobReport> {
    return jobOf(await this.#ask('POST', ['jobs', checkId(id), action], call))
  }

  /** Forgets a job that has ended. */
  async remove(id: string, call: Call = {}): Promise<void> {
    await this.#transport.empty(requestOf('DELETE', ['jobs', checkId(id)], call))
  }

  async schedules(call: Call = {}): Promise<readonly JobScheduleReport[]> {
    const answer = new Answer(await this.#ask('GET', ['schedules'], call))
    return listOf(answer, 'schedules').map(scheduleOf)
  }

  /** Replaces one of the same id. */
  async putSchedule(
    id: string,
    schedule: {
      readonly cron: string
      readonly timeZone?: string | undefined
      readonly order: JobOrder
    },
    call: Call = {},
  ): Promise<JobScheduleReport> {
    return scheduleOf(
      await this.#ask('PUT', ['schedules', checkId(id)], { ...call, json: schedule }),
    )
  }

  async removeSchedule(id: string, call: Call = {}): Promise<void> {
    await this.#transport.empty(requestOf('DELETE', ['schedules', checkId(id)], call))
  }

  async *#events(path: readonly string[], call: Call): AsyncGenerator<JobEvent, void> {
    const response = await this.#transport.send({
      ...requestOf('GET', path, call),
      headers: { accept: 'text/event-stream' },
    })
    yield { kind: 'open' }
    if (response.body === null) return
    const events = serverEvents(response.body)
    try {
      for await (const { event, data } of events) {
        if (event === 'end') return
        if (event === 'job') yield { kind: 'job', job: jobOf(JSON.parse(data)) }
        if (event === 'removed') {
          yield { kind: 'removed', id: new Answer(JSON.parse(data)).text('id') ?? '' }
        }
      }
    } catch (error) {
      call.signal?.throwIfAborted()
      if (error instanceof ForebayError) throw error
      throw errorOfConnection(error, this.#transport.endpoint)
    }
  }

  #ask(method: string, path: readonly string[], call: Details): Promise<unknown> {
    return this.#transport.json(requestOf(method, path, call))
  }
}

/** Not `randomUUID`: browsers have it on secure pages alone. */
function newKey(): string {
  const words = crypto.getRandomValues(new Uint32Array(4))
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('')
}

/** An answer that was cut off, or of a server that lost what keeps its jobs. */
function isDoubtful(error: unknown): boolean {
  if (!(error instanceof ForebayError)) return false
  return error.code === 'job-engine-unavailable' || wasCutOff(error)
}

/** Not where nobody listens: there nothing came. */
function wasCutOff({ code, cause }: ForebayError): boolean {
  if (code !== 'unreachable') return false
  const inner = cause instanceof Error ? cause.cause : undefined
  return !(inner instanceof Error && 'code' in inner && inner.code === 'ECONNREFUSED')
}

/** An id is a part of the path: anything else would name another place. */
function checkId(id: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return id
  throw new ForebayError(`"${id}" is not an id`, {
    code: 'id-invalid',
    status: 0,
    hint: 'An id has 1 to 64 letters, digits, "_" and "-".',
    retryable: false,
  })
}

interface Details extends Call {
  readonly query?: Readonly<Record<string, string | undefined>> | undefined
  readonly json?: unknown
}

function requestOf(method: string, path: readonly string[], details: Details): TransportRequest {
  const { query, json, signal } = details
  const body =
    json === undefined
      ? {}
      : { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }
  return { method, path: ['v1', ...path], query, signal, ...body }
}

/** The items of a list as they came, for views that keep them. */
function listOf(answer: Answer, name: string): readonly unknown[] {
  const value = answer.value(name)
  return Array.isArray(value) ? value : []
}

function jobOf(raw: unknown): JobReport {
  const job = new Answer(raw)
  const listing = job.nested('listing')
  const counters = job.nested('counters')
  const rate = job.nested('rate')
  const itemsPerSecond = rate.number('itemsPerSecond')
  return {
    id: required(job.text('id'), 'id of a job'),
    kind: job.text('kind') ?? '',
    bucket: job.text('bucket'),
    args: fieldsOf(job, 'args'),
    description: job.text('description'),
    user: job.text('user'),
    priority: job.text('priority') ?? 'normal',
    limits: fieldsOf(job, 'limits'),
    state: required(job.text('state'), 'state of a job'),
    created: job.text('created'),
    started: job.text('started'),
    ended: job.text('ended'),
    attempt: job.number('attempt') ?? 1,
    listing: {
      items: listing.number('items') ?? 0,
      bytes: listing.number('bytes') ?? 0,
      complete: listing.flag('complete') ?? false,
    },
    counters: {
      done: counters.number('done') ?? 0,
      skipped: counters.number('skipped') ?? 0,
      failed: counters.number('failed') ?? 0,
      bytes: counters.number('bytes') ?? 0,
    },
    rate:
      itemsPerSecond === undefined
        ? undefined
        : { itemsPerSecond, bytesPerSecond: rate.number('bytesPerSecond') ?? 0 },
    remainingSeconds: job.number('remainingSeconds'),
    error: job.text('error'),
    result: isFields(job.value('result')) ? fieldsOf(job, 'result') : undefined,
    schedule: job.text('schedule'),
    raw,
  }
}

function kindOf(kind: Answer): JobKindReport {
  const schema = kind.nested('args')
  const needed = schema.texts('required')
  return {
    name: required(kind.text('name'), 'name of a kind'),
    doc: kind.text('doc') ?? '',
    bucket: kind.text('bucket') ?? 'optional',
    args: schema
      .nested('properties')
      .entries()
      .map(([name, value]) => {
        const argument = new Answer(value)
        const doc = argument.text('description') ?? ''
        return { name, doc, required: needed.includes(name), schema: argument }
      }),
    raw: Object.fromEntries(kind.entries()),
  }
}

function scheduleOf(raw: unknown): JobScheduleReport {
  const schedule = new Answer(raw)
  const order = schedule.nested('order')
  const lastError = schedule.nested('lastError')
  const why = lastError.text('message')
  return {
    id: required(schedule.text('id'), 'id of a schedule'),
    cron: schedule.text('cron') ?? '',
    timeZone: schedule.text('timeZone') ?? 'UTC',
    kind: order.text('kind') ?? '',
    bucket: order.text('bucket'),
    next: schedule.text('next'),
    lastJob: schedule.text('lastJob'),
    lastError: why === undefined ? undefined : { time: lastError.text('time'), message: why },
    raw,
  }
}

function isFields(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldsOf(answer: Answer, name: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(answer.nested(name).entries())
}
