import type { Clock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import type { JobRecord } from '../job.ts'
import { asFields, asList, asText, decodeRecord, type JobFields } from './codec.ts'
import { EpochChanged, type RedisArg, type RedisLink } from './link.ts'
import type { ScriptName } from './scripts.ts'

/** Orders of jobs that are kept here: they never change, and some are large. */
const ORDERS_KEPT_MAX = 256
const ORDER_KEPT_LENGTH_MAX = 262_144

/** What a script answered: a word, and what is to be put into BullMQ's queues. */
export interface ScriptAnswer {
  readonly word: string
  readonly send: readonly unknown[]
  /** What else it answered. */
  readonly rest: readonly unknown[]
}

/** The scripts as functions, on the epoch that is known. */
export class RedisJobs {
  readonly link: RedisLink
  readonly #clock: Clock
  readonly #orders = new Map<string, string>()
  /** Empty until Redis was looked at. */
  epoch = ''
  /** Told that Redis has another epoch. */
  onEpochChanged: () => void = () => undefined

  constructor(link: RedisLink, clock: Clock) {
    this.link = link
    this.#clock = clock
  }

  /** @throws Failure `job-engine-unavailable` | EpochChanged */
  async run(name: ScriptName, id: string, args: readonly RedisArg[] = []): Promise<unknown> {
    try {
      return await this.link.script(name, this.epoch, [id, this.#clock.now(), ...args])
    } catch (error) {
      if (error instanceof EpochChanged) this.onEpochChanged()
      throw error
    }
  }

  /** A script that answers a word and a list. */
  async ask(name: ScriptName, id: string, args: readonly RedisArg[] = []): Promise<ScriptAnswer> {
    const reply = await this.run(name, id, args)
    if (typeof reply === 'string') return { word: reply, send: [], rest: [] }
    const [word, send, ...rest] = asList(reply)
    return { word: asText(word), send: asList(send), rest }
  }

  /** @throws Failure `internal` for a record that is damaged */
  async read(id: string): Promise<JobRecord | undefined> {
    const fields = asFields(await this.run('read', id))
    return fields.size === 0 ? undefined : this.decode(id, fields)
  }

  /** @throws Failure `internal` for a record that is damaged */
  async decode(id: string, fields: JobFields): Promise<JobRecord> {
    const kept = this.#orders.get(id)
    if (kept !== undefined) return decodeRecord(id, kept, fields)
    const order = asText(await this.link.command('get', [this.link.key(`job:${id}:def`)]))
    const record = decodeRecord(id, order, fields)
    this.#keep(id, order)
    return record
  }

  /** Jobs by rank, newest first; those that are damaged are left out. */
  async scan(first: number, last: number): Promise<readonly JobRecord[]> {
    const rows = asList(await this.run('scan', '', [first, last])).map(asList)
    const records: JobRecord[] = []
    for (const [id, fields] of rows) {
      try {
        records.push(await this.decode(asText(id), asFields(fields)))
      } catch (error) {
        if (!isDamage(error)) throw error
      }
    }
    return records
  }

  /** The order of a job is not to be believed from here: the job is gone. */
  forget(id: string): void {
    this.#orders.delete(id)
  }

  forgetAll(): void {
    this.#orders.clear()
  }

  #keep(id: string, order: string): void {
    if (order.length > ORDER_KEPT_LENGTH_MAX) return
    this.#orders.set(id, order)
    const [oldest] = this.#orders.keys()
    if (this.#orders.size > ORDERS_KEPT_MAX && oldest !== undefined) this.#orders.delete(oldest)
  }
}

/** True for what a damaged record, or a script that stumbled over one, threw. */
export function isDamage(error: unknown): boolean {
  return isFailure(error, 'internal')
}
