import { viaHeader } from '@forebay/backend-port/via'
import type { AddressGuard } from '@forebay/backend-transport/address-guard'
import { openAgent } from '@forebay/backend-transport/agent'
import { classifyNetworkError } from '@forebay/backend-transport/classify'
import { type Headers, present } from '@forebay/backend-transport/conditional-headers'
import { exchange, type WireAnswer } from '@forebay/backend-transport/exchange'
import { UploadStream } from '@forebay/backend-transport/upload-stream'
import { encodeComponent, encodePath } from '@forebay/s3/sigv4/canonical'
import type { Agent } from 'undici'
import { type AccessTokens, type GcsCredentials, openAccessTokens } from './access-tokens.ts'

/** How Google Cloud Storage is reached. */
export interface GcsOptions {
  /** `http(s)://host[:port]`; absent: Google Cloud Storage itself. */
  readonly endpoint?: string | undefined
  /**
   * True for an endpoint that a user named, not the operator. Whoever sees a token can use it, so
   * requests to such an endpoint are anonymous unless it is Google's own.
   */
  readonly foreignEndpoint?: boolean | undefined
  /** Default: the vendor's chain; anonymous at an `http` endpoint, where all could read the token. */
  readonly credentials?: GcsCredentials | undefined
  /** Project whose buckets are listed. Default: that of the credentials. */
  readonly projectId?: string | undefined
  /** Project that pays for requests to buckets whose requester pays. */
  readonly userProject?: string | undefined
  /** Stands in `Forebay-Via` of every request, so that a loop is seen. */
  readonly nodeId: string
  /** Milliseconds a connection may take to open. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined
  /** Decides which addresses an endpoint may have; absent: all. */
  readonly guard?: AddressGuard | undefined
}

/** Connections, credentials and address of one account; shared by the backends of its buckets. */
export interface Connection {
  readonly agent: Agent
  readonly tokens: AccessTokens
  /** Scheme, host and port. */
  readonly origin: string
  readonly basePath: string
  readonly projectId: string | undefined
  readonly headers: Headers
}

/** Where an object lies. */
export interface Place {
  readonly connection: Connection
  readonly bucket: string
}

const GOOGLE = 'https://storage.googleapis.com'

/**
 * Opens nothing yet; connections come with the first request.
 *
 * The endpoint is ours alone to state: `STORAGE_EMULATOR_HOST` in the environment, which sends
 * Google's own clients elsewhere, is never looked at.
 */
export function openConnection(options: GcsOptions): Connection {
  const endpoint = new URL(options.endpoint ?? GOOGLE)
  const { userProject, projectId, ca, guard, connectTimeoutMs = 5000 } = options
  return {
    agent: openAgent({ connectTimeoutMs, ca, guard }),
    tokens: openAccessTokens(credentialsFor(endpoint, options)),
    origin: endpoint.origin,
    basePath: endpoint.pathname.replace(/\/$/, ''),
    projectId,
    headers: { ...viaHeader(options.nodeId), ...present({ 'x-goog-user-project': userProject }) },
  }
}

const GOOGLE_HOST = /(?:^|\.)googleapis\.com$/

function credentialsFor({ protocol, hostname }: URL, options: GcsOptions): GcsCredentials {
  const isGoogle = protocol === 'https:' && GOOGLE_HOST.test(hostname)
  if (options.foreignEndpoint === true && !isGoogle) return 'anonymous'
  return options.credentials ?? (protocol === 'http:' ? 'anonymous' : 'chain')
}

/** One request, before it has credentials. */
export interface GcsRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  /** Encoded, below the endpoint. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>> | undefined
  /** Lower-case names. */
  readonly headers?: Headers
  readonly upload?: UploadStream | undefined
  readonly signal: AbortSignal
  /** The request in messages: `GET gs://bucket/key`. */
  readonly what: string
}

/**
 * Sends the request with the account's credentials; any answer is an answer.
 *
 * @throws Failure `backend-unreachable` | `backend-timeout` | `backend-denied` (no credentials), the
 * signal's reason, or what the source of an upload threw
 */
export async function sendRequest(
  connection: Connection,
  request: GcsRequest,
): Promise<WireAnswer> {
  const { method, upload, signal, what } = request
  const classify = (error: unknown): unknown => classifyNetworkError(error, what, signal)
  const authorization = await connection.tokens.authorization(what, signal)
  const query = request.query === undefined ? '' : encodeQuery(request.query)
  const path = `${connection.basePath}${request.path}`
  try {
    return await exchange(connection.agent, {
      method,
      origin: connection.origin,
      target: query === '' ? path : `${path}?${query}`,
      headers: {
        // Documents stay plain; who reads objects asks otherwise.
        'accept-encoding': 'identity',
        ...connection.headers,
        ...(authorization === undefined ? {} : { authorization }),
        ...request.headers,
        ...(upload === undefined ? {} : { 'content-length': String(upload.wireBytes) }),
      },
      upload,
      signal,
      keepAfterHead: true,
      classify,
    })
  } catch (error) {
    if (upload?.failure !== undefined) throw upload.failure.error
    throw classify(error)
  }
}

function encodeQuery(query: NonNullable<GcsRequest['query']>): string {
  return Object.entries(query)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeComponent(value)}`]))
    .join('&')
}

/** A component that what stands on the way may take for a step in a tree (RFC 3986 §5.2.4). */
const DOT_COMPONENT = /(?:^|\/)\.{1,2}(?:\/|$)/

/**
 * Path of an object in the XML API: its answers carry the metadata, those of the JSON API do not.
 * `a/../b` is a key like any other and goes as one component, so that nobody makes `b` of it.
 */
export function objectPath(bucket: string, key: string): string {
  const path = DOT_COMPONENT.test(key) ? encodeComponent(key) : encodePath(key)
  return `/${encodeComponent(bucket)}/${path}`
}

/** Path of a bucket, or of an object in it, in the JSON API. */
export function resourcePath(bucket: string, key?: string): string {
  const path = `/storage/v1/b/${encodeComponent(bucket)}`
  return key === undefined ? path : `${path}/o/${encodeComponent(key)}`
}

/** A document to send, as JSON. */
export function jsonUpload(value: unknown): UploadStream {
  const bytes = Buffer.from(JSON.stringify(value))
  return new UploadStream(
    {
      lengthBytes: bytes.length,
      repeatable: true,
      async *chunks() {
        if (bytes.length > 0) yield bytes
      },
    },
    'plain',
  )
}

/** A request about an object in messages: `GET gs://bucket/key`. */
export function describe(verb: string, bucket: string, key?: string): string {
  return `${verb} gs://${bucket}${key === undefined ? '' : `/${key}`}`
}
