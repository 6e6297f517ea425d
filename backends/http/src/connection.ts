import { viaHeader } from '@forebay/backend-port/via'
import {
  type AddressPolicy,
  createAddressGuard,
  type ResolveHost,
} from '@forebay/backend-transport/address-guard'
import { openAgent } from '@forebay/backend-transport/agent'
import { classifyNetworkError } from '@forebay/backend-transport/classify'
import { exchange, headerOf, type WireAnswer } from '@forebay/backend-transport/exchange'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Agent } from 'undici'
import { describeUrl, isWeb } from './http-source.ts'

/** How web servers are reached. They need no account. */
export interface HttpOptions {
  /** Addresses that may be connected to, at redirects too. */
  readonly allow: AddressPolicy
  /** Stands in `Forebay-Via` of every request, so that a loop is seen. */
  readonly nodeId: string
  readonly clock: Clock
  /** Milliseconds a connection may take to open. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined
  /** Default: the system's. */
  readonly resolve?: ResolveHost | undefined
}

/** Connections to web servers; shared by the backends of all their directories. */
export interface Connection {
  readonly agent: Agent
  readonly nodeId: string
  readonly clock: Clock
}

/** Hops that a request follows; more are a loop or a mistake. */
export const REDIRECTS_MAX = 5

/** Of the body of an answer that is only a status; what is longer ends with its connection, bytes. */
export const NOTICE_BYTES_MAX = 64 * 1024

/** Opens nothing yet; connections come with the first request. */
export function openConnection(options: HttpOptions): Connection {
  const { nodeId, clock, connectTimeoutMs = 5000, ca } = options
  const guard = createAddressGuard(options.allow, options.resolve)
  return { agent: openAgent({ connectTimeoutMs, ca, guard }), nodeId, clock }
}

/** One request, before it is redirected. */
export interface WebRequest {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Sent to the origin of `url` alone: they may hold a secret. Lower-case names. */
  readonly originHeaders?: Readonly<Record<string, string>> | undefined
  readonly signal: AbortSignal
}

/** An answer that is no redirect, and whose it is. */
export interface WebAnswer extends WireAnswer {
  readonly url: URL
  /** True when the server showed that the path is a directory by sending us to it with a slash. */
  readonly isDirectory: boolean
}

/**
 * Sends the request and follows redirects; any other answer is an answer. Each hop meets the checks of
 * the first: scheme, credentials in the URL, address. From https it never goes on to http.
 *
 * @throws Failure `backend-unreachable` | `backend-timeout` | `backend-refused` (an address or a
 *   redirect that is not followed), or the signal's reason
 */
export async function sendRequest(connection: Connection, request: WebRequest): Promise<WebAnswer> {
  let { url } = request
  for (let hops = 0; ; hops++) {
    const own = url.origin === request.url.origin ? request.originHeaders : undefined
    const answer = await sendOnce(connection, {
      ...request,
      url,
      headers: { ...own, ...request.headers },
    })
    const next = redirectOf(answer, url)
    if (next === undefined) return { ...answer, url, isDirectory: false }
    if (!url.pathname.endsWith('/') && next.pathname === `${url.pathname}/`) {
      return { ...answer, url: next, isDirectory: true }
    }
    await skipBody(answer)
    if (hops === REDIRECTS_MAX) {
      const message = `${describe(request)} was redirected more than ${REDIRECTS_MAX} times`
      throw new Failure('backend-refused', message)
    }
    url = next
  }
}

function sendOnce(connection: Connection, request: WebRequest): Promise<WireAnswer> {
  const { method, url, headers, signal } = request
  return exchange(connection.agent, {
    method,
    origin: url.origin,
    target: url.pathname + url.search,
    headers: {
      ...headers,
      ...viaHeader(connection.nodeId),
      host: url.host,
      'user-agent': 'forebay',
      accept: '*/*',
      // What is compressed on the way has other ranges and lengths.
      'accept-encoding': 'identity',
    },
    signal,
    // A listing asks for hundreds of heads. Who sends a body after one has his connection ended by it.
    keepAfterHead: true,
    classify: (error) => classifyNetworkError(error, describe(request), signal),
  })
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

function redirectOf(answer: WireAnswer, from: URL): URL | undefined {
  const location = headerOf(answer.headers, 'location')
  if (!REDIRECTS.has(answer.status) || location === undefined) return undefined
  const to = URL.parse(utf8Of(location), from)
  const refused = to === null ? 'is no URL' : whyNot(from, to)
  if (to === null || refused !== undefined) {
    answer.body.discard()
    const message = `${describeUrl(from)} redirects to an address that ${refused}`
    throw new Failure('backend-refused', message)
  }
  to.hash = ''
  return to
}

function whyNot(from: URL, to: URL): string | undefined {
  if (!isWeb(to)) return 'is neither http nor https'
  if (to.username !== '' || to.password !== '') return 'has a user name or a password'
  if (from.protocol === 'https:' && to.protocol === 'http:') return 'leaves https'
  return undefined
}

/** Headers come as one character per byte; some servers write names in UTF-8 there. */
function utf8Of(header: string): string {
  return Buffer.from(header, 'latin1').toString('utf8')
}

/** Takes what is left of an answer, so that its connection can be used again. */
export async function skipBody(answer: WireAnswer): Promise<void> {
  // The status stands whatever becomes of the rest.
  await answer.body.readText(NOTICE_BYTES_MAX).catch(() => undefined)
}

/** A request in messages: `GET https://host/path`. */
export function describe(request: Pick<WebRequest, 'method' | 'url'>): string {
  return `${request.method} ${describeUrl(request.url)}`
}
