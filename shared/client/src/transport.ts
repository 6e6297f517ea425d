import { errorOfConnection, errorOfResponse, ForebayError } from './forebay-error.ts'
import {
  type Credentials,
  encodeStrict,
  presignUrl,
  sha256Hex,
  signRequest,
  UNSIGNED_PAYLOAD,
} from './sign-request.ts'

/** Redirects followed for one request: AIStore needs one, a gateway in front of it another. */
export const REDIRECTS_MAX = 4

export interface TransportOptions {
  /** `http://host:port`, without a path. */
  readonly endpoint: string
  readonly credentials?: Credentials | undefined
  /** Bearer token, for servers that want one instead of signatures. */
  readonly token?: string | undefined
  readonly fetch?: typeof fetch | undefined
}

/** A stream is given as a function, so that a redirect can send it once more. */
export interface StreamBody {
  readonly open: () => ReadableStream<Uint8Array>
  /** Bytes that will come, where known: servers then need not buffer to find out. */
  readonly lengthBytes: number | undefined
}

/** Bytes to send. */
export type RequestBody = string | Uint8Array<ArrayBuffer> | Blob | StreamBody

export interface TransportRequest {
  readonly method: string
  /** Segments of the path, not encoded; slashes inside stay slashes. */
  readonly path: readonly string[]
  readonly query?: Readonly<Record<string, string | undefined>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: RequestBody | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends requests to one endpoint: signs them, follows redirects, turns refusals into errors. */
export class Transport {
  readonly endpoint: string
  readonly #options: TransportOptions
  readonly #fetch: typeof fetch

  constructor(options: TransportOptions) {
    this.#options = options
    this.endpoint = checkEndpoint(options.endpoint)
    this.#fetch = options.fetch ?? fetch
  }

  /**
   * The answer, with a status below 400.
   *
   * @throws ForebayError; the reason of `request.signal` when that was aborted
   */
  async send(request: TransportRequest): Promise<Response> {
    let url = this.#urlOf(request)
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const response = await this.#sendOnce(request, url)
      const location = response.headers.get('location')
      if (response.status < 300 || (response.status < 400 && location === null)) return response
      if (response.status >= 400) throw await errorOfResponse(response)
      await response.body?.cancel()
      url = new URL(location ?? '', url)
    }
    throw new ForebayError(`more than ${REDIRECTS_MAX} redirects, the last to ${url.host}`, {
      code: 'redirect-loop',
      status: 0,
      retryable: false,
    })
  }

  /** The JSON of an answer. */
  async json(request: TransportRequest): Promise<unknown> {
    const response = await this.send(request)
    try {
      return await response.json()
    } catch (cause) {
      request.signal?.throwIfAborted()
      throw new ForebayError(`${this.endpoint} did not answer with JSON`, {
        code: 'answer-malformed',
        status: response.status,
        hint: 'Is this the address of a Forebay or AIStore gateway?',
        retryable: false,
        cause,
      })
    }
  }

  /** Sends the request and reads its answer to the end, for operations that answer nothing. */
  async empty(request: TransportRequest): Promise<Headers> {
    const response = await this.send(request)
    await response.body?.cancel()
    return response.headers
  }

  /**
   * The address of a GET for whoever has it. With credentials it is signed and expires; without, it
   * is the plain one.
   *
   * @param expiresSeconds 1..604,800
   */
  async link(
    request: Pick<TransportRequest, 'path' | 'query'>,
    expiresSeconds: number,
  ): Promise<URL> {
    const url = this.#urlOf(request)
    const { credentials } = this.#options
    if (credentials === undefined) return url
    return presignUrl({ method: 'GET', url, date: new Date(), expiresSeconds }, credentials)
  }

  async #sendOnce(request: TransportRequest, url: URL): Promise<Response> {
    const { method, body, signal } = request
    const headers = new Headers(request.headers)
    for (const [name, value] of Object.entries(await this.#authenticate(request, url))) {
      headers.set(name, value)
    }
    // Browsers' types do not know `duplex` yet.
    const init: RequestInit & { duplex?: 'half' } = { method, headers, redirect: 'manual' }
    if (signal !== undefined) init.signal = signal
    if (isStreamBody(body)) {
      init.body = body.open()
      init.duplex = 'half'
      if (body.lengthBytes !== undefined) headers.set('content-length', String(body.lengthBytes))
    } else if (body !== undefined) init.body = body
    try {
      return await this.#fetch(url, init)
    } catch (error) {
      signal?.throwIfAborted()
      throw errorOfConnection(error, url.origin)
    }
  }

  async #authenticate(
    request: TransportRequest,
    url: URL,
  ): Promise<Readonly<Record<string, string>>> {
    const { credentials, token } = this.#options
    // A secret that travels as it is goes to the host that the user named and to no other.
    if (token !== undefined) {
      const isOurs = url.hostname === new URL(this.endpoint).hostname
      return isOurs ? { authorization: `Bearer ${token}` } : {}
    }
    if (credentials === undefined) return {}
    const { method, body } = request
    const isHashed = body === undefined || typeof body === 'string' || body instanceof Uint8Array
    const payloadHash = isHashed ? await sha256Hex(body ?? '') : UNSIGNED_PAYLOAD
    return signRequest({ method, url, payloadHash, date: new Date() }, credentials)
  }

  #urlOf({ path, query = {} }: Pick<TransportRequest, 'path' | 'query'>): URL {
    const encoded = path.map((segment) => segment.split('/').map(encodeStrict).join('/'))
    const url = new URL(`${this.endpoint}/${encoded.join('/')}`)
    const pairs = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [`${encodeStrict(name)}=${encodeStrict(value)}`],
    )
    url.search = pairs.join('&')
    return url
  }
}

function isStreamBody(body: RequestBody | undefined): body is StreamBody {
  return typeof body === 'object' && 'open' in body
}

function checkEndpoint(endpoint: string): string {
  const url = URL.parse(endpoint.includes('://') ? endpoint : `http://${endpoint}`)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new ForebayError(`"${endpoint}" is not the URL of an endpoint`, {
      code: 'endpoint-invalid',
      status: 0,
      hint: 'It looks like http://127.0.0.1:8080.',
      retryable: false,
    })
  }
  return url.origin
}
