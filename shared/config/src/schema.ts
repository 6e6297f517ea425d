import { EVENTS_SCHEMA } from './schema-events.ts'
import { JOBS_SCHEMA } from './schema-jobs.ts'
import { mountpathHealth } from './schema-mountpath-health.ts'
import { budgetSchema, priceSchema } from './schema-prices.ts'
import { REDIS_SCHEMA } from './schema-redis.ts'
import { SCRUB_SCHEMA } from './schema-scrub.ts'
import { TRACING_SCHEMA } from './schema-tracing.ts'
import {
  boolean,
  byteRate,
  bytes,
  count,
  duration,
  list,
  number,
  optional,
  path,
  percent,
  record,
  type SettingsOf,
  text,
  url,
  word,
} from './setting.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

const tls = record({
  doc: 'Certificate and key of a TLS listener; TLS 1.2 or later. Read again when the files change.',
  fields: {
    cert: path({ doc: 'PEM file with the certificate and its chain.' }),
    key: path({ doc: 'PEM file with the private key.' }),
  },
  required: ['cert', 'key'],
})

const listener = record({
  doc: 'One address that Forebay answers on.',
  fields: {
    address: text({ default: '127.0.0.1', doc: 'IP address or host name to bind.' }),
    port: count({ min: 0, max: 65_535, default: 8080, doc: 'TCP port; 0 takes a free one.' }),
    tls: optional(tls, 'plain HTTP'),
  },
  required: ['port'],
})

const bucketPattern = text({
  pattern: /^[a-z0-9*?._-]{1,63}$/i,
  allowed: 'a bucket name in which * stands for any characters and ? for one',
  doc: 'Pattern of bucket names.',
})

const user = record({
  doc: 'A user and one pair of keys.',
  fields: {
    id: text({ doc: 'Stands in logs and as the owner in listings.' }),
    displayName: optional(text({ doc: 'Shown to S3 clients as the display name.' }), 'the id'),
    accessKey: text({
      pattern: /^[\w+=,.@-]{3,128}$/,
      allowed: '3..128 letters, digits and _ + = , . @ -',
      doc: 'Access key id of S3 requests.',
    }),
    secretKey: text({
      pattern: /^.{8,256}$/,
      allowed: '8..256 characters',
      secret: true,
      doc: 'Secret key that signs requests.',
    }),
    policy: word({
      words: ['readonly', 'readwrite', 'admin'],
      default: 'readonly',
      doc: 'What the user may do; `admin` may also manage buckets and the node.',
    }),
    buckets: list({
      of: bucketPattern,
      max: 1000,
      default: ['*'],
      doc: 'Buckets that the user may use.',
    }),
  },
  required: ['id', 'accessKey', 'secretKey', 'policy'],
})

/**
 * Every setting of a node: type, unit, default, limits and what it is for. The type `Settings`, the
 * environment's names, the checks, `forebay config show` and the reference all come from this table.
 */
export const SCHEMA = {
  listen: list({
    of: listener,
    max: 16,
    default: [{ address: '127.0.0.1', port: 8080, tls: undefined }],
    doc: 'Addresses that Forebay answers on. The flag --port sets the port of the first.',
  }),
  dataDir: path({
    doc: 'Directory of what the node itself keeps: identity, bucket table. The flag --data sets it.',
    defaultDoc: '$XDG_STATE_HOME/forebay, else ~/.local/state/forebay',
  }),
  mountpaths: list({
    of: path({ doc: 'A directory.' }),
    max: 64,
    doc: 'Directories that hold objects, one per disk. The flag --mountpath, repeatable, sets them.',
    defaultDoc: '<dataDir>/mountpath',
  }),
  mountpathHealth,
  auth: {
    mode: word({
      words: ['open', 'users'],
      default: 'open',
      defaultDoc: 'users when auth.users is set, else open',
      doc: 'Who may use the node: `open` everybody, only while all listeners are on loopback; `users` those listed.',
    }),
    users: list({ of: user, max: 1000, doc: 'Users and their keys.' }),
    insecure: boolean({
      default: false,
      doc: 'Allow open mode on addresses that other machines reach. The flag --insecure sets it.',
    }),
  },
  s3: {
    region: text({
      default: 'us-east-1',
      pattern: /^[a-z0-9-]{1,64}$/,
      allowed: 'lower-case letters, digits and -',
      doc: 'Region that S3 clients sign for and that GetBucketLocation answers.',
    }),
    baseDomains: list({
      of: text({
        pattern: /^[a-z0-9.-]{1,253}$/i,
        allowed: 'a host name without port',
        doc: 'A domain.',
      }),
      max: 64,
      doc: 'Domains below which `<bucket>.<domain>` names a bucket (virtual-host style).',
    }),
    allowUnsignedPayload: boolean({
      default: true,
      doc: 'Accept UNSIGNED-PAYLOAD on connections without TLS too.',
    }),
    allowSignatureV2: boolean({
      default: true,
      doc: 'Accept signatures of version 2 at the S3 door: boto3 makes them in URLs and forms by default. They cover no body, so allowUnsignedPayload=false refuses them too.',
    }),
    signatureAgeMax: optional(
      duration({
        default: 0,
        min: 1000,
        max: 7 * 24 * HOUR_MS,
        doc: 'How old the signature of a presigned URL or of a form may be, however long it was made to last. Signatures of version 2 do not state their age: with this they are refused.',
      }),
      'no limit',
    ),
    portableKeys: boolean({
      default: false,
      doc: 'Refuse new objects, by whatever door, whose keys are no paths of a file system: with a segment that is empty, `.`, `..` or longer than 255 bytes. A `/` at the end is allowed. What is there already stays.',
    }),
  },
  buckets: {
    lookup: list({
      of: word({ words: ['aws', 'gcp', 'azure'], default: 'aws', doc: 'A provider.' }),
      max: 8,
      default: ['aws'],
      doc: 'Providers that are asked, in this order, for a bucket that the bucket table does not have.',
    }),
    allow: list({
      of: bucketPattern,
      max: 1000,
      doc: 'With users: buckets that anybody may bring in by naming them. An admin may bring in any.',
    }),
    negativeTtl: duration({
      default: 10_000,
      max: HOUR_MS,
      doc: 'How long it is remembered that no provider has a bucket.',
    }),
    negativeMax: count({
      min: 0,
      max: 1_000_000,
      default: 10_000,
      doc: 'Absent bucket names remembered at once.',
    }),
  },
  backends: {
    aws: {
      endpoint: optional(url({ doc: 'S3 endpoint.' }), 'AWS, by region'),
      region: optional(
        text({ pattern: /^[a-z0-9-]{1,64}$/, doc: 'Region to sign for.' }),
        "the vendor's chain, else us-east-1",
      ),
      forcePathStyle: optional(
        boolean({ default: false, doc: 'Name the bucket in the path instead of the host name.' }),
        'true when backends.aws.endpoint is set',
      ),
      uploadFraming: word({
        words: ['framed', 'plain'],
        default: 'framed',
        doc: 'How bodies are sent: `framed` (aws-chunked with a checksum) cannot be cut unnoticed; `plain` for stores that do not know it.',
      }),
      profile: optional(
        text({ doc: "Profile of the vendor's credential files." }),
        "the vendor's chain",
      ),
      price: priceSchema('aws'),
      budget: budgetSchema(),
    },
    gcp: {
      endpoint: optional(url({ doc: 'Endpoint of the JSON API.' }), 'Google Cloud Storage'),
      credentialsFile: optional(
        path({ doc: 'Key file of a service account.' }),
        "the vendor's chain",
      ),
      anonymous: boolean({ default: false, doc: 'Send no credentials: public buckets only.' }),
      userProject: optional(
        text({ doc: 'Project that pays for requests to buckets whose requester pays.' }),
        'the owner of the bucket pays',
      ),
      price: priceSchema('gcp'),
      budget: budgetSchema(),
    },
    azure: {
      account: optional(
        text({ pattern: /^[a-z0-9]{3,24}$/, doc: 'Storage account.' }),
        'AZURE_STORAGE_ACCOUNT',
      ),
      endpoint: optional(
        url({ doc: 'Endpoint of the blob service.' }),
        'that of the account in Azure',
      ),
      key: optional(
        text({ secret: true, doc: 'Key of the storage account.' }),
        "AZURE_STORAGE_KEY, else the vendor's chain",
      ),
      sasToken: optional(
        text({ secret: true, doc: 'Shared access signature, instead of a key.' }),
        'AZURE_STORAGE_SAS_TOKEN',
      ),
      connectionString: optional(
        text({
          secret: true,
          doc: 'Account, endpoint and key or signature in one, as the portal shows it; the other settings come before it.',
        }),
        'AZURE_STORAGE_CONNECTION_STRING',
      ),
      anonymous: boolean({ default: false, doc: 'Send no credentials: public containers only.' }),
      price: priceSchema('azure'),
      budget: budgetSchema(),
    },
    http: {
      allow: list({
        of: text({
          pattern: /^[A-Za-z0-9.:*/-]{1,255}$/,
          allowed: 'a host name, an address or a CIDR range',
          doc: 'A host or network.',
        }),
        max: 1000,
        doc: 'Hosts, addresses and CIDR ranges that are not public and may be read all the same.',
      }),
    },
    limits: {
      concurrency: count({
        min: 1,
        max: 10_000,
        default: 256,
        doc: 'Requests in flight at one backend; more wait.',
      }),
      queueMax: count({
        min: 0,
        max: 1_000_000,
        default: 10_000,
        doc: 'Requests that wait for their turn at one backend; more are refused.',
      }),
      connectTimeout: duration({
        default: 5000,
        min: 10,
        max: 5 * MINUTE_MS,
        doc: 'Longest wait for a connection to a backend.',
      }),
      progressTimeout: duration({
        default: 30_000,
        min: 10,
        max: HOUR_MS,
        doc: 'Longest wait for the next byte or step of a backend; a slow but moving transfer has no limit.',
      }),
      retryAttempts: count({
        min: 1,
        max: 10,
        default: 3,
        doc: 'Attempts of one request, the first included.',
      }),
      retryBudget: number({
        min: 0,
        max: 1,
        default: 0.1,
        doc: 'Retries allowed as a share of requests, so that an outage is not multiplied.',
      }),
      requestsPerSecond: count({
        min: 0,
        max: 1_000_000,
        default: 0,
        doc: 'Most requests a second to one backend; 0 = no cap.',
      }),
      bytesPerSecond: byteRate({
        default: 0,
        doc: 'Most bytes a second from and to one backend; 0 = no cap.',
      }),
    },
  },
  cold: {
    fillsMax: count({
      min: 1,
      max: 100_000,
      default: 1024,
      doc: 'Objects that are fetched into the cache at the same time; more are read past the cache.',
    }),
    connectionsPerObjectMax: count({
      min: 1,
      max: 64,
      default: 16,
      doc: 'Connections over which one large object is fetched at most; 1 = never in parallel.',
    }),
    whenAbandoned: word({
      words: ['stop', 'finish'],
      default: 'stop',
      doc: 'What becomes of a fetch whose last reader left: `stop` keeps the blocks it has, `finish` goes on.',
    }),
  },
  copy: {
    partsAbove: bytes({
      default: 5 * 1024 ** 3,
      min: 5 * 1024 ** 2,
      max: 5 * 1024 ** 3,
      doc: 'Objects that are larger are copied into stores of the S3 API in parts, several at once; such a store takes 5 GiB in one piece at most.',
    }),
  },
  cache: {
    revalidateTtl: duration({
      default: 5 * MINUTE_MS,
      doc: 'How long an object of a bucket with a backend counts as current, where the bucket does not say.',
    }),
    staleIfError: duration({
      default: 0,
      doc: 'How long after that it may be served while the backend cannot be asked, where the bucket does not say.',
    }),
  },
  events: EVENTS_SCHEMA,
  space: {
    lowWatermark: percent({
      min: 1,
      max: 99,
      default: 75,
      doc: 'Share of a disk down to which eviction frees space.',
    }),
    highWatermark: percent({
      min: 1,
      max: 99,
      default: 90,
      doc: 'Share of a disk from which eviction begins.',
    }),
    outOfSpace: percent({
      min: 1,
      max: 99,
      default: 95,
      doc: 'Share of a disk from which writes are refused.',
    }),
    capacity: optional(
      bytes({ default: 0, min: 16 * 1024 ** 2, doc: 'Bytes that a mountpath may hold.' }),
      'what the file system has',
    ),
  },
  store: {
    indexDir: optional(path({ doc: 'Directory of the index.' }), 'below the first mountpath'),
    syncInterval: duration({
      default: 30_000,
      min: 100,
      max: HOUR_MS,
      doc: 'How often everything is brought to disk for buckets that do not sync each write.',
    }),
  },
  scrub: SCRUB_SCHEMA,
  jobs: JOBS_SCHEMA,
  ...REDIS_SCHEMA,
  datapath: {
    sendfile: word({
      words: ['auto', 'off'],
      default: 'auto',
      doc: 'Send large bodies with sendfile(2) where Node can call it.',
    }),
    openFilesMax: count({
      min: 16,
      max: 1_000_000,
      default: 4096,
      doc: 'Descriptors of objects kept open for the next read; at most a quarter of the limit of open files.',
    }),
  },
  http: {
    headersTimeout: duration({
      default: 30_000,
      min: 100,
      max: HOUR_MS,
      doc: 'Longest time for the request line and headers to arrive.',
    }),
    idleTimeout: duration({
      default: 60_000,
      min: 100,
      max: HOUR_MS,
      doc: 'How long a kept-alive connection may wait for its next request.',
    }),
    readStallTimeout: duration({
      default: 60_000,
      min: 100,
      max: HOUR_MS,
      doc: 'Longest pause of a client that sends a body.',
    }),
    writeStallTimeout: duration({
      default: 60_000,
      min: 100,
      max: HOUR_MS,
      doc: 'Longest pause of a client that reads an answer.',
    }),
    connectionsMax: count({
      min: 1,
      max: 1_000_000,
      default: 10_000,
      doc: 'Connections held at once; more are closed. At most a quarter of the limit of open files.',
    }),
  },
  log: {
    level: word({
      words: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      default: 'info',
      doc: 'Least important line that is written.',
    }),
    access: boolean({ default: false, doc: 'Write one line per request.' }),
    accessFile: optional(path({ doc: 'File of the access log.' }), 'standard output'),
  },
  metrics: {
    token: optional(
      text({
        pattern: /^[\x21-\x7e]{8,256}$/,
        allowed: '8..256 printable characters',
        secret: true,
        doc: 'Bearer token for /metrics when auth.mode is users.',
      }),
      'none: /metrics needs an admin',
    ),
    loopDelayAlarm: duration({
      default: 200,
      min: 1,
      max: MINUTE_MS,
      doc: 'Delay of the event loop (p99 of ten seconds) that is logged as a warning.',
    }),
  },
  tracing: TRACING_SCHEMA,
  shutdown: {
    drainTimeout: duration({
      default: 30_000,
      max: HOUR_MS,
      doc: 'How long requests under way may finish after SIGTERM or Ctrl-C.',
    }),
    closeTimeout: duration({
      default: 30_000,
      min: 100,
      max: HOUR_MS,
      doc: 'How long closing may take after that, e.g. with a disk that hangs; then the process ends as by a crash.',
    }),
  },
} as const

/** What a node runs with: validated, complete, frozen. */
export type Settings = SettingsOf<typeof SCHEMA>

/** One user of `auth.users`. */
export type UserSettings = Settings['auth']['users'][number]

/** One listener of `listen`. */
export type ListenerSettings = Settings['listen'][number]
