import { CATALOGUE, type FailureCode } from '@forebay/base/failure'
import { type Static, Type } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import {
  type ItemFailure,
  JOB_STATES,
  type JobItem,
  type JobOrder,
  type JobRecord,
  type JobSchedule,
  type JsonObject,
  type PageOutcome,
} from './job.ts'

/**
 * How what an engine keeps must look when it comes back. Whoever can write to the store can write
 * anything, so nothing that was read is believed before it was looked at.
 */
const COUNT = Type.Integer({ minimum: 0 })
/** Milliseconds since 1970, up to the last that a `Date` can say. */
const TIME = Type.Number({ minimum: 0, maximum: 8.64e15 })
const JSON_OBJECT = Type.Unsafe<JsonObject>(Type.Object({}))

const BUCKET = Type.Object({
  provider: Type.Union([
    Type.Literal('ais'),
    Type.Literal('aws'),
    Type.Literal('gcp'),
    Type.Literal('azure'),
  ]),
  namespace: Type.Object({ uuid: Type.String(), name: Type.String() }),
  name: Type.String(),
})

const LIMITS = Type.Object({
  concurrency: Type.Optional(COUNT),
  itemsPerSecond: Type.Optional(Type.Number()),
  bytesPerSecond: Type.Optional(Type.Number()),
  failuresMax: Type.Optional(COUNT),
})

const PRIORITY = Type.Union([Type.Literal('low'), Type.Literal('normal'), Type.Literal('high')])

const ORDERED = {
  kind: Type.String(),
  bucket: Type.Optional(BUCKET),
  args: JSON_OBJECT,
  description: Type.Optional(Type.String()),
  user: Type.Optional(Type.String()),
  scheduleId: Type.Optional(Type.String()),
}

const COUNTERS = Type.Object({ done: COUNT, skipped: COUNT, failed: COUNT, bytes: COUNT })

export const STORED_RECORD = Type.Object({
  ...ORDERED,
  id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
  priority: PRIORITY,
  limits: LIMITS,
  state: Type.Unsafe<JobRecord['state']>(Type.Enum([...JOB_STATES])),
  createdMs: TIME,
  startedMs: Type.Optional(TIME),
  endedMs: Type.Optional(TIME),
  attempt: Type.Integer({ minimum: 1 }),
  listing: Type.Object({ items: COUNT, bytes: COUNT, pages: COUNT, complete: Type.Boolean() }),
  counters: COUNTERS,
  error: Type.Optional(Type.String()),
  result: Type.Optional(JSON_OBJECT),
})

const ITEM = Type.Object({
  key: Type.String(),
  version: Type.Optional(Type.Object({ etag: Type.String(), lastModifiedMs: Type.Number() })),
  sizeBytes: Type.Optional(Type.Number()),
  extra: Type.Optional(JSON_OBJECT),
})

const FAILURE = Type.Object({
  key: Type.String(),
  code: Type.Unsafe<FailureCode>(Type.Enum(Object.keys(CATALOGUE))),
  message: Type.String(),
  item: ITEM,
})

const ITEMS = Type.Array(ITEM)

const OUTCOME = Type.Object({
  settled: Type.Array(COUNT),
  done: COUNT,
  skipped: COUNT,
  bytes: COUNT,
  underWayBytes: Type.Optional(COUNT),
  failures: Type.Array(FAILURE),
})

const SCHEDULE = Type.Object({
  id: Type.String(),
  cron: Type.String(),
  timeZone: Type.String(),
  order: Type.Object({
    ...ORDERED,
    priority: Type.Optional(PRIORITY),
    limits: Type.Optional(LIMITS),
    id: Type.Optional(Type.String()),
  }),
  nextMs: TIME,
  lastJobId: Type.Optional(Type.String()),
  lastError: Type.Optional(
    Type.Object({ atMs: TIME, code: Type.String(), message: Type.String() }),
  ),
})

/** The value where it is what its name says, else `undefined`. */
export type Reader<T> = (value: unknown) => T | undefined

export const readRecord: Reader<JobRecord> = readerOf(STORED_RECORD)
export const readItems: Reader<readonly JobItem[]> = readerOf(ITEMS)
export const readFailure: Reader<ItemFailure> = readerOf(FAILURE)
export const readOutcome: Reader<PageOutcome> = readerOf(OUTCOME)
export const readSchedule: Reader<JobSchedule> = readerOf(SCHEDULE)
export const readOrder: Reader<JobOrder> = readerOf(SCHEDULE.properties.order)

/** Reads values of a schema; it is compiled when it is first needed. */
export function readerOf<Schema extends Type.TSchema>(schema: Schema): Reader<Static<Schema>> {
  let compiled: Validator<Record<never, never>, Schema> | undefined
  return (value) => {
    compiled ??= Compile(schema)
    return compiled.Check(value) ? value : undefined
  }
}
