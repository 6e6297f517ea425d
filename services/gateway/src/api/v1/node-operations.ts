import { type TSchema, Type } from 'typebox'
import type { ApiOperation } from './api-route.ts'

const text = (description?: string) => Type.String(description === undefined ? {} : { description })
const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const closed = { additionalProperties: false } as const
const PROVIDERS = ['ais', 'aws', 's3', 'gcp', 'gs', 'azure', 'az']
const provider = Type.Optional(Type.Enum(PROVIDERS))
const BUCKET = Type.String({
  pattern: '^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$',
  minLength: 1,
  maxLength: 64,
})

const MOUNTPATH = Type.Object({
  path: text(),
  state: text('enabled, draining, disabled, faulted, and others.'),
  usedBytes: count(),
  capacityBytes: count(),
  objectCount: Type.Optional(count()),
  errorCount: Type.Optional(count('Errors of its disk since the start.')),
  reason: Type.Optional(text('Why it is in this state.')),
})

const STATUS = Type.Object({
  version: text(),
  nodeId: text(),
  clusterId: text(),
  uptimeSeconds: count(),
  ready: Type.Boolean(),
  reasons: Type.Array(text(), { description: 'What is wrong, a sentence each.' }),
  bucketCount: count(),
  objectCount: orNull(count()),
  unsettledCount: count('Keys whose backend is asked before each answer.'),
  mountpaths: Type.Array(MOUNTPATH),
  cache: Type.Record(text(), count(), { description: 'Counters since the start.' }),
})

const BUCKET_PARTS = {
  name: text(),
  provider: text(),
  namespace: Type.Object({ uuid: text(), name: text() }),
}

const INVENTORY_ROW = Type.Object(
  {
    objects: count(),
    bytes: count('Of the objects.'),
    fileBytes: count('Of its files on the node.'),
    changedKeys: count('Keys that changed since.'),
    asOf: Type.String({ format: 'date-time' }),
    usableUntil: Type.String({ format: 'date-time' }),
    usable: Type.Boolean({
      description: 'False: too old, or too much changed; the store is asked.',
    }),
    nextRefresh: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { description: 'The list that is kept on the node, where there is one.' },
)

const BUCKET_ROW = Type.Object({
  ...BUCKET_PARTS,
  created: Type.String({ format: 'date-time' }),
  aliases: Type.Array(text()),
  backend: orNull(Type.Record(text(), Type.Unknown())),
  properties: Type.Record(text(), Type.Unknown()),
  space: Type.Object({ objectCount: count(), usedBytes: count(), reservedBytes: count() }),
  lastEvent: Type.Optional(Type.String({ format: 'date-time' })),
  inventory: Type.Optional(INVENTORY_ROW),
})

const OBJECT_PAGE = Type.Object({
  entries: orNull(Type.Array(Type.Record(text(), Type.Unknown()))),
  continuation_token: text('Empty at the end.'),
})

const SCRUB = Type.Object({
  state: Type.Enum(['running', 'idle']),
  waitsFor: orNull(text('Why a running pass waits just now.')),
  pass: orNull(Type.Record(text(), Type.Unknown())),
  lastWhole: orNull(Type.Record(text(), Type.Unknown())),
  totalObjects: orNull(count()),
  totalBytes: orNull(count()),
  bytesPerSecond: orNull(Type.Number()),
  remainingSeconds: orNull(Type.Number()),
  next: orNull(Type.String({ format: 'date-time' })),
  findings: Type.Optional(Type.Array(Type.Record(text(), Type.Unknown()))),
})

const ACTION = (actions: readonly string[], value: TSchema) =>
  Type.Object({
    action: Type.Enum([...actions]),
    name: Type.Optional(orNull(text())),
    value: Type.Optional(value),
  })

/** Of AIStore's message what is needed; `mime`, `tobck` and the flags go with it. */
const ARCHIVE_BODY = Type.Object({
  action: Type.Enum(['archive']),
  name: Type.Optional(orNull(text())),
  value: Type.Object({
    archname: Type.String({ minLength: 1, maxLength: 1024, format: 'forebay-archive-key' }),
    objnames: Type.Optional(
      Type.Union([Type.Array(Type.String({ minLength: 1 })), Type.Null()], {
        description: 'Absent, null or empty: all objects of the bucket.',
      }),
    ),
  }),
})

const names = { bucket: BUCKET } as const
const done = { 200: { doc: 'Done; no body.' } } as const

/** What the node answers about itself, and its buckets: for the document. */
export const NODE_OPERATIONS: readonly ApiOperation[] = [
  {
    method: 'GET',
    path: '/v1/health',
    tag: 'node',
    summary: 'Whether the node lives; with readiness whether it can serve',
    query: Type.Object(
      { readiness: Type.Optional(text('`true`: 503 until it can serve.')) },
      closed,
    ),
    answers: { 200: { doc: 'It does; no body.' } },
  },
  {
    method: 'GET',
    path: '/v1/forebay/status',
    tag: 'node',
    summary: 'What the node holds and how its cache does',
    answers: { 200: { doc: 'The status.', schema: STATUS } },
  },
  {
    method: 'GET',
    path: '/v1/forebay/config',
    tag: 'node',
    summary: 'Every setting with its origin, secrets redacted',
    answers: {
      200: {
        doc: 'Settings.',
        schema: Type.Array(
          Type.Object({
            key: text(),
            value: Type.Unknown(),
            origin: text(),
            doc: Type.Optional(text()),
          }),
        ),
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/forebay/explain',
    tag: 'node',
    summary: 'What the cache knows about one key',
    query: Type.Object(
      {
        bucket: BUCKET,
        provider,
        key: Type.String({ minLength: 1, maxLength: 1024, format: 'forebay-key' }),
      },
      closed,
    ),
    answers: {
      200: {
        doc: 'What it knows.',
        schema: Type.Object({
          bucket: Type.Object(BUCKET_PARTS),
          key: text(),
          state: Type.Enum(['absent', 'whole', 'partial', 'filling']),
          reasons: Type.Array(text()),
        }),
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/forebay/buckets',
    tag: 'buckets',
    summary: 'Buckets with aliases, backend, properties and space',
    answers: { 200: { doc: 'Buckets.', schema: Type.Array(BUCKET_ROW) } },
  },
  {
    method: 'GET',
    path: '/v1/forebay/properties',
    tag: 'buckets',
    summary: 'What properties a bucket can have',
    answers: {
      200: {
        doc: 'Properties.',
        schema: Type.Array(
          Type.Object({ name: text(), allowed: text(), default: text(), doc: text() }),
        ),
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/forebay/log',
    tag: 'node',
    summary: 'The last lines of the log, oldest first',
    answers: { 200: { doc: 'Lines.', schema: Type.Object({ lines: Type.Array(text()) }) } },
  },
  {
    method: 'GET',
    path: '/v1/forebay/scrub',
    tag: 'node',
    summary: 'How far the reader is that looks for damage',
    query: Type.Object(
      { findings: Type.Optional(text('`true`: with the first of what was found.')) },
      closed,
    ),
    answers: { 200: { doc: 'How far.', schema: SCRUB } },
  },
  {
    method: 'POST',
    path: '/v1/forebay/scrub',
    tag: 'node',
    summary: 'Begins a pass over everything, or over a bucket or prefix',
    query: Type.Object(
      {
        bucket: Type.Optional(BUCKET),
        provider,
        prefix: Type.Optional(text()),
        rate: Type.Optional(
          Type.String({
            pattern: '^([0-9]{1,6}([KMG]i?B|B)?|[0-9]{1,3}Ti?B)$',
            description: 'Bytes a second, with a unit: `20MiB`.',
          }),
        ),
      },
      closed,
    ),
    answers: { 200: { doc: 'How far.', schema: SCRUB } },
  },
  {
    method: 'DELETE',
    path: '/v1/forebay/scrub',
    tag: 'node',
    summary: 'Ends the pass under way',
    answers: { 200: { doc: 'How far.', schema: SCRUB } },
  },
  {
    method: 'GET',
    path: '/v1/buckets',
    tag: 'buckets',
    summary: 'Names of buckets',
    query: Type.Object(
      {
        // Empty as well: AIStore's clients mean all by it.
        provider: Type.Optional(Type.Enum(['', ...PROVIDERS])),
        namespace: Type.Optional(
          Type.String({ pattern: '^(@[A-Za-z0-9_-]{0,32})?(#[A-Za-z0-9_-]{0,64})?$' }),
        ),
      },
      closed,
    ),
    answers: { 200: { doc: 'Buckets.', schema: Type.Array(Type.Object(BUCKET_PARTS)) } },
  },
  {
    method: 'GET',
    path: '/v1/buckets/{bucket}',
    tag: 'buckets',
    summary: 'The first page of the objects of a bucket; the next ones as AIStore has it',
    names,
    query: Type.Object({ provider }, closed),
    answers: { 200: { doc: 'A page.', schema: OBJECT_PAGE } },
  },
  {
    method: 'POST',
    path: '/v1/buckets/{bucket}',
    tag: 'buckets',
    summary: 'Makes a bucket',
    names,
    query: Type.Object({ provider }, closed),
    body: ACTION(['create-bck'], orNull(Type.Record(text(), Type.Unknown()))),
    answers: done,
  },
  {
    method: 'PATCH',
    path: '/v1/buckets/{bucket}',
    tag: 'buckets',
    summary: 'Changes properties, or resets all of them',
    names,
    query: Type.Object({ provider }, closed),
    body: Type.Union([
      ACTION(
        ['set-bprops'],
        orNull(Type.Record(text(), Type.Unknown(), { description: 'Properties by name.' })),
      ),
      ACTION(['reset-bprops'], Type.Unknown()),
    ]),
    answers: done,
  },
  {
    method: 'PUT',
    path: '/v1/buckets/{bucket}',
    tag: 'buckets',
    summary: 'Writes objects into archives, as AIStore has it; a job of the kind archive',
    names,
    query: Type.Object({ provider }, closed),
    body: ARCHIVE_BODY,
    answers: { 200: { doc: 'The id of the job.', contentType: 'text/plain' } },
  },
  {
    method: 'HEAD',
    path: '/v1/buckets/{bucket}',
    tag: 'buckets',
    summary: 'Properties of a bucket, in the header Ais-Bucket-Props',
    names,
    query: Type.Object({ provider }, closed),
    answers: done,
  },
  {
    method: 'DELETE',
    path: '/v1/buckets/{bucket}',
    tag: 'buckets',
    summary: 'Destroys a native bucket, or forgets one of a backend with its cached objects',
    names,
    query: Type.Object({ provider }, closed),
    body: ACTION(['destroy-bck', 'evict-remote-bck'], Type.Unknown()),
    answers: done,
  },
]
