import { viaHeader } from '@forebay/backend-port/via'
import { openAgent } from '@forebay/backend-transport/agent'
import { classifyNetworkError } from '@forebay/backend-transport/classify'
import type { Headers } from '@forebay/backend-transport/conditional-headers'
import { exchange, type WireAnswer, type WireRequest } from '@forebay/backend-transport/exchange'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Agent } from 'undici'
import { type Authorizer, openAuthorizer } from './authorize.ts'
import { type AzureAddress, type AzureOptions, resolveAddress } from './azure-options.ts'
import { ListMarks } from './list-marks.ts'

/** Version of the REST API that is spoken; all that is used here is older. */
const API_VERSION = '2021-12-02'

/** Connections, credentials and addresses of one account; shared by the backends of its containers. */
export interface Connection {
  readonly address: AzureAddress
  readonly authorizer: Authorizer
  readonly agent: Agent
  readonly nodeId: string
  readonly clock: Clock
  readonly singlePutBytesMax: number
  readonly blockBytes: number
  readonly listMarks: ListMarks
}

/** Where an object lies. */
export interface Place {
  readonly connection: Connection
  /** The container. */
  readonly bucket: string
}

/** Where the vendor's SDK goes over from one request to blocks, too. */
const SINGLE_PUT_BYTES_MAX = 256 * 1024 ** 2
const BLOCK_BYTES = 64 * 1024 ** 2

/** Opens nothing yet; connections come with the first request. */
export function openConnection(options: AzureOptions): Connection {
  const { nodeId, clock, ca, guard } = options
  const address = resolveAddress(options)
  return {
    address,
    authorizer: openAuthorizer(address, clock),
    agent: openAgent({ connectTimeoutMs: options.connectTimeoutMs ?? 5000, ca, guard }),
    nodeId,
    clock,
    singlePutBytesMax: options.singlePutBytesMax ?? SINGLE_PUT_BYTES_MAX,
    blockBytes: options.blockBytes ?? BLOCK_BYTES,
    listMarks: new ListMarks(),
  }
}

/** One request, before it is authorised. */
export interface AzureRequest {
  readonly method: WireRequest['method']
  /** Encoded path and query below the account. */
  readonly target: string
  /** Lower-case names. */
  readonly headers?: Headers
  readonly upload?: WireRequest['upload']
  /** The request in messages. */
  readonly what: string
  readonly signal: AbortSignal
}

/**
 * Authorises the request and sends it; any answer is an answer.
 *
 * @throws Failure `backend-unreachable` | `backend-timeout` | `backend-denied` (no credentials), the
 * signal's reason, or what the source of an upload threw
 */
export async function sendRequest(
  connection: Connection,
  request: AzureRequest,
): Promise<WireAnswer> {
  const { method, upload, signal, what } = request
  const { address, agent, authorizer, nodeId } = connection
  const classify = (error: unknown): unknown => classifyNetworkError(error, what, signal)
  try {
    signal.throwIfAborted()
    const target = `${address.basePath}${request.target}`
    const headers = {
      // A proxy that compresses on the way would break ranges and lengths.
      'accept-encoding': 'identity',
      ...request.headers,
      ...viaHeader(nodeId),
      'x-ms-version': API_VERSION,
      ...(upload === undefined
        ? emptyBody(method)
        : { 'content-length': String(upload.wireBytes) }),
    }
    const proof = await authorizer.authorize({ method, target, headers }, { what, signal })
    return await exchange(agent, {
      method,
      origin: address.origin,
      target: proof.target,
      headers: { ...headers, ...proof.headers },
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

/** A PUT must say that it has no body. */
function emptyBody(method: string): Headers {
  return method === 'PUT' || method === 'POST' ? { 'content-length': '0' } : {}
}

/** Path of an object below the account. */
export function objectPath(bucket: string, key: string): string {
  checkKey(bucket, key)
  return `${containerPath(bucket)}/${key.split('/').map(encodeURIComponent).join('/')}`
}

export function containerPath(bucket: string): string {
  return `/${encodeURIComponent(bucket)}`
}

/**
 * Keys that would come to another name on the way: URLs have no segments `.` and `..`, and the
 * service takes `\` for `/`.
 *
 * @throws Failure `backend-refused`
 */
function checkKey(bucket: string, key: string): void {
  if (!key.includes('\\') && !/(^|\/)\.\.?(\/|$)/.test(key)) return
  throw new Failure('backend-refused', `az://${bucket} cannot hold the key "${key}"`, {
    hint: 'Azure has no names with a backslash, or with "." or ".." between slashes',
  })
}

/** A request in messages: `GET az://container/key`. */
export function describe(verb: string, bucket: string, key?: string): string {
  return key === undefined ? `${verb} az://${bucket}` : `${verb} az://${bucket}/${key}`
}
