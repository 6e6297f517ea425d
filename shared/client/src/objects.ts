import type { BucketAddress } from './address.ts'
import { Answer, required } from './answer.ts'
import type { RequestBody, Transport } from './transport.ts'

interface Call {
  readonly signal?: AbortSignal | undefined
}

export interface ObjectAddress {
  readonly bucket: BucketAddress
  readonly key: string
}

/** What HEAD and GET tell of an object. */
export interface ObjectInfo {
  readonly sizeBytes: number
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  readonly version: string | undefined
  /** Type and hexadecimal value, in AIStore's words. */
  readonly checksum: { readonly type: string; readonly value: string } | undefined
  readonly metadata: Readonly<Record<string, string>>
  /** How the answer came about: hit, miss, partial, stale, revalidated or bypass. */
  readonly cache: string | undefined
  readonly ageSeconds: number | undefined
  /** Bytes on the node's disks; HEAD only. */
  readonly cachedBytes: number | undefined
  readonly location: string | undefined
}

export interface GetOptions extends Call {
  /** First and last byte, both counted from 0; without a last one to the end. */
  readonly range?: readonly [first: number, last?: number] | undefined
  /** Ask the backend first, however fresh the copy. */
  readonly latest?: boolean | undefined
}

export interface GetResult {
  readonly info: ObjectInfo
  /** Bytes that `body` will bring. */
  readonly lengthBytes: number
  readonly body: ReadableStream<Uint8Array>
}

export interface ListOptions extends Call {
  readonly prefix?: string | undefined
  /** One level: names behind a `/` are folded into directories. */
  readonly flat?: boolean | undefined
  /** Only what is in the cache. */
  readonly cached?: boolean | undefined
  readonly pageSize?: number | undefined
}

export interface ListedObject {
  readonly key: string
  readonly directory: boolean
  readonly sizeBytes: number
  readonly etag: string | undefined
  /** ISO 8601. */
  readonly lastModified: string | undefined
}

/** What the cache knows about one key. */
export interface Explanation {
  readonly state: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly reasons: readonly string[]
}

const FLAG_CACHED = 1
const FLAG_NO_RECURSION = 2048
const ENTRY_DIRECTORY = 256

/** Everything that `HEAD ?props=` may select and that is shown. */
const HEAD_PROPS = 'name,size,version,checksum,atime,copies,custom,location,etag,last-modified'

/** Operations on objects. */
export class Objects {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The bytes as a stream, and what is known before the first of them. */
  async get(object: ObjectAddress, options: GetOptions = {}): Promise<GetResult> {
    const { range, latest, signal } = options
    const response = await this.#transport.send({
      method: 'GET',
      ...target(object, { 'latest-ver': latest === true ? 'true' : undefined }),
      headers: range === undefined ? {} : { range: `bytes=${range[0]}-${range[1] ?? ''}` },
      signal,
    })
    const lengthBytes = Number(response.headers.get('content-length') ?? 0)
    return {
      info: infoOf(response.headers, lengthBytes),
      lengthBytes,
      body: response.body ?? new Blob([]).stream(),
    }
  }

  /** All the bytes. */
  async bytes(object: ObjectAddress, options: GetOptions = {}): Promise<Uint8Array> {
    const { body } = await this.get(object, options)
    return new Uint8Array(await new Response(body).arrayBuffer())
  }

  /**
   * An address under which a browser or another program gets the bytes, without a key of its own.
   *
   * @param expiresSeconds how long a signed one works, 1..604,800
   */
  async link(object: ObjectAddress, expiresSeconds: number): Promise<string> {
    return (await this.#transport.link(target(object), expiresSeconds)).href
  }

  /** Stores the body; resolves when it is as durable as the bucket promises. */
  async put(object: ObjectAddress, body: RequestBody, call: Call = {}): Promise<void> {
    await this.#transport.empty({ method: 'PUT', ...target(object), body, signal: call.signal })
  }

  async head(object: ObjectAddress, call: Call = {}): Promise<ObjectInfo> {
    const headers = await this.#transport.empty({
      method: 'HEAD',
      ...target(object, { props: HEAD_PROPS }),
      signal: call.signal,
    })
    return infoOf(headers, Number(headers.get('content-length') ?? 0))
  }

  /** @throws ForebayError `object-not-found` when there is none */
  async delete(object: ObjectAddress, call: Call = {}): Promise<void> {
    await this.#transport.empty({ method: 'DELETE', ...target(object), signal: call.signal })
  }

  /** Drops the cached copy. @throws ForebayError `object-not-found` when none is cached */
  async evict(object: ObjectAddress, call: Call = {}): Promise<void> {
    await this.#transport.empty({
      method: 'DELETE',
      ...target(object),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'evict-listrange', name: object.key, value: null }),
      signal: call.signal,
    })
  }

  /** Names in the order of their UTF-8 bytes, fetched page by page as they are used. */
  async *list(bucket: BucketAddress, options: ListOptions = {}): AsyncGenerator<ListedObject> {
    let token: string | undefined
    let uuid: string | undefined
    do {
      const flags =
        (options.cached === true ? FLAG_CACHED : 0) +
        (options.flat === true ? FLAG_NO_RECURSION : 0)
      const page = new Answer(
        await this.#transport.json({
          method: 'GET',
          path: ['v1', 'buckets', bucket.name],
          query: {
            provider: bucket.provider,
            prefix: options.prefix === '' ? undefined : options.prefix,
            props: 'name,size,custom',
            flags: String(flags),
            pagesize: options.pageSize === undefined ? undefined : String(options.pageSize),
            continuation_token: token,
            uuid,
          },
          signal: options.signal,
        }),
      )
      yield* page.list('entries').map(entryOf)
      token = page.text('continuation_token')
      uuid = page.text('uuid')
    } while (token !== undefined && token !== '')
  }

  async explain(object: ObjectAddress, call: Call = {}): Promise<Explanation> {
    const answer = new Answer(
      await this.#transport.json({
        method: 'GET',
        path: ['v1', 'forebay', 'explain'],
        query: {
          bucket: object.bucket.name,
          provider: object.bucket.provider,
          key: object.key,
        },
        signal: call.signal,
      }),
    )
    return {
      state: required(answer.text('state'), 'state'),
      fields: Object.fromEntries(answer.entries()),
      reasons: answer.texts('reasons'),
    }
  }
}

/** Path and query of an object. Names that a URL parser or proxy would rewrite go into the query. */
function target(
  { bucket, key }: ObjectAddress,
  query: Readonly<Record<string, string | undefined>> = {},
): {
  readonly path: readonly string[]
  readonly query: Readonly<Record<string, string | undefined>>
} {
  const elements = key.split('/')
  const isPlain =
    !key.endsWith('/') && !key.startsWith('~/') && !elements.some((part) => /^\.{0,2}$/.test(part))
  const all = { provider: bucket.provider, ...query }
  return isPlain
    ? { path: ['v1', 'objects', bucket.name, key], query: all }
    : { path: ['v1', 'objects', bucket.name], query: { ...all, key } }
}

function infoOf(headers: Headers, lengthBytes: number): ObjectInfo {
  const get = (name: string): string | undefined => headers.get(name) ?? undefined
  const type = get('ais-checksum-type')
  const value = get('ais-checksum-value')
  const age = get('age')
  const cached = get('forebay-cached-bytes')
  const total = get('content-range')?.split('/')[1]
  return {
    sizeBytes: total === undefined ? lengthBytes : Number(total),
    etag: get('etag')?.replace(/^"(.*)"$/, '$1'),
    lastModified: get('last-modified'),
    version: get('ais-version'),
    checksum: type === undefined || value === undefined ? undefined : { type, value },
    metadata: parseCustom(get('ais-custom-md')),
    cache: get('forebay-cache'),
    ageSeconds: age === undefined ? undefined : Number(age),
    cachedBytes: cached === undefined ? undefined : Number(cached),
    location: get('ais-location'),
  }
}

/** fetch joins repeated headers with ", "; a pair begins where a name and "=" follow. */
function parseCustom(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {}
  const pairs = text.split(/, (?=[^=,\s]+=)/).map((pair): [string, string] => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at), pair.slice(at + 1)]
  })
  return Object.fromEntries(pairs)
}

function entryOf(entry: Answer): ListedObject {
  const custom = /^\[ETag:(\S*) LastModified:(\S*)\]$/.exec(entry.text('custom-md') ?? '')
  const flags = entry.number('flags') ?? 0
  return {
    key: required(entry.text('name'), 'name of a listed object'),
    directory: (flags & ENTRY_DIRECTORY) !== 0,
    sizeBytes: entry.number('size') ?? 0,
    etag: custom?.[1],
    lastModified: custom?.[2],
  }
}
