import { Failure, isFailure } from '@forebay/base/failure'
import { type JobFilter, PAGE_ITEMS_MAX } from '../engine.ts'
import type {
  ItemFailure,
  JobCounters,
  JobPage,
  JobRecord,
  JobSchedule,
  JsonObject,
  PageOutcome,
} from '../job.ts'
import { addCounters, isEnd, isWanted, jobNotFound, listMax } from '../record-change.ts'
import { damagedSchedule } from '../schedule.ts'
import type { FailureKey, Head, JobRows, PageKey, ProgressRow, Serial } from './rows.ts'

/** Jobs whose arguments stay in memory. */
const ARGS_KEPT_MAX = 16

/** One delivery, as the table knows it. */
export interface PageName {
  readonly id: string
  readonly attempt: number
  readonly number: number
}

/** A page that is not done. */
export interface OpenPage {
  readonly number: number
  readonly owner: string
}

export interface Found {
  readonly serial: Serial
  readonly head: Head
}

/** What the tables tell; it writes nothing. */
export class JobReader {
  readonly #rows: JobRows
  /** Of the jobs that were read last. */
  readonly #args = new Map<Serial, JsonObject>()

  constructor(rows: JobRows) {
    this.#rows = rows
  }

  /** Jobs that have not ended, oldest first. */
  goingIds(): readonly string[] {
    return this.#rows.heads
      .keys({})
      .filter(([serial, id]) => !isEnd(this.#readHead(serial, id).state))
      .map(([, id]) => id)
  }

  head(id: string): Head | undefined {
    return this.find(id)?.head
  }

  record(id: string): JobRecord | undefined {
    const found = this.find(id)
    return found === undefined ? undefined : this.complete(found)
  }

  list(filter: JobFilter): readonly JobRecord[] {
    const max = listMax(filter)
    const records: JobRecord[] = []
    for (const [serial, id] of this.#rows.heads.keys({ reverse: true })) {
      const head = this.#readHead(serial, id)
      if (isWanted(head, filter)) records.push(this.complete({ serial, head }, filter))
      if (records.length === max) break
    }
    return records
  }

  cursor(id: string): string | undefined {
    const found = this.find(id)
    return found === undefined ? undefined : this.#rows.cursors.get(found.serial)
  }

  openPages(id: string): readonly OpenPage[] {
    const found = this.find(id)
    if (found === undefined) return []
    return this.pageKeys(found).map((key) => ({
      number: key[2],
      owner: this.#rows.pages.get(key)?.owner ?? '',
    }))
  }

  /** @returns undefined when it is done, or of another attempt */
  page({ id, attempt, number }: PageName):
    | {
        readonly page: JobPage
        readonly saved: PageOutcome | undefined
        readonly throws: number
      }
    | undefined {
    const found = this.find(id)
    if (found === undefined || found.head.attempt !== attempt) return undefined
    const key: PageKey = [found.serial, attempt, number]
    const row = this.#rows.pages.get(key)
    if (row === undefined) return undefined
    const page = { jobId: id, number, attempt, owner: row.owner, items: row.items }
    const progress = this.#rows.progress.get(key)
    return { page, saved: this.#saved(key, progress), throws: progress?.throws ?? 0 }
  }

  failures(
    id: string,
    { after, max }: { readonly after?: string | undefined; readonly max: number },
  ): { readonly failures: readonly ItemFailure[]; readonly next: string | undefined } {
    const found = this.find(id)
    if (found === undefined) throw jobNotFound(id)
    const wanted = Math.max(1, Math.min(PAGE_ITEMS_MAX, Math.floor(max)))
    const keys = this.#rows.failures.keys({
      start: after === undefined ? [found.serial, 0, 0, 0] : [found.serial, ...parseAfter(after)],
      end: [found.serial + 1, 0, 0, 0],
      max: wanted + 1,
    })
    const shown = keys.slice(0, wanted)
    return {
      failures: shown.flatMap((key) => this.#rows.failures.get(key)?.failure ?? []),
      next: keys[wanted]?.slice(1).join('.'),
    }
  }

  /** Schedules, by id. */
  schedules(): readonly JobSchedule[] {
    return this.#rows.schedules.keys({}).flatMap((id) => this.schedule(id) ?? [])
  }

  /** One that is garbage is told of as damaged, so that it hides no other. */
  schedule(id: string): JobSchedule | undefined {
    try {
      return this.#rows.schedules.get(id)
    } catch (error) {
      if (isFailure(error, 'internal')) return damagedSchedule(id)
      throw error
    }
  }

  /** True for a job that is there and has not ended. */
  isGoing(id: string | undefined): boolean {
    const head = id === undefined ? undefined : this.head(id)
    return head !== undefined && !isEnd(head.state)
  }

  find(id: string): Found | undefined {
    const serial = this.#rows.serials.get(id)
    return serial === undefined ? undefined : { serial, head: this.#readHead(serial, id) }
  }

  require(id: string): Found {
    const found = this.find(id)
    if (found === undefined) throw jobNotFound(id)
    return found
  }

  /** A record that is garbage reads as a failed job that says so. */
  #readHead(serial: Serial, id: string): Head {
    try {
      return this.#rows.heads.get([serial, id]) ?? unreadable(id)
    } catch (error) {
      if (isFailure(error)) return unreadable(id)
      throw error
    }
  }

  complete({ serial, head }: Found, { withoutArgs }: JobFilter = {}): JobRecord {
    const { nextPage: _nextPage, steps: _steps, repaging: _repaging, ...record } = head
    let args: JsonObject
    try {
      args = withoutArgs === true ? {} : this.#argsOf(serial)
    } catch (error) {
      if (isFailure(error)) return { ...unreadable(head.id), args: {} }
      throw error
    }
    return { ...record, args, counters: this.counters({ serial, head }) }
  }

  /** Arguments never change; those of 100,000 keys take milliseconds to read, for every page. */
  #argsOf(serial: Serial): JsonObject {
    const args = this.#args.get(serial) ?? this.#rows.args.get(serial) ?? {}
    this.#args.delete(serial)
    this.#args.set(serial, args)
    if (this.#args.size > ARGS_KEPT_MAX) {
      for (const oldest of this.#args.keys()) {
        this.#args.delete(oldest)
        break
      }
    }
    return args
  }

  /** With what is settled of pages that are not done. */
  counters(found: Found): JobCounters {
    const { serial, head } = found
    return this.#rows.progress
      .keys(pagesOf(serial, head.attempt))
      .reduce((sum, key) => addProgress(sum, this.#rows.progress.get(key)), head.counters)
  }

  pageKeys({ serial, head }: Found): readonly PageKey[] {
    return this.#rows.pages.keys(pagesOf(serial, head.attempt))
  }

  findPage(name: PageName): { readonly found: Found; readonly key: PageKey } | undefined {
    const found = this.find(name.id)
    if (found === undefined || found.head.attempt !== name.attempt) return undefined
    const key: PageKey = [found.serial, name.attempt, name.number]
    return this.#rows.pages.has(key) ? { found, key } : undefined
  }

  #saved(key: PageKey, progress: ProgressRow | undefined): PageOutcome | undefined {
    if (progress === undefined) return undefined
    const { settled, done, skipped, bytes, underWayBytes } = progress
    const failures = this.#rows.failures
      .keys(failuresOf(key))
      .flatMap((at) => this.#rows.failures.get(at)?.failure ?? [])
    return { settled, done, skipped, bytes, underWayBytes, failures }
  }
}

export function pagesOf(serial: Serial, attempt: number): { start: PageKey; end: PageKey } {
  return { start: [serial, attempt, 0], end: [serial, attempt + 1, 0] }
}

/** Before every page of the job. */
export function pageKey(serial: Serial): PageKey {
  return [serial, 0, 0]
}

export function failuresOf([serial, attempt, number]: PageKey): {
  start: FailureKey
  end: FailureKey
} {
  return { start: [serial, attempt, number, 0], end: [serial, attempt, number + 1, 0] }
}

export function addProgress(sum: JobCounters, progress: ProgressRow | undefined): JobCounters {
  return progress === undefined ? sum : addCounters(sum, progress)
}

function unreadable(id: string): Head {
  return {
    id,
    kind: 'unknown',
    priority: 'normal',
    limits: {},
    state: 'failed',
    createdMs: 0,
    endedMs: 0,
    attempt: 1,
    listing: { items: 0, bytes: 0, pages: 0, complete: false },
    counters: { done: 0, skipped: 0, failed: 0, bytes: 0 },
    error: 'what was kept of the job cannot be read; submit it again',
    nextPage: 0,
    steps: 0,
    repaging: false,
  }
}

/** `next` of an answer, as the key that it names. @throws Failure `argument-invalid` */
function parseAfter(after: string): [attempt: number, number: number, position: number] {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,4})$/.exec(after)
  if (match === null) {
    throw new Failure('argument-invalid', 'no list of failures goes on from there')
  }
  return [Number(match[1]), Number(match[2]), Number(match[3])]
}
