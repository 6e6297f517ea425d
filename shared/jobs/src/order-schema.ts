import { type Static, Type } from 'typebox'

/** Longest description of a job, characters. */
export const DESCRIPTION_LENGTH_MAX = 256

/** Longest name of a bucket in an order with its provider and namespace, characters. */
const BUCKET_TEXT_LENGTH_MAX = 256

/** Formats that begin with `forebay-` are notes for programs that make requests: code is what checks. */
const closed = { additionalProperties: false } as const

/** A bucket as an order names it: `provider://name`, or in parts as AIStore writes it. */
export const BUCKET_NAME_SCHEMA = Type.Union(
  [
    Type.String({ minLength: 1, maxLength: BUCKET_TEXT_LENGTH_MAX, format: 'forebay-bucket' }),
    Type.Object(
      {
        name: Type.String({
          minLength: 1,
          maxLength: BUCKET_TEXT_LENGTH_MAX,
          format: 'forebay-bucket-name',
        }),
        provider: Type.Optional(
          Type.String({ format: 'forebay-provider', description: 'ais, aws, gcp or azure.' }),
        ),
        namespace: Type.Optional(
          Type.Object(
            { uuid: Type.Optional(Type.String()), name: Type.Optional(Type.String()) },
            closed,
          ),
        ),
      },
      closed,
    ),
  ],
  { description: '`provider://name`, or {name, provider, namespace}.' },
)

export const LIMITS_SCHEMA = Type.Object(
  {
    concurrency: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1024, description: 'Items at once on one node.' }),
    ),
    itemsPerSecond: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1e9,
        description: 'Items begun in a second, on all nodes together.',
      }),
    ),
    bytesPerSecond: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 1e15,
        description: 'Bytes moved in a second, on all nodes together.',
      }),
    ),
    failuresMax: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1e12,
        description: 'The job ends when more items than this failed.',
      }),
    ),
  },
  { ...closed, description: "Bounds besides the node's own." },
)

/** What is asked for in an order besides the kind and its arguments. */
export const ORDER_PARTS = {
  bucket: Type.Optional(BUCKET_NAME_SCHEMA),
  description: Type.Optional(
    Type.String({ maxLength: DESCRIPTION_LENGTH_MAX, description: 'For people.' }),
  ),
  priority: Type.Optional(
    Type.Enum(['low', 'normal', 'high'], { description: 'Which jobs go first; normal.' }),
  ),
  limits: Type.Optional(LIMITS_SCHEMA),
} as const

/** An order of a job before its kind is known: the arguments are checked by the kind's own schema. */
export const ORDER_SCHEMA = Type.Object(
  {
    kind: Type.String({ minLength: 1, maxLength: 64 }),
    args: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    ...ORDER_PARTS,
  },
  closed,
)

export type WantedOrder = Static<typeof ORDER_SCHEMA>

/** A schedule as a user states it. */
export const SCHEDULE_SCHEMA = Type.Object(
  {
    cron: Type.String({
      minLength: 1,
      maxLength: 256,
      format: 'forebay-cron',
      description: 'Five fields of cron, or six that begin with seconds.',
    }),
    timeZone: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        format: 'forebay-time-zone',
        description: 'IANA name; UTC by default.',
      }),
    ),
    order: ORDER_SCHEMA,
  },
  closed,
)
