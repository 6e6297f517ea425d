import { randomUUID } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import type { JobChange, JobEngine, JobFilter, JobWorker, ScheduleCheck } from '../engine.ts'
import {
  type ItemFailure,
  JOB_STATES,
  type JobOrder,
  type JobRecord,
  type JobSchedule,
  type NewSchedule,
} from '../job.ts'
import {
  ended,
  isEnd,
  isWanted,
  jobNotFound,
  listMax,
  paused,
  requireEnded,
  resumed,
  retried,
} from '../record-change.ts'
import { Changes } from './changes.ts'
import { asList, asText, decodeFailures, encodeOrder, encodeState } from './codec.ts'
import { Ledger } from './ledger.ts'
import { EpochChanged, RedisLink } from './link.ts'
import { Orders } from './orders.ts'
import { Outbox } from './outbox.ts'
import type { RedisAddress } from './redis-address.ts'
import { isDamage, RedisJobs } from './redis-jobs.ts'
import { RedisRates } from './redis-rates.ts'
import { Replicas } from './replicas.ts'
import { Schedules } from './schedules.ts'
import type { ScriptName } from './scripts.ts'
import { checkServer } from './server-check.ts'
import { WorkerHost } from './worker-host.ts'

/** How long a holder of a lease may be silent before somebody else gets its work, milliseconds. */
export const LEASE_MS = 10_000

/** How often an engine looks for what nobody told it of, milliseconds. */
const LOOK_EVERY_MS = 1000

/** Jobs that are read at once while they are filtered. */
const SCAN_ROWS = 100

/** How often is looked for what clocks and servers that changed left behind, milliseconds. */
const SWEEP_EVERY_MS = 60_000

/** Throws for a state in which something may not be asked for. */
type Rule = (job: JobRecord) => JobRecord

export interface BullmqOptions {
  readonly address: RedisAddress
  readonly nodeId: string
  readonly clock: Clock
  /** A file of this node: what was not done yet, should Redis come back empty. */
  readonly ledgerPath: string
  /** Begins every key; a hash tag, so that all keys lie in one slot of a cluster. */
  readonly prefix?: string | undefined
  /** 1,000 or more. */
  readonly leaseMs?: number | undefined
  readonly callTimeoutMs?: number | undefined
  /** Told what went wrong and is tried again. */
  readonly onTrouble?: ((error: unknown) => void) | undefined
}

/**
 * Jobs in Redis, for any number of nodes. BullMQ delivers; what is delivered, how far it is and what
 * came of it stands in keys of our own, which scripts change in one step.
 *
 * Open while Redis is away: calls fail with `job-engine-unavailable` until it is there.
 */
export class BullmqEngine implements JobEngine {
  readonly name = 'bullmq'
  readonly rates: RedisRates
  readonly #clock: Clock
  readonly #options: BullmqOptions
  readonly #leaseMs: number
  readonly #link: RedisLink
  readonly #jobs: RedisJobs
  readonly #outbox: Outbox
  readonly #replicas: Replicas
  readonly #orders: Orders
  readonly #changes: Changes
  readonly #schedules: Schedules
  readonly #ledger: Ledger
  readonly #listeners = new Set<(change: JobChange) => void>()
  readonly #unread = new Set<string>()
  readonly #closing = new AbortController()
  #host: WorkerHost | undefined
  #check: ScheduleCheck = async () => undefined
  #attaching: Promise<void> | undefined
  #isAttached = false
  #sweptAt = Number.NEGATIVE_INFINITY
  #looking: Promise<void> = Promise.resolve()

  private constructor(options: BullmqOptions, ledger: Ledger) {
    const { address, clock, prefix = '{forebay}', callTimeoutMs } = options
    this.#options = options
    this.#clock = clock
    this.#leaseMs = options.leaseMs ?? LEASE_MS
    this.#ledger = ledger
    this.#link = new RedisLink({ address, clock, prefix, callTimeoutMs })
    this.#jobs = new RedisJobs(this.#link, clock)
    this.rates = new RedisRates(this.#jobs)
    this.#jobs.onEpochChanged = () => this.#detach('Redis lost it')
    const trouble = { onTrouble: (error: unknown) => this.#trouble(error) }
    this.#outbox = new Outbox({ jobs: this.#jobs, clock, prefix, ...trouble })
    this.#schedules = new Schedules({ jobs: this.#jobs, clock, ...trouble })
    this.#replicas = new Replicas({ link: this.#link, clock, ...trouble })
    this.#orders = new Orders({
      jobs: this.#jobs,
      ledger,
      replicas: this.#replicas,
      outbox: this.#outbox,
      clock,
      call: (run) => this.#call(run),
      read: (id) => this.#require(id),
      onDone: (id) => this.#unread.add(id),
    })
    this.#changes = new Changes({
      link: this.#link,
      clock,
      onChange: (id) => this.#told(id),
      onStop: (id) => this.#host?.leases.stopped(id),
      ...trouble,
    })
    this.#link.onLost(() => this.#detach('the connection to Redis was lost'))
  }

  /**
   * @throws Failure `setting-invalid` for a Redis that is there and is refused: too old, or allowed to
   * evict keys
   */
  static async open(options: BullmqOptions): Promise<BullmqEngine> {
    const engine = new BullmqEngine(options, await Ledger.open(options.ledgerPath))
    try {
      await engine.#attach()
    } catch (error) {
      if (!isFailure(error, 'job-engine-unavailable')) {
        await engine.close()
        throw error
      }
      engine.#trouble(error)
    }
    engine.#looking = engine.#look()
    return engine
  }

  async submit(order: JobOrder): Promise<JobRecord> {
    return this.#orders.submit(order)
  }

  async get(id: string): Promise<JobRecord | undefined> {
    return this.#call(() => this.#read(id))
  }

  async list(filter: JobFilter): Promise<readonly JobRecord[]> {
    const max = listMax(filter)
    return this.#call(async () => {
      const found: JobRecord[] = []
      for (let first = 0; found.length < max; first += SCAN_ROWS) {
        const rows = await this.#jobs.scan(first, first + SCAN_ROWS - 1)
        const wanted = rows.filter((record) => isWanted(record, filter))
        found.push(
          ...(filter.withoutArgs === true
            ? wanted.map((record) => ({ ...record, args: {} }))
            : wanted),
        )
        if (rows.length === 0) break
      }
      return found.slice(0, max)
    })
  }

  async failures(
    id: string,
    { after, max }: { readonly after?: string | undefined; readonly max: number },
  ): Promise<{ readonly failures: readonly ItemFailure[]; readonly next: string | undefined }> {
    const [page = 0, skip = 0] = (after ?? '0.0').split('.').map(Number)
    if (!Number.isSafeInteger(page) || !Number.isSafeInteger(skip)) {
      throw new Failure('argument-invalid', 'that is no place in a list of failures')
    }
    return this.#call(() => this.#failures(id, { page, skip, max }))
  }

  async pause(id: string): Promise<JobRecord> {
    return this.#call(async () => {
      const record = await this.#change(id, 'pause', { rule: paused })
      this.#host?.leases.endJob(id, 'it is paused')
      return record
    })
  }

  async resume(id: string): Promise<JobRecord> {
    return this.#call(() => this.#change(id, 'resume', { rule: resumed }))
  }

  async abort(id: string, reason: string): Promise<JobRecord> {
    return this.#call(async () => {
      const record = await this.#change(id, 'abort', { rule: (job) => job, args: [reason] })
      this.#host?.leases.endJob(id, 'it is aborted')
      await this.#noneHeld(id)
      return record
    })
  }

  async retry(id: string): Promise<JobRecord> {
    return this.#call(() => this.#change(id, 'retry', { rule: retried }))
  }

  async remove(id: string): Promise<void> {
    return this.#call(async () => {
      const before = await this.#require(id)
      requireEnded(before)
      const { word } = await this.#jobs.ask('remove', id)
      if (word !== '' && !isEnd(before.state)) throw jobNotFound(id)
      this.#jobs.forget(id)
      await this.#replicas.confirm()
    })
  }

  async putSchedule(schedule: NewSchedule): Promise<JobSchedule> {
    return this.#call(async () => {
      const put = await this.#schedules.put(schedule)
      await this.#replicas.confirm()
      await this.#noteSchedules()
      return put
    })
  }

  async listSchedules(): Promise<readonly JobSchedule[]> {
    return this.#call(() => this.#schedules.list())
  }

  async removeSchedule(id: string): Promise<boolean> {
    return this.#call(async () => {
      const was = await this.#schedules.remove(id)
      await this.#replicas.confirm()
      await this.#noteSchedules()
      return was
    })
  }

  watch(listener: (change: JobChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async work(worker: JobWorker, check?: ScheduleCheck): Promise<void> {
    if (this.#host !== undefined) throw new Error('the engine has a worker already')
    if (check !== undefined) this.#check = check
    this.#host = new WorkerHost({
      jobs: this.#jobs,
      outbox: this.#outbox,
      clock: this.#clock,
      leaseMs: this.#leaseMs,
      prefix: this.#options.prefix ?? '{forebay}',
      worker,
      onTrouble: (error) => this.#trouble(error),
    })
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new Failure('job-engine-unavailable', 'the engine of jobs is closed'))
    await this.#host?.close()
    await this.#looking
    await this.#ledger.flush().catch((error: unknown) => this.#trouble(error))
    this.#disconnect()
  }

  /** Ends every connection at once and gives nothing back, as the death of the process would. */
  kill(): void {
    this.#closing.abort(new Failure('job-engine-unavailable', 'the engine of jobs is closed'))
    this.#disconnect()
    this.#host?.kill()
  }

  #disconnect(): void {
    this.#changes.close()
    this.#outbox.close()
    this.#link.close()
  }

  #trouble(error: unknown): void {
    if (this.#closing.signal.aborted) return
    const isOurs = error instanceof Failure || error instanceof EpochChanged
    this.#options.onTrouble?.(isOurs ? error : this.#link.secrets.clean(error))
  }

  /** A call by somebody outside: on the Redis that is there, once more if that turned out another. */
  async #call<T>(run: () => Promise<T>): Promise<T> {
    this.#closing.signal.throwIfAborted()
    for (let attempt = 0; ; attempt += 1) {
      await this.#attach()
      try {
        return await run()
      } catch (error) {
        if (!(error instanceof EpochChanged)) throw error
        if (attempt > 0) {
          throw new Failure('job-engine-unavailable', 'Redis is being emptied again and again')
        }
      }
    }
  }

  #detach(why: string): void {
    this.#isAttached = false
    this.#host?.leases.endAll(why)
  }

  /** Looks at a Redis that was not looked at; one look for all who wait. */
  async #attach(): Promise<void> {
    // One that began long ago may fail of a Redis that is there by now.
    await this.#attaching?.catch(() => undefined)
    if (this.#isAttached) return
    this.#attaching ??= this.#attachNow().finally(() => {
      this.#attaching = undefined
    })
    return this.#attaching
  }

  async #attachNow(): Promise<void> {
    const infos = await this.#link.infos()
    for (const info of infos) checkServer(info, this.#link.where)
    this.#replicas.look(infos)
    const key = this.#link.key('epoch')
    await this.#link.command('set', [key, randomUUID(), 'NX'])
    const epoch = asText(await this.#link.command('get', [key]))
    const before = this.#ledger.epoch
    this.#jobs.epoch = epoch
    if (before !== '' && before !== epoch) await this.#mourn()
    if (before !== epoch) {
      this.#ledger.begin(epoch)
      await this.#ledger.flush()
    }
    this.#isAttached = true
  }

  /** Redis has forgotten everything: what this node knows is recorded, and is not done again. */
  async #mourn(): Promise<void> {
    this.#jobs.forgetAll()
    for (const job of this.#ledger.jobs.filter(({ id }) => !this.#orders.isUnderWay(id))) {
      const lost = ended(job, {
        state: 'lost',
        nowMs: this.#clock.now(),
        error: 'Redis came back without this job; these are the counts last known here',
      })
      await this.#jobs.ask('lose', job.id, [encodeOrder(lost), ...encodeState(lost)])
    }
    await this.#schedules.restore(this.#ledger.schedules)
  }

  /** Once a second: orders that fell behind, what is due, what the ledger should know. */
  async #look(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await this.#attach()
        await this.#orders.takeBack()
        await this.#outbox.sendOrphans()
        await this.#sweep()
        if (this.#host !== undefined) {
          await this.#schedules.runDue({
            check: this.#check,
            get: (id) => this.get(id),
            submit: (order) => this.submit(order),
          })
        }
        await this.#readChanged()
      } catch (error) {
        this.#trouble(error)
      }
      await this.#clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined)
    }
  }

  async #sweep(): Promise<void> {
    const now = this.#clock.monotonic()
    if (this.#host === undefined || now - this.#sweptAt < SWEEP_EVERY_MS) return
    this.#replicas.look(await this.#link.infos())
    await this.#outbox.sendLate(this.#host.queues)
    this.#sweptAt = now
  }

  #told(id: string): void {
    this.#unread.add(id)
    for (const listener of this.#listeners) listener({ id })
  }

  async #readChanged(): Promise<void> {
    for (const id of this.#unread) {
      this.#unread.delete(id)
      const job = await this.#read(id)
      if (job === undefined) this.#ledger.drop(id)
      else this.#ledger.note(job)
    }
    await this.#ledger.flush()
  }

  async #noteSchedules(): Promise<void> {
    const all = await this.#schedules.list()
    this.#ledger.noteSchedules(all.filter(({ isDamaged }) => isDamaged === undefined))
    await this.#ledger.flush()
  }

  /** A job whose record is damaged has failed, and says so. */
  async #read(id: string): Promise<JobRecord | undefined> {
    try {
      return await this.#jobs.read(id)
    } catch (error) {
      if (!isDamage(error) || !(error instanceof Error)) throw error
      await this.#jobs.run('spoilt', id, [error.message, ''])
      return this.#jobs.read(id).catch(() => this.#rewritten(id, error))
    }
  }

  /** A job of which not even the order can be read. */
  async #rewritten(id: string, { message }: Error): Promise<JobRecord | undefined> {
    const order = { id, kind: 'unknown', args: {}, priority: 'normal', limits: {} }
    await this.#jobs.run('spoilt', id, [message, JSON.stringify(order)])
    this.#jobs.forget(id)
    return this.#jobs.read(id)
  }

  async #require(id: string): Promise<JobRecord> {
    const record = await this.#read(id)
    if (record === undefined) throw jobNotFound(id)
    return record
  }

  async #change(
    id: string,
    name: ScriptName,
    { rule, args = [] }: { readonly rule: Rule; readonly args?: readonly string[] },
  ): Promise<JobRecord> {
    const read = await this.#require(id)
    rule(read)
    const { word, send } = await this.#jobs.ask(name, id, args)
    await this.#replicas.confirm()
    await this.#outbox.send(send)
    // What it was by then: it may have ended since it was read, and was not changed.
    const state = JOB_STATES.find((each) => each === word)
    if (state !== undefined) rule({ ...read, state })
    return this.#require(id)
  }

  /** Waits until nobody may begin anything of the job: at the latest when the leases have run out. */
  async #noneHeld(id: string): Promise<void> {
    const { signal } = this.#closing
    for (let pauseMs = 5; ; pauseMs = Math.min(250, pauseMs * 2)) {
      if (Number(await this.#jobs.run('held', id, [this.#leaseMs])) === 0) return
      await this.#clock.sleep(pauseMs, signal)
    }
  }

  async #failures(
    id: string,
    from: { readonly page: number; readonly skip: number; readonly max: number },
  ): Promise<{ readonly failures: readonly ItemFailure[]; readonly next: string | undefined }> {
    const found: { readonly failure: ItemFailure; readonly place: string }[] = []
    for (let first = from.page; found.length <= from.max; ) {
      const rows = await this.#jobs.run('failures', id, [first])
      if (rows === null) throw jobNotFound(id)
      const pages = asList(rows).map(asList)
      if (pages.length === 0) break
      for (const [number, text] of pages) {
        const page = Number(number)
        decodeFailures(id, asText(text)).forEach((failure, at) => {
          if (page > from.page || at >= from.skip) found.push({ failure, place: `${page}.${at}` })
        })
        first = page + 1
      }
    }
    return {
      failures: found.slice(0, from.max).map(({ failure }) => failure),
      next: found[from.max]?.place,
    }
  }
}
