import { JOB_STATES } from '@forebay/jobs/job'
import type { JobKind } from '@forebay/jobs/kind'
import { BUCKET_NAME_SCHEMA, LIMITS_SCHEMA, ORDER_PARTS } from '@forebay/jobs/order-schema'
import { type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { FAILURES_PAGE_MAX, JOBS_PAGE_MAX } from '../../jobs/job-service.ts'

const count = (description: string) => Type.Integer({ minimum: 0, description })
const time = (description: string) => Type.String({ format: 'date-time', description })
const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const anyObject = () => Type.Record(Type.String(), Type.Unknown())

/** Id of a job or a schedule. */
export const ID = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })

export const JOB_VIEW = Type.Object(
  {
    id: ID,
    kind: Type.String(),
    bucket: orNull(Type.String({ description: '`provider://name`' })),
    args: anyObject(),
    argsShortened: Type.Optional(
      Type.Literal(true, {
        description: 'Long lists and texts in `args` are cut here; the job alone has all of them.',
      }),
    ),
    description: orNull(Type.String()),
    user: orNull(Type.String({ description: 'Who ordered it; null in open mode.' })),
    priority: Type.Enum(['low', 'normal', 'high']),
    limits: LIMITS_SCHEMA,
    state: Type.Enum([...JOB_STATES]),
    created: time('When it was ordered.'),
    started: orNull(time('When its list was begun.')),
    ended: orNull(time('When it ended.')),
    attempt: Type.Integer({ minimum: 1, description: '1, and one more for each retry.' }),
    listing: Type.Object({
      items: count('Items that were listed.'),
      bytes: count('Bytes of the items whose size the list told.'),
      pages: count('Pages of the list.'),
      complete: Type.Boolean({ description: 'Everything is listed: the others are totals.' }),
    }),
    counters: Type.Object({
      done: count('Items that were done.'),
      skipped: count('Items that needed nothing.'),
      failed: count('Items that failed.'),
      bytes: count('Bytes that were moved.'),
    }),
    rate: orNull(
      Type.Object(
        {
          itemsPerSecond: Type.Number({ minimum: 0 }),
          bytesPerSecond: Type.Number({ minimum: 0 }),
        },
        { description: 'Over the last 10 s, while it runs.' },
      ),
    ),
    remainingSeconds: orNull(count('At this rate, once everything is listed.')),
    error: orNull(Type.String({ description: 'Why it failed, was aborted or is lost.' })),
    result: orNull(anyObject()),
    schedule: orNull(Type.String({ description: 'Id of the schedule that ordered it.' })),
  },
  { description: 'A job.' },
)

export const JOB_LIST_QUERY = Type.Object(
  {
    kind: Type.Optional(Type.String({ description: 'Jobs of one kind.' })),
    state: Type.Optional(
      Type.String({
        pattern: `^(${JOB_STATES.join('|')})(,(${JOB_STATES.join('|')}))*$`,
        description: 'Jobs in one of these states, with commas between.',
      }),
    ),
    bucket: Type.Optional(
      Type.String({
        format: 'forebay-bucket',
        description: 'Jobs of one bucket: `provider://name`.',
      }),
    ),
    max: Type.Optional(
      Type.Integer({ minimum: 1, maximum: JOBS_PAGE_MAX, description: 'Newest first; 100.' }),
    ),
  },
  { additionalProperties: false },
)

export const JOB_LIST = Type.Object({ jobs: Type.Array(JOB_VIEW) })

export const FAILURES_QUERY = Type.Object(
  {
    after: Type.Optional(
      Type.String({
        format: 'forebay-cursor',
        description: '`next` of the answer before.',
      }),
    ),
    max: Type.Optional(
      Type.Integer({ minimum: 1, maximum: FAILURES_PAGE_MAX, description: '100 by default.' }),
    ),
  },
  { additionalProperties: false },
)

export const FAILURE_LIST = Type.Object({
  failures: Type.Array(
    Type.Object({
      key: Type.String(),
      code: Type.String({ description: 'Of the catalogue of errors.' }),
      message: Type.String(),
    }),
  ),
  next: orNull(Type.String({ description: '`after` of the next question; null at the end.' })),
})

export const KIND_LIST = Type.Array(
  Type.Object({
    name: Type.String(),
    wireName: orNull(Type.String({ description: "AIStore's word." })),
    doc: Type.String(),
    bucket: Type.Enum(['required', 'optional', 'none']),
    need: Type.Enum(['read', 'write', 'admin']),
    needAtDestination: orNull(Type.Enum(['read', 'write', 'admin'])),
    args: Type.Record(Type.String(), Type.Unknown(), {
      description: 'JSON Schema of the arguments.',
    }),
  }),
)

export const SCHEDULE_VIEW = Type.Object(
  {
    id: ID,
    cron: Type.String(),
    timeZone: Type.String(),
    order: Type.Object({
      kind: Type.String(),
      bucket: orNull(Type.String()),
      args: anyObject(),
      description: orNull(Type.String()),
      user: orNull(Type.String()),
      priority: Type.Enum(['low', 'normal', 'high']),
      limits: LIMITS_SCHEMA,
    }),
    next: orNull(time('When it orders next; null for one that never comes.')),
    lastJob: orNull(Type.String({ description: 'Id of the job that it ordered last.' })),
    lastError: orNull(
      Type.Object(
        {
          time: orNull(time('When it was tried.')),
          code: Type.String({ description: 'Of the catalogue of errors.' }),
          message: Type.String(),
        },
        { description: 'Why the last time passed without a job; null when it made one.' },
      ),
    ),
  },
  { description: 'An order that is given by the clock.' },
)

export const SCHEDULE_LIST = Type.Object({ schedules: Type.Array(SCHEDULE_VIEW) })

/** An order of any of the kinds, each with its own arguments: for the document. */
export function orderSchemaOf(kinds: readonly JobKind[]): TSchema {
  return Type.Union(kinds.map(orderOf), { description: 'An order of a job, by its kind.' })
}

function orderOf(kind: JobKind): TSchema {
  const { bucket: optional, ...parts } = ORDER_PARTS
  const needsBucket = kind.bucket === 'required' ? BUCKET_NAME_SCHEMA : optional
  const { accepts: args = kind.args } = kind
  // Without any there must be a way to go.
  const needsArgs = !Compile(args).Check({})
  return Type.Object(
    {
      kind: Type.Literal(kind.name),
      ...(kind.bucket === 'none' ? {} : { bucket: needsBucket }),
      args: needsArgs ? args : Type.Optional(args),
      ...parts,
    },
    { additionalProperties: false, description: kind.doc },
  )
}
