import { S3Client } from '@aws-sdk/client-s3'
import { viaHeader } from '@forebay/backend-port/via'
import type { AddressGuard } from '@forebay/backend-transport/address-guard'
import { openAgent } from '@forebay/backend-transport/agent'
import { exchange, type WireAnswer } from '@forebay/backend-transport/exchange'
import type { Framing, UploadStream } from '@forebay/backend-transport/upload-stream'
import type { Clock } from '@forebay/base/clock'
import { encodeComponent, encodePath } from '@forebay/s3/sigv4/canonical'
import { type Credentials, signRequest } from '@forebay/s3/sigv4/sign'
import type { Agent } from 'undici'
import { classifyThrown } from './classify-error.ts'
import { VendorCredentials, vendorChain } from './vendor-credentials.ts'

/** How an account of an object store is reached. */
export interface S3Options {
  /** `http(s)://host[:port]`; absent: Amazon S3 of the region. */
  readonly endpoint?: string | undefined
  readonly region: string
  /** Bucket in the path instead of the host name. Default: true where an endpoint is set. */
  readonly forcePathStyle?: boolean | undefined
  /** Profile of the vendor's files. */
  readonly profile?: string | undefined
  /** Default: the vendor's chain (environment, files, roles). */
  readonly credentials?: Credentials | (() => Promise<Credentials>) | undefined
  /** Stands in `Forebay-Via` of every request, so that a loop is seen. */
  readonly nodeId: string
  readonly clock: Clock
  /** Milliseconds a connection may take to open. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /**
   * How whole objects are uploaded whose digest is not known beforehand. Default `framed`; `plain` is
   * for stores that do not know trailing checksums and are known to refuse a body that was cut.
   */
  readonly uploadFraming?: Framing | undefined
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined
  /** Decides which addresses an endpoint may have; absent: all. */
  readonly guard?: AddressGuard | undefined
}

/** Connections, credentials and addresses of one account; shared by the backends of its buckets. */
export interface Connection {
  readonly sdk: S3Client
  readonly credentials: VendorCredentials
  readonly agent: Agent
  readonly endpoint: URL
  /** The endpoint as the addresses of requests are made of it. */
  readonly base: { readonly scheme: string; readonly host: string; readonly path: string }
  readonly region: string
  readonly pathStyle: boolean
  readonly nodeId: string
  readonly clock: Clock
  readonly uploadFraming: Framing
}

/**
 * Opens nothing yet; connections come with the first request.
 *
 * The endpoint is always stated, so that `AWS_ENDPOINT_URL` in the environment (which may well point
 * at ourselves) is never looked at.
 *
 * @throws Failure `backend-refused` for an endpoint at an address that the guard closes
 */
export function openConnection(
  options: S3Options,
  credentials: VendorCredentials = credentialsOf(options),
): Connection {
  const { region, nodeId, clock } = options
  const endpoint = new URL(options.endpoint ?? amazonEndpoint(region))
  const pathStyle = options.forcePathStyle ?? options.endpoint !== undefined
  const connectTimeoutMs = options.connectTimeoutMs ?? 5000
  const { ca, guard } = options
  // The SDK has agents of its own, which look up names but no addresses.
  guard?.checkHost(endpoint.hostname)
  const agentOptions = guard === undefined ? {} : { lookup: guard.lookup }
  const sdk = new S3Client({
    endpoint: endpoint.href,
    region,
    forcePathStyle: pathStyle,
    // Retries are the wrappers', with one budget for everything.
    maxAttempts: 1,
    // Otherwise every upload is created for CRC32, and parts without one are refused.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      httpAgent: agentOptions,
      httpsAgent: agentOptions,
    },
    // Ended as the SDK sees them: it keeps others for ever, and asks for these at each request.
    credentials: async () => ({ ...(await credentials.get()), expiration: new Date(clock.now()) }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
  })
  sdk.middlewareStack.add(
    (next) => (args) => {
      const { request } = args
      if (isHeaderHolder(request)) Object.assign(request.headers, viaHeader(nodeId))
      return next(args)
    },
    { step: 'build', name: 'forebayVia' },
  )
  const agent = openAgent({ connectTimeoutMs, ca, guard })
  const uploadFraming = options.uploadFraming ?? 'framed'
  const base = {
    scheme: `${endpoint.protocol}//`,
    host: endpoint.host,
    path: endpoint.pathname.replace(/\/$/, ''),
  }
  const place = { endpoint, base, region, pathStyle }
  return { sdk, credentials, agent, ...place, nodeId, clock, uploadFraming }
}

/** The credentials of an account; one for all its regions. */
export function credentialsOf({
  credentials,
  profile,
  region,
  clock,
}: S3Options): VendorCredentials {
  if (credentials === undefined)
    return new VendorCredentials(vendorChain({ profile, region }), clock)
  const source = typeof credentials === 'function' ? credentials : async () => credentials
  return new VendorCredentials(source, clock)
}

function amazonEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

function isHeaderHolder(value: unknown): value is { headers: Record<string, string> } {
  return typeof value === 'object' && value !== null && 'headers' in value
}

/** One request about an object, before it is signed. */
export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT'
  readonly bucket: string
  readonly key: string
  /** At least one field. */
  readonly query?: Readonly<Record<string, string>> | undefined
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly upload?: UploadStream | undefined
  readonly signal: AbortSignal
}

/**
 * Signs the request and sends it; any answer is an answer.
 *
 * @throws Failure `backend-unreachable` | `backend-timeout` | `backend-denied` (no credentials), the
 * signal's reason, or what the source of an upload threw
 */
export async function sendRequest(
  connection: Connection,
  request: ObjectRequest,
): Promise<WireAnswer> {
  const { method, upload, signal } = request
  const classify = (error: unknown): unknown => classifyThrown(error, describe(request), signal)
  try {
    const credentials = await connection.credentials.get()
    const { origin, host, target } = addressOf(connection, request)
    const headers: Record<string, string> = {
      ...request.headers,
      ...viaHeader(connection.nodeId),
      host,
      // A proxy that compresses on the way would break ranges and lengths.
      'accept-encoding': 'identity',
      ...(upload === undefined ? {} : uploadHeaders(upload, request.headers)),
    }
    const { region } = connection
    const date = new Date(connection.clock.now())
    const payload =
      upload?.framing === 'framed' ? 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' : 'UNSIGNED-PAYLOAD'
    const signature = signRequest({ method, target, headers, payload, credentials, region, date })
    return await exchange(connection.agent, {
      method,
      origin,
      target,
      headers: Object.assign(headers, signature),
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

function uploadHeaders(
  upload: UploadStream,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const length = { 'content-length': String(upload.wireBytes) }
  if (upload.framing === 'plain') return length
  return {
    ...length,
    // The store takes it off again. Beside an encoding of the object's own it is left out, because
    // versitygw 1.8.0 stores both; the payload header says all that is needed.
    ...(headers['content-encoding'] === undefined ? { 'content-encoding': 'aws-chunked' } : {}),
    'x-amz-decoded-content-length': String(upload.lengthBytes),
    'x-amz-trailer': 'x-amz-checksum-crc32',
  }
}

/** A request in messages: `GET s3://bucket/key`. */
export function describe(request: Pick<ObjectRequest, 'bucket' | 'key' | 'method'>): string {
  return `${request.method} s3://${request.bucket}/${request.key}`
}

function addressOf(
  connection: Connection,
  request: ObjectRequest,
): { readonly origin: string; readonly host: string; readonly target: string } {
  const { base } = connection
  // Certificates for `*.host` do not cover a name with dots.
  const inPath = connection.pathStyle || request.bucket.includes('.')
  const host = inPath ? base.host : `${request.bucket}.${base.host}`
  const path = `${base.path}${inPath ? `/${request.bucket}` : ''}/${encodePath(request.key)}`
  const origin = `${base.scheme}${host}`
  if (request.query === undefined) return { origin, host, target: path }
  const query = Object.entries(request.query)
    .map(([name, value]) => `${encodeComponent(name)}=${encodeComponent(value)}`)
    .join('&')
  return { origin, host, target: `${path}?${query}` }
}
