import { mkdirSync } from 'node:fs'
import { Failure, isFailure } from '@forebay/base/failure'
import { isSaneLmdbFile } from '@forebay/base/lmdb-file'
import { type Database, open, type RootDatabase } from 'lmdb'
import { Type } from 'typebox'
import type { ItemFailure, JobItem, JobRecord, JobSchedule, JsonObject } from '../job.ts'
import { packItems, unpackItems } from '../packed-items.ts'
import { type Reader, readerOf, readFailure, readSchedule, STORED_RECORD } from '../stored.ts'

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
  readonly underWayBytes?: number | undefined
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
    underWayBytes: Type.Optional(COUNT),
    failed: COUNT,
  }),
)

const readArgs: Reader<JsonObject> = readerOf(Type.Unsafe<JsonObject>(Type.Object({})))

const readOwned = readerOf(Type.Object({ owner: Type.String() }))

const readPage: Reader<PageRow> = (value) => {
  if (!isRow(value)) return undefined
  const owned = readOwned(value)
  const items = unpackItems(value['items'])
  return owned === undefined || items === undefined ? undefined : { owner: owned.owner, items }
}

function writePage({ owner, items }: PageRow): unknown {
  return { owner, items: packItems(items) }
}

const readFailureRow: Reader<FailureRow> = (value) => {
  if (!isRow(value)) return undefined
  const owned = readOwned(value)
  const failure = readFailure(value['failure'])
  return owned === undefined || failure === undefined ? undefined : { owner: owned.owner, failure }
}

const readString: Reader<string> = readerOf(Type.String())
const readNumber: Reader<number> = readerOf(Type.Number())

/** How values of a table are read, and written where that is not as they are. */
interface Form<Value> {
  readonly read: Reader<Value>
  readonly write?: (value: Value) => unknown
}

/** A table whose values are looked at before they are believed. */
export class Rows<Value, Key extends number | string | (number | string)[]> {
  readonly #open: () => Database<unknown, Key>
  readonly #what: string
  readonly #form: Form<Value>

  /** @param database gives the tables of lmdb, while they are open */
  constructor(database: () => Database<unknown, Key>, what: string, form: Form<Value>) {
    this.#open = database
    this.#what = what
    this.#form = form
  }

  get #database(): Database<unknown, Key> {
    return this.#open()
  }

  /** @throws Failure `internal` for a row that is not what was written */
  get(key: Key): Value | undefined {
    let stored: unknown
    try {
      stored = this.#database.get(key)
    } catch (cause) {
      throw isFailure(cause) ? cause : this.#unreadable(key, cause)
    }
    if (stored === undefined) return undefined
    const value = this.#form.read(stored)
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
    const { write } = this.#form
    this.#database.putSync(key, write === undefined ? value : write(value))
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
  /**
   * One transaction, on the disk when the promise resolves. Others may share it: what is thrown must be
   * thrown before the first write.
   */
  transact<T>(change: () => T): Promise<T>
  /** Refuses what comes later, waits for what is being written, and closes. */
  close(): Promise<void>
}

/**
 * Opens or makes the tables. Every transaction is on the disk when its promise resolves.
 *
 * @throws Failure `format-newer`; `disk-error` for a file that is damaged or none of lmdb's, which is
 * left as it is
 */
export async function openJobRows(folder: string): Promise<JobRows> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (!isSaneLmdbFile(folder)) {
    throw new Failure('disk-error', `the jobs in ${folder} are damaged`, {
      hint: 'move the folder away; the node begins a new one',
    })
  }
  const options = {
    path: folder,
    overlappingSync: false,
    // Else lmdb takes the newest snapshot while the machine has not booted since, though the file
    // system may have lost its pages: a disk that was away and came back. lmdb's types lack it.
    safeRestore: true,
    // Batches of lmdb's own making have promises that nobody gets: one that fails ends the process.
    eventTurnBatching: false,
    mapSize: MAP_BYTES,
    maxDbs: DATABASES_MAX,
    encoding: 'msgpack',
  } as const
  const root = open<unknown, string>(options)
  // Those of processes that were killed keep pages from being used again.
  root.readerCheck()
  const gate = new Gate(root)
  const table = <Value, Key extends number | string | (number | string)[]>(
    name: string,
    what: string,
    form: Reader<Value> | Form<Value>,
  ): Rows<Value, Key> => {
    const database = root.openDB<unknown, Key>({ name })
    const both = typeof form === 'function' ? { read: form } : form
    return new Rows(() => gate.passed(database), what, both)
  }
  const rows: JobRows = {
    root,
    serials: table('serials', 'id', readNumber),
    heads: table('heads', 'record', readHead),
    args: table('args', 'arguments', readArgs),
    cursors: table('cursors', 'cursor', readString),
    pages: table('pages', 'page', { read: readPage, write: writePage }),
    progress: table('progress', 'progress of page', readProgress),
    failures: table('failures', 'failure', readFailureRow),
    ended: table('ended', 'end', readString),
    trash: table('trash', 'removal', readNumber),
    schedules: table('schedules', 'schedule', readSchedule),
    counts: table('counts', 'count', readNumber),
    transact: (change) => gate.transact(change),
    close: () => gate.close(),
  }
  await requireFormat(rows)
  return rows
}

async function requireFormat({ transact, close, counts }: JobRows): Promise<void> {
  const format = counts.get('format')
  if (format === FORMAT) return
  if (format !== undefined) {
    await close()
    throw new Failure(
      'format-newer',
      `the job table has format ${format}; this version knows ${FORMAT}`,
    )
  }
  await transact(() => counts.put('format', FORMAT))
}

/** Keeps everybody out of an environment that is closed: to lmdb that would be the end of the process. */
class Gate {
  readonly #root: RootDatabase<unknown, string>
  readonly #writing = new Set<Promise<unknown>>()
  #isOpen = true
  #isClosing = false

  constructor(root: RootDatabase<unknown, string>) {
    this.#root = root
  }

  /** @throws Failure `job-engine-unavailable` when it is closed */
  passed<T>(what: T): T {
    if (this.#isOpen) return what
    throw closed()
  }

  async transact<T>(change: () => T): Promise<T> {
    const root = this.passed(this.#root)
    if (this.#isClosing) throw closed()
    const writing = root.transaction(change)
    this.#writing.add(writing)
    try {
      return await writing
    } finally {
      this.#writing.delete(writing)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    // What is being written reads as well.
    await Promise.allSettled(this.#writing)
    this.#isOpen = false
    await this.#root.close()
  }
}

function closed(): Failure {
  return new Failure('job-engine-unavailable', 'the engine of jobs is closed')
}

function isRow(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
