import type { BucketAddress } from './address.ts'
import { Answer, answersOf, required } from './answer.ts'
import type { Transport } from './transport.ts'

interface Call {
  readonly signal?: AbortSignal | undefined
}

/** What a bucket that stands for one of a store may state. */
export interface RemoteOptions extends Call {
  /** Other names under which clients find it. */
  readonly aliases?: readonly string[] | undefined
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly profile?: string | undefined
  /** Do not ask the store whether the bucket is there. */
  readonly unchecked?: boolean | undefined
}

/** A bucket as Forebay lists it. */
export interface BucketSummary {
  readonly address: BucketAddress
  /** Not told by other servers. */
  readonly created?: string | undefined
  readonly aliases: readonly string[]
  /** The bucket at the store behind it, where there is one. */
  readonly backend?: Readonly<Record<string, unknown>> | undefined
  readonly properties: Readonly<Record<string, unknown>>
  /** What it takes on the node; not told by other servers. */
  readonly space?: BucketSpace | undefined
  /** When the last event of the store came, since the node started. */
  readonly lastEvent?: string | undefined
  /** The list of it that the node keeps, where it keeps one. */
  readonly inventory?: BucketInventory | undefined
}

/** A list of a bucket that a node keeps on its disk. Times are ISO 8601. */
export interface BucketInventory {
  readonly objects: number
  /** Keys that changed since. */
  readonly changedKeys: number
  readonly asOf: string
  /** False: it is too old, or too much changed, so the store is asked. */
  readonly usable: boolean
  /** When a schedule makes the next one. */
  readonly nextRefresh?: string | undefined
}

/** What a bucket takes on a node. */
export interface BucketSpace {
  readonly objectCount: number
  readonly usedBytes: number
  readonly reservedBytes: number
}

/** A property that a bucket can have. */
export interface DescribedProperty {
  readonly name: string
  readonly allowed: string
  /** In words: it may depend on the bucket. */
  readonly default: string
  readonly doc: string
}

/** Operations on buckets. */
export class Buckets {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Every bucket that the caller may read, with its properties. */
  async list(call: Call = {}): Promise<readonly BucketSummary[]> {
    const answer = await this.#transport.json({
      method: 'GET',
      path: ['v1', 'forebay', 'buckets'],
      signal: call.signal,
    })
    return answersOf(answer).map(summaryOf)
  }

  /** What properties a bucket can have. */
  async describeProperties(call: Call = {}): Promise<readonly DescribedProperty[]> {
    const answer = await this.#transport.json({
      method: 'GET',
      path: ['v1', 'forebay', 'properties'],
      signal: call.signal,
    })
    return answersOf(answer).map((property) => ({
      name: required(property.text('name'), 'name of a property'),
      allowed: property.text('allowed') ?? '',
      default: property.text('default') ?? '',
      doc: property.text('doc') ?? '',
    }))
  }

  /** Makes a native bucket. */
  async create(bucket: BucketAddress, call: Call = {}): Promise<void> {
    await this.#act('POST', { bucket, action: 'create-bck', value: null, signal: call.signal })
  }

  /** Makes a bucket of a store known. */
  async addRemote(bucket: BucketAddress, options: RemoteOptions = {}): Promise<void> {
    const { aliases, endpoint, region, profile } = options
    await this.#act('POST', {
      bucket,
      action: 'create-bck',
      value: {
        // The form that AIStore knows too, as far as it has one.
        ...(bucket.provider === 'aws'
          ? { extra: { aws: { cloud_region: region, endpoint, profile } } }
          : {}),
        forebay: {
          ...(aliases === undefined ? {} : { aliases }),
          ...(bucket.provider === 'aws' ? {} : { backend: { endpoint, region, profile } }),
        },
      },
      query: options.unchecked === true ? { dont_head_remote_bck: 'true' } : {},
      signal: options.signal,
    })
  }

  /** Makes a directory of a web server known as a bucket that can only be read. */
  async addDirectory(
    bucket: BucketAddress,
    options: Pick<RemoteOptions, 'aliases' | 'unchecked' | 'signal'> & { readonly url: string },
  ): Promise<void> {
    const { aliases, url } = options
    const backend = { provider: 'http', bucket: url }
    await this.#act('POST', {
      bucket,
      action: 'create-bck',
      value: { forebay: { backend, ...(aliases === undefined ? {} : { aliases }) } },
      query: options.unchecked === true ? { dont_head_remote_bck: 'true' } : {},
      signal: options.signal,
    })
  }

  /** The whole property tree, AIStore's and below `forebay` Forebay's own. */
  async properties(bucket: BucketAddress, call: Call = {}): Promise<Answer> {
    const headers = await this.#transport.empty({
      method: 'HEAD',
      path: ['v1', 'buckets', bucket.name],
      query: { provider: bucket.provider, dont_add_remote_bck_md: 'true' },
      signal: call.signal,
    })
    const text = required(headers.get('ais-bucket-props') ?? undefined, 'header Ais-Bucket-Props')
    return new Answer(JSON.parse(text))
  }

  /** Sets Forebay's own properties; those not named stay. */
  async set(
    bucket: BucketAddress,
    properties: Readonly<Record<string, unknown>>,
    call: Call = {},
  ): Promise<void> {
    await this.#act('PATCH', {
      bucket,
      action: 'set-bprops',
      value: { forebay: properties },
      signal: call.signal,
    })
  }

  /** Takes every property back to its default. */
  async reset(bucket: BucketAddress, call: Call = {}): Promise<void> {
    await this.#act('PATCH', { bucket, action: 'reset-bprops', value: null, signal: call.signal })
  }

  /** Destroys a native bucket with every object in it. */
  async destroy(bucket: BucketAddress, call: Call = {}): Promise<void> {
    await this.#act('DELETE', { bucket, action: 'destroy-bck', value: null, signal: call.signal })
  }

  /** Forgets a bucket of a store and drops its cached objects; the store keeps everything. */
  async forget(bucket: BucketAddress, call: Call = {}): Promise<void> {
    await this.#act('DELETE', {
      bucket,
      action: 'evict-remote-bck',
      value: null,
      signal: call.signal,
    })
  }

  async #act(
    method: string,
    request: {
      readonly bucket: BucketAddress
      readonly action: string
      readonly value: unknown
      readonly query?: Readonly<Record<string, string>>
      readonly signal: AbortSignal | undefined
    },
  ): Promise<void> {
    const { bucket, action, value, query, signal } = request
    await this.#transport.empty({
      method,
      path: ['v1', 'buckets', bucket.name],
      query: { provider: bucket.provider, ...query },
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action, name: '', value }),
      signal,
    })
  }
}

function summaryOf(answer: Answer): BucketSummary {
  const backend = answer.nested('backend').entries()
  return {
    address: {
      name: required(answer.text('name'), 'bucket name'),
      provider: providerOf(answer.text('provider')),
    },
    created: answer.text('created'),
    aliases: answer.texts('aliases'),
    backend: backend.length === 0 ? undefined : Object.fromEntries(backend),
    properties: Object.fromEntries(answer.nested('properties').entries()),
    space: spaceOf(answer.nested('space')),
    lastEvent: answer.text('lastEvent'),
    inventory: inventoryOf(answer.nested('inventory')),
  }
}

function inventoryOf(answer: Answer): BucketInventory | undefined {
  const asOf = answer.text('asOf')
  if (asOf === undefined) return undefined
  return {
    objects: answer.number('objects') ?? 0,
    changedKeys: answer.number('changedKeys') ?? 0,
    asOf,
    usable: answer.flag('usable') ?? false,
    nextRefresh: answer.text('nextRefresh'),
  }
}

function spaceOf(answer: Answer): BucketSpace | undefined {
  const usedBytes = answer.number('usedBytes')
  if (usedBytes === undefined) return undefined
  return {
    objectCount: answer.number('objectCount') ?? 0,
    usedBytes,
    reservedBytes: answer.number('reservedBytes') ?? 0,
  }
}

function providerOf(word: string | undefined): BucketAddress['provider'] {
  return word === 'ais' || word === 'aws' || word === 'gcp' || word === 'azure' ? word : undefined
}
