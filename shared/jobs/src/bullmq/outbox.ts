import type { Clock } from '@forebay/base/clock'
import { Queue } from 'bullmq'
import { RETRY_PAUSE_MAX_MS } from '../outcome.ts'
import { asList, asText } from './codec.ts'
import { CALL_TIMEOUT_MS, type RedisClient } from './link.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** Events that BullMQ keeps of a queue; nobody here reads them. */
const EVENTS_KEPT_MAX = 100

/** A delivery is kept back by BullMQ for no longer than this, milliseconds. */
const DELAY_MAX_MS = 2 * RETRY_PAUSE_MAX_MS

const DELAY_UNITS_PER_MS = 4096

/** Deliveries that one look lets go. */
const LATE_MAX = 1000

/** One delivery as the scripts name it. */
interface Entry {
  readonly text: string
  readonly queue: string
  readonly priority: number
  readonly name: string
  readonly delayMs: number
}

/**
 * Puts into BullMQ's queues what the scripts decided to deliver. An entry stands in Redis until it is in
 * its queue: where this process dies in between, another one finds it. Twice is once, by its name.
 */
export class Outbox {
  readonly #jobs: RedisJobs
  readonly #clock: Clock
  readonly #client: RedisClient
  readonly #queues = new Map<string, Queue>()
  readonly #prefix: string
  readonly #onTrouble: (error: unknown) => void

  constructor(options: {
    readonly jobs: RedisJobs
    readonly clock: Clock
    readonly prefix: string
    readonly onTrouble: (error: unknown) => void
  }) {
    this.#jobs = options.jobs
    this.#clock = options.clock
    this.#prefix = options.prefix
    this.#onTrouble = options.onTrouble
    this.#client = options.jobs.link.connect()
  }

  /** Never throws: what it does not send is found again. @param send entries and delays, in turn */
  async send(send: readonly unknown[]): Promise<void> {
    const entries = send.flatMap((text, at) =>
      at % 2 === 0 ? parseEntry(asText(text), Number(asText(send[at + 1]))) : [],
    )
    const queues = Map.groupBy(entries, ({ queue }) => queue)
    try {
      await this.#bounded(Promise.all([...queues].map(([queue, those]) => this.#add(queue, those))))
    } catch (error) {
      this.#onTrouble(error)
    }
  }

  /** Sends what others decided to and did not. */
  async sendOrphans(): Promise<void> {
    const entries = await this.#jobs.run('orphans', '')
    if (Array.isArray(entries)) await this.send(entries.flatMap((entry) => [entry, '0']))
  }

  /**
   * Lets go what BullMQ keeps back for longer than any pause: whoever put it there had a clock that was
   * far ahead.
   */
  async sendLate(queues: readonly string[]): Promise<void> {
    const { link } = this.#jobs
    // BullMQ counts within a millisecond in the lowest bits.
    const latest = (this.#clock.now() + DELAY_MAX_MS) * DELAY_UNITS_PER_MS
    for (const name of queues) {
      const key = link.key(`queue:${name}:delayed`)
      const late = await link.command('zrangebyscore', [key, latest, '+inf', 'LIMIT', 0, LATE_MAX])
      for (const id of asList(late)) {
        const job = await this.#queue(name).getJob(asText(id))
        await job?.promote()
      }
    }
  }

  close(): void {
    this.#client.disconnect()
  }

  async #add(name: string, entries: readonly Entry[]): Promise<void> {
    const queue = this.#queue(name)
    // One by one: to make a transaction of ioredis costs more than what it carries.
    await Promise.all(
      entries.map(({ name: jobId, priority, delayMs }) =>
        queue.add(
          'step',
          {},
          {
            jobId,
            priority,
            ...(delayMs > 0 ? { delay: delayMs } : {}),
            removeOnComplete: true,
            removeOnFail: true,
          },
        ),
      ),
    )
    const { link } = this.#jobs
    await link.command('zrem', [link.key('outbox'), ...entries.map(({ text }) => text)])
  }

  #queue(name: string): Queue {
    const known = this.#queues.get(name)
    if (known !== undefined) return known
    const queue = new Queue(name, {
      connection: this.#client,
      prefix: `${this.#prefix}:queue`,
      streams: { events: { maxLen: EVENTS_KEPT_MAX } },
      skipVersionCheck: true,
    })
    queue.on('error', this.#onTrouble)
    this.#queues.set(name, queue)
    return queue
  }

  async #bounded(work: Promise<unknown>): Promise<void> {
    const enough = new AbortController()
    const late = this.#clock.sleep(CALL_TIMEOUT_MS, enough.signal)
    try {
      await Promise.race([
        work,
        late.then(() => Promise.reject(new Error('BullMQ did not answer'))),
      ])
    } finally {
      late.catch(() => undefined)
      // A reason of our own: an error with its stack would be made for each.
      enough.abort('answered')
      work.catch(() => undefined)
    }
  }
}

/** `queue|priority|name`; the queue may hold anything. */
function parseEntry(text: string, delayMs: number): readonly Entry[] {
  const match = /^(.+)\|(\d+)\|([^|]+)$/.exec(text)
  if (match === null) return []
  const [, queue = '', priority = '', name = ''] = match
  return [{ text, queue, priority: Number(priority), name, delayMs }]
}
