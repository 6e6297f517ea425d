import { type BucketAddress, formatObjectUrl, parseObjectUrl } from '@forebay/client/address'
import type { BucketInventory, BucketSummary } from '@forebay/client/buckets'
import { ForebayError } from '@forebay/client/forebay-error'
import { PROPERTY_LIST, parseProperties } from '@forebay/model/property-list'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { countText } from '../jobs/job-text.ts'
import { formatPairs, formatTable } from '../output/table.ts'
import { shareText, sizeText, spanText, timeText, valueText } from '../output/values.ts'

export interface AddOptions {
  /** Of the bucket that stands for a directory of a web server. */
  readonly name?: string | undefined
  readonly as?: readonly string[] | undefined
  readonly originEndpoint?: string | undefined
  readonly region?: string | undefined
  readonly profile?: string | undefined
  /** Commander's form of `--no-check`. */
  readonly check?: boolean | undefined
}

/**
 * `forebay bucket add s3://name`, `gs://name`, `az://container`: makes a bucket of a store known;
 * `https://host/dir/` with `--name` a directory of a web server.
 */
export async function addBucket(run: Run, url: string, options: AddOptions): Promise<void> {
  if (/^https?:\/\//i.test(url)) return addDirectory(run, url, options)
  const bucket = bucketOf(url)
  if (bucket.provider === undefined || bucket.provider === 'ais') {
    throw usageError(
      `${url} is no bucket of a store`,
      'Write s3://name, gs://name, az://container or https://host/dir/; "forebay bucket create NAME" makes a bucket of Forebay itself.',
    )
  }
  if (options.name !== undefined) {
    throw usageError('--name is for http:// and https:// directories', 'Use --as for other names.')
  }
  try {
    await clientOf(run).buckets.addRemote(bucket, {
      aliases: options.as,
      endpoint: options.originEndpoint,
      region: options.region,
      profile: options.profile,
      unchecked: options.check === false,
      signal: run.context.signal,
    })
  } catch (error) {
    // Its first use through Forebay brings a bucket in as well.
    const { backend, aliases } = await existing(run, bucket, error)
    if (backend === undefined || !isAsAsked({ backend, aliases }, options)) throw error
    done(run, bucket, `there already: ${backendText(backend)}`)
    return
  }
  done(run, bucket, 'added')
}

async function addDirectory(run: Run, url: string, options: AddOptions): Promise<void> {
  if (options.name === undefined) {
    throw usageError(`${url} needs a bucket name`, 'Give it with --name NAME.')
  }
  const bucket = bucketOf(`ais://${options.name}`)
  await clientOf(run).buckets.addDirectory(bucket, {
    url,
    aliases: options.as,
    unchecked: options.check === false,
    signal: run.context.signal,
  })
  done(run, bucket, `added; its objects are those of ${url}`)
}

/** The bucket that is in the way. @throws `error` when it is another failure */
async function existing(run: Run, bucket: BucketAddress, error: unknown): Promise<BucketSummary> {
  if (error instanceof ForebayError && error.code === 'bucket-exists')
    return findBucket(run, bucket)
  throw error
}

/** True when everything that was stated holds of the bucket; what was not stated may be anything. */
function isAsAsked(
  { backend, aliases }: Pick<BucketSummary, 'aliases'> & { readonly backend: object },
  options: AddOptions,
): boolean {
  const has = new Map<string, unknown>(Object.entries(backend))
  const stated = {
    endpoint: options.originEndpoint,
    region: options.region,
    profile: options.profile,
  }
  return (
    Object.entries(stated).every(
      ([name, value]) => value === undefined || has.get(name) === value,
    ) && (options.as ?? []).every((alias) => aliases.includes(alias))
  )
}

/** `forebay bucket create NAME`: makes a native bucket. */
export async function createBucket(run: Run, name: string): Promise<void> {
  const bucket = bucketOf(name.includes('://') ? name : `ais://${name}`)
  if (bucket.provider !== 'ais') {
    throw usageError(`${name} is no native bucket`, 'Write a plain name or ais://name.')
  }
  await clientOf(run).buckets.create(bucket, { signal: run.context.signal })
  done(run, bucket, 'created')
}

/** `forebay bucket ls`. */
export async function listBuckets(run: Run): Promise<void> {
  const buckets = await clientOf(run).buckets.list({ signal: run.context.signal })
  if (run.options.json === true) {
    for (const bucket of buckets) print(run, JSON.stringify(bucketJson(bucket)))
    return
  }
  if (buckets.length === 0) {
    note(
      run,
      'no buckets yet: "forebay bucket create NAME" or "forebay bucket add s3://NAME | gs://NAME | az://NAME"',
    )
    return
  }
  const columns = ['BUCKET', 'ALIASES', 'BACKEND', 'CACHE', 'REVALIDATE', 'CREATED']
  const rows = buckets.map(({ address, aliases, backend, properties, created }) => [
    formatObjectUrl(address),
    aliases.length === 0 ? '-' : aliases.join(', '),
    backend === undefined ? '-' : backendText(backend),
    valueText(properties['cache']),
    backend === undefined ? '-' : valueText(properties['revalidate']),
    timeText(created),
  ])
  for (const line of formatTable(
    columns.map((head) => ({ head })),
    rows,
  )) {
    print(run, line)
  }
}

/** `forebay bucket rm URL`: forgets a bucket of a store; destroys a native one. */
export async function removeBucket(
  run: Run,
  url: string,
  options: { readonly force?: boolean | undefined },
): Promise<void> {
  const client = clientOf(run)
  const { signal } = run.context
  const wanted = bucketOf(url)
  const found = await findBucket(run, wanted)
  if (found.backend !== undefined) {
    await client.buckets.forget(found.address, { signal })
    done(run, found.address, 'forgotten; the store keeps its objects')
    return
  }
  if (options.force !== true) {
    for await (const _object of client.objects.list(found.address, { pageSize: 1, signal })) {
      throw new ForebayError(`${formatObjectUrl(found.address)} is not empty`, {
        code: 'bucket-not-empty',
        status: 409,
        retryable: false,
      })
    }
  }
  await client.buckets.destroy(found.address, { signal })
  done(run, found.address, 'removed')
}

/** `forebay bucket show URL`. */
export async function showBucket(run: Run, url: string): Promise<void> {
  const found = await findBucket(run, bucketOf(url))
  if (run.options.json === true) {
    print(run, JSON.stringify(bucketJson(found)))
    return
  }
  const { backend, aliases, properties } = found
  const pairs: (readonly [string, string])[] = [
    ['bucket', formatObjectUrl(found.address)],
    ['aliases', aliases.length === 0 ? '-' : aliases.join(', ')],
    ['backend', backend === undefined ? 'none: a native bucket' : backendText(backend)],
    ['created', timeText(found.created)],
    ['used', usedText(found)],
    ...Object.entries(properties).map(([name, value]) => [name, valueText(value)] as const),
  ]
  if (backend !== undefined) pairs.push(['last event', eventText(found)])
  pairs.push(...inventoryPairs(found.inventory, Date.now()))
  for (const line of formatPairs(pairs)) print(run, line)
}

/** A bucket that believes events which never come is stale for as long as its longest ttl. */
function eventText({ lastEvent, properties }: BucketSummary): string {
  if (lastEvent !== undefined) return timeText(lastEvent)
  const waits = valueText(properties['revalidate']).startsWith('event')
  return waits ? 'none since the start: see docs/freshness.md' : '-'
}

/** The list that the node keeps of the bucket: how old it is, and when the next one comes. */
function inventoryPairs(
  inventory: BucketInventory | undefined,
  nowMs: number,
): readonly (readonly [string, string])[] {
  if (inventory === undefined) return []
  const { objects, changedKeys, asOf, usable, nextRefresh } = inventory
  const ageSeconds = Math.max(0, (nowMs - Date.parse(asOf)) / 1000)
  const state = usable ? '' : '; not used: it is too old, or too much changed'
  return [
    ['inventory', `${countText(objects)} objects, ${spanText(ageSeconds)} old${state}`],
    ['  as of', timeText(asOf)],
    ['  changed since', `${countText(changedKeys)} keys`],
    ['  next', nextRefresh === undefined ? 'no schedule makes one' : timeText(nextRefresh)],
  ]
}

/** What the bucket takes, with its share of the quota where it has one. */
function usedText({ space, properties }: BucketSummary): string {
  if (space === undefined) return '-'
  const used = `${sizeText(space.usedBytes)} in ${space.objectCount} objects`
  const { quotaBytes } = parseProperties({ quota: properties['quota'] ?? 'none' })
  if (quotaBytes === undefined || !Number.isFinite(quotaBytes)) return used
  return `${used}, ${shareText(space.usedBytes, quotaBytes)} of the quota`
}

/** `forebay bucket set URL name=value...`; `name=` takes one back to its default. */
export async function setBucket(
  run: Run,
  url: string,
  assignments: readonly string[],
): Promise<void> {
  const properties = Object.fromEntries(assignments.map(parseAssignment))
  const bucket = bucketOf(url)
  await clientOf(run).buckets.set(bucket, properties, { signal: run.context.signal })
  done(run, bucket, `set: ${Object.keys(properties).join(', ')}`)
}

/** The properties and their values, for the help text. */
export function propertyHelp(): string {
  const known = Object.values(PROPERTY_LIST)
  const lines = known.map(({ name, allowed, default: fallback, doc }) => [
    `  ${name}: ${doc}`,
    `      allowed: ${allowed}; default: ${fallback}`,
  ])
  return ['Properties:', ...lines.flat()].join('\n')
}

function parseAssignment(text: string): readonly [string, string | readonly string[] | null] {
  const at = text.indexOf('=')
  const name = text.slice(0, at)
  const value = text.slice(at + 1)
  const known = [...Object.values(PROPERTY_LIST).map((property) => property.name), 'aliases']
  if (at < 1 || !known.includes(name)) {
    throw usageError(
      `"${text}" does not set a property`,
      `Write name=value; the names are ${known.join(', ')}.`,
    )
  }
  if (name === 'aliases') return [name, value === '' ? [] : value.split(',')]
  return [name, value === '' ? null : value]
}

/** The bucket as the node knows it, by name or alias. */
export async function findBucket(run: Run, wanted: BucketAddress): Promise<BucketSummary> {
  const buckets = await clientOf(run).buckets.list({ signal: run.context.signal })
  const fits = ({ address }: BucketSummary): boolean =>
    wanted.provider === undefined || address.provider === wanted.provider
  const found =
    buckets.find((bucket) => fits(bucket) && bucket.address.name === wanted.name) ??
    buckets.find((bucket) => fits(bucket) && bucket.aliases.includes(wanted.name))
  if (found !== undefined) return found
  throw new ForebayError(`there is no bucket ${formatObjectUrl(wanted)}`, {
    code: 'bucket-not-found',
    status: 404,
    retryable: false,
  })
}

/** Reads a bucket URL; a plain name means whichever bucket has it. */
export function bucketOf(text: string): BucketAddress {
  const { bucket, key } = parseObjectUrl(text.includes('://') ? text : `fb://${text}`)
  if (key !== '') throw usageError(`${text} names an object, not a bucket`)
  return bucket
}

/** How the buckets of a provider are written; directories of web servers are URLs already. */
const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['aws', 's3://'],
  ['gcp', 'gs://'],
  ['azure', 'az://'],
])

function backendText(backend: Readonly<Record<string, unknown>>): string {
  const { provider, bucket, endpoint, region } = backend
  const place = endpoint ?? region
  const scheme = SCHEMES.get(valueText(provider)) ?? ''
  return `${scheme}${valueText(bucket)}${place === undefined ? '' : ` at ${valueText(place)}`}`
}

function bucketJson(bucket: BucketSummary): object {
  const { address, ...rest } = bucket
  return { url: formatObjectUrl(address), ...address, ...rest }
}

function done(run: Run, bucket: BucketAddress, what: string): void {
  const url = formatObjectUrl(bucket)
  if (run.options.json === true) print(run, JSON.stringify({ url, done: what }))
  else note(run, `${url}: ${what}`)
}
