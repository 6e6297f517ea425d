import { mkdirSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import { type Database, open, type RootDatabase } from 'lmdb'
import { Type } from 'typebox'
import type { ItemFailure, JobItem, JobRecord, JobSchedule, JsonObject } from '../job.ts'
import {
  type Reader,
  readerOf,
  readFailure,
  readItems,
  readSchedule,
  STORED_RECORD,
} from '../stored.ts'

/** Virtual memory that lmdb maps at first; it grows by itself. */
const MAP_BYTES = 256 * 1024 ** 2

const DATABASES_MAX = 12

/** Version of the layout; a newer one is refused. */
const FORMAT = 1

/** A number that names a job for ever, in the order of submission; an id may come again. */
export type Serial = number

/** Serial, attempt, number. */
export type PageKey = [serial: Serial, attempt: number, number: number]

/** Page and position of the item in it. */
export type FailureKey = [serial: Serial, attempt: number, number: number, position: number]

/** What is written with every step: the record without its arguments, which may be large. */
export interface Head extends Omit<JobRecord, 'args'> {
  /** Of the next page of this attempt. */
  readonly nextPage: number
  /** Steps of the list that were stored: one that began at an older number is refused. */
  readonly steps: number
  /** Failures of earlier attempts are still to be made pages. */
  readonly repaging: boolean
}

export interface PageRow {
  readonly owner: string
  readonly items: readonly JobItem[]
}

/** How far a page is that is not done. Its failures stand with the others. */
export interface ProgressRow {
  /** Deliveries that threw. */
  readonly throws: number
  readonly settled: readonly number[]
  readonly done: number
  readonly skipped: number
  readonly bytes: number
  readonly failed: number
}

export interface FailureRow {
  readonly owner: string
  readonly failure: ItemFailure
}

const { args: _args, ...RECORD } = STORED_RECORD.properties

const COUNT = Type.Integer({ minimum: 0 })

const readHead: Reader<Head> = readerOf(
  Type.Object({ ...RECORD, nextPage: COUNT, steps: COUNT, repaging: Type.Boolean() }),
)

const readProgress: Reader<ProgressRow> = readerOf(
  Type.Object({
    throws: COUNT,
    settled: Type.Array(COUNT),
    done: COUNT,
    skipped: COUNT,
    bytes: COUNT,
    failed: COUNT,
  }),
)

const readArgs: Reader<JsonObject> = readerOf(Type.Unsafe<JsonObject>(Type.Object({})))

const readOwned = readerOf(Type.Object({ owner: Type.String() }))

const readPage: Reader<PageRow> = (value) => {
  if (!isRow(value)) return undefined
  const owned = readOwned(value)
  const items = readItems(value['items'])
  return owned === undefined || items === undefined ? undefined : { owner: owned.owner, items }
}

const readFailureRow: Reader<FailureRow> = (value) => {
  if (!isRow(value)) return undefined
  const owned = readOwned(value)
  const failure = readFailure(value['failure'])
  return owned === undefined || failure === undefined ? undefined : { owner: owned.owner, failure }
}

const readString: Reader<string> = readerOf(Type.String())
const readNumber: Reader<number> = readerOf(Type.Number())

/** A table whose values are looked at before they are believed. */
export class Rows<Value, Key extends number | string | (number | string)[]> {
  readonly #database: Database<unknown, Key>
  readonly #read: Reader<Value>
  readonly #what: string

  constructor(database: Database<unknown, Key>, what: string, read: Reader<Value>) {
    this.#database = database
    this.#what = what
    this.#read = read
  }

  /** @throws Failure `internal` for a row that is not what was written */
  get(key: Key): Value | undefined {
    let stored: unknown
    try {
      stored = this.#database.get(key)
    } catch (cause) {
      throw this.#unreadable(key, cause)
    }
    if (stored === undefined) return undefined
    const value = this.#read(stored)
    if (value === undefined) throw this.#unreadable(key, undefined)
    return value
  }

  has(key: Key): boolean {
    return this.#database.doesExist(key)
  }

  count(): number {
    return this.#database.getKeysCount()
  }

  /** Inside of a transaction. */
  put(key: Key, value: Value): void {
    this.#database.putSync(key, value)
  }

  /** Inside of a transaction. */
  remove(key: Key): void {
    this.#database.removeSync(key)
  }

  /** Keys from `start` on, before `end`, in order or from the end on. */
  keys(range: {
    readonly start?: Key
    readonly end?: Key
    readonly max?: number
    readonly reverse?: boolean
    readonly offset?: number
  }): readonly Key[] {
    const { max, ...rest } = range
    return [...this.#database.getKeys({ ...rest, ...(max === undefined ? {} : { limit: max }) })]
  }

  #unreadable(key: Key, cause: unknown): Failure {
    return new Failure(
      'internal',
      `${this.#what} ${Array.isArray(key) ? key.slice(1).join('.') : key} of the job table cannot be read`,
      { cause },
    )
  }
}

/** Everything that the embedded engine keeps, in one environment of lmdb. */
export interface JobRows {
  readonly root: RootDatabase<unknown, string>
  /** By id: the serial of the job. */
  readonly serials: Rows<number, string>
  readonly heads: Rows<Head, [serial: Serial, id: string]>
  readonly args: Rows<JsonObject, Serial>
  /** Where the next step of the list begins; absent at the beginning. */
  readonly cursors: Rows<string, Serial>
  /** Pages that are not done. */
  readonly pages: Rows<PageRow, PageKey>
  readonly progress: Rows<ProgressRow, PageKey>
  readonly failures: Rows<FailureRow, FailureKey>
  /** Jobs that have ended by the time when: the value is the id. */
  readonly ended: Rows<string, [endedMs: number, serial: Serial]>
  /** Jobs that were forgotten and whose rows are not all gone yet. */
  readonly trash: Rows<number, Serial>
  readonly schedules: Rows<JobSchedule, string>
  readonly counts: Rows<number, string>
}

/**
 * Opens or makes the tables. Every transaction is on the disk when its promise resolves.
 *
 * @throws Failure `format-newer`; what lmdb throws for a file that is none
 */
export async function openJobRows(folder: string): Promise<JobRows> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const root = open<unknown, string>({
    path: folder,
    overlappingSync: false,
    // Batches of lmdb's own making have promises that nobody gets: one that fails ends the process.
    eventTurnBatching: false,
    mapSize: MAP_BYTES,
    maxDbs: DATABASES_MAX,
    encoding: 'msgpack',
  } as const)
  const table = <Value, Key extends number | string | (number | string)[]>(
    name: string,
    what: string,
    read: Reader<Value>,
  ): Rows<Value, Key> => new Rows(root.openDB<unknown, Key>({ name }), what, read)
  const rows: JobRows = {
    root,
    serials: table('serials', 'id', readNumber),
    heads: table('heads', 'record', readHead),
    args: table('args', 'arguments', readArgs),
    cursors: table('cursors', 'cursor', readString),
    pages: table('pages', 'page', readPage),
    progress: table('progress', 'progress of page', readProgress),
    failures: table('failures', 'failure', readFailureRow),
    ended: table('ended', 'end', readString),
    trash: table('trash', 'removal', readNumber),
    schedules: table('schedules', 'schedule', readSchedule),
    counts: table('counts', 'count', readNumber),
  }
  await requireFormat(rows)
  return rows
}

async function requireFormat({ root, counts }: JobRows): Promise<void> {
  const format = counts.get('format')
  if (format === FORMAT) return
  if (format !== undefined) {
    await root.close()
    throw new Failure(
      'format-newer',
      `the job table has format ${format}; this version knows ${FORMAT}`,
    )
  }
  await root.transaction(() => counts.put('format', FORMAT))
}

function isRow(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
