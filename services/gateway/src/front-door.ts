import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { Failure } from '@forebay/base/failure'
import { newRequestId } from '@forebay/base/ids'
import { renderError } from '@forebay/s3/error-document'
import type { Arrival } from './api/s3/exchange.ts'
import type { S3Door } from './api/s3/s3-door.ts'
import type { UiDoor } from './api/ui/ui-door.ts'
import type { Authenticator } from './authentication/authenticator.ts'
import { rememberIdentity } from './authentication/identity.ts'
import type { PageGuard } from './authentication/page-guard.ts'

/** The response under way on a connection. A property: an entry of a map per request costs the collector. */
const ANSWERING = Symbol('answering')
/** Set where the end of a connection waits for an answer. */
const REFUSED = Symbol('refused')

type Carrier = Duplex & { [ANSWERING]?: ServerResponse; [REFUSED]?: boolean }

/** First path segments that do not belong to the S3 door; compared as written, undecoded. */
const NATIVE_PATH = /^\/(?:v1|metrics|ui)(?:[/?]|$)/

/** The console: files that are the same for everybody. */
const CONSOLE_PATH = /^\/ui(?:[/?]|$)/

/**
 * What a browser lets an object do that somebody opens as a page: it may run, as a page of no origin
 * at all. Otherwise an uploaded page would have the console's origin, and with it its session.
 */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads'

export interface FrontDoorOptions {
  readonly authenticator: Authenticator
  readonly s3: S3Door
  /** The console; without one its paths are the router's. */
  readonly ui?: UiDoor | undefined
  /** Keeps pages of others away from a node that asks for no signature. */
  readonly pages?: PageGuard | undefined
  /** Router of `/v1` and `/metrics`; asked only for requests that were authenticated. */
  readonly native: (request: IncomingMessage, response: ServerResponse) => void
  /** Answers for a native request that was refused before its router. */
  readonly refuseNative: (
    error: unknown,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void
  /** Names the node in error bodies. */
  readonly hostId: string
}

/**
 * The first code that sees a request, on every listener: gives it an id, refuses what is no proper
 * HTTP, authenticates it once, and hands it to the S3 door or to the router of the others.
 *
 * Nothing but the connection itself and the Host header is believed: `X-Forwarded-*` means nothing.
 */
export class FrontDoor {
  readonly #options: FrontDoorOptions

  constructor(options: FrontDoorOptions) {
    this.#options = options
  }

  /**
   * Puts the door on a server: every event that a request can cause.
   *
   * The server is best made with `requireHostHeader: false`: otherwise Node refuses requests without
   * a Host by itself, and with no document.
   */
  attach(server: Server): void {
    // Node drops headers past a count without a word; their bytes are bounded already.
    server.maxHeadersCount = 0
    server.on('request', this.handle)
    server.on('checkContinue', this.handleContinue)
    server.on('checkExpectation', this.handleExpectation)
    server.on('connect', this.handleConnect)
    server.on('clientError', this.handleClientError)
  }

  /** For the server's `request` event. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.#enter(request, response, false)
  }

  /**
   * For the server's `checkContinue` event: a caller who is refused is never told to send the body,
   * and neither is one whose body is not wanted.
   */
  readonly handleContinue = (request: IncomingMessage, response: ServerResponse): void => {
    this.#enter(request, response, true)
  }

  /**
   * For the server's `checkExpectation` event: an expectation that nobody defined. S3 does as if it
   * were not there (RFC 9110 §10.1.1 allows that); the client waits for nothing.
   */
  readonly handleExpectation = (request: IncomingMessage, response: ServerResponse): void => {
    this.#enter(request, response, false)
  }

  /** For the server's `connect` event: this is no proxy. */
  readonly handleConnect = (_request: IncomingMessage, socket: Duplex): void => {
    this.#sendRaw(socket, new Failure('method-not-allowed', 'CONNECT is not supported'))
  }

  /**
   * For the server's `clientError` event: what is not HTTP, too large or too slow. What stands behind a
   * request that is whole concerns that request no more: its answer goes first.
   */
  readonly handleClientError = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const carrier: Carrier = socket // ours, set in `#enter`
    const { [ANSWERING]: response } = carrier
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    if (response?.req.complete === true && !response.writableFinished) {
      if (carrier[REFUSED] === true) return
      carrier[REFUSED] = true
      // Nothing of what comes now is of use.
      socket.pause()
      response.once('close', () => {
        if (socket.writable) this.#sendRaw(socket, failureOfParser(error))
      })
      return
    }
    if (response?.headersSent === true && !response.writableFinished) socket.destroy()
    else this.#sendRaw(socket, failureOfParser(error))
  }

  #enter(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const { s3 } = this.#options
    const carrier: Carrier = request.socket
    carrier[ANSWERING] = response
    const arrival: Arrival = { request, response, requestId: newRequestId(), awaitsContinue }
    const improper = whyImproper(request)
    if (improper !== undefined) {
      s3.refuse(improper, arrival)
    } else if (this.#isNative(request)) {
      this.#enterNative(request, response, awaitsContinue)
    } else {
      this.#enterS3(arrival)
    }
  }

  #isNative(request: IncomingMessage): boolean {
    return (
      NATIVE_PATH.test(request.url ?? '') && this.#options.s3.hostBucketOf(request) === undefined
    )
  }

  #enterS3(arrival: Arrival): void {
    const { authenticator, s3, pages } = this.#options
    if (arrival.request.method === 'OPTIONS') {
      s3.preflight(arrival)
      return
    }
    sandboxPage(arrival)
    try {
      pages?.checkS3(arrival.request, () => s3.allowsOrigin(arrival.request))
    } catch (error) {
      s3.refuse(error, arrival)
      return
    }
    if (s3.isForm(arrival.request)) {
      void s3.serveForm(arrival, (fields) => authenticator.authenticateForm(fields))
      return
    }
    let authenticated: ReturnType<Authenticator['authenticate']>
    try {
      authenticated = authenticator.authenticateS3(arrival.request, s3)
    } catch (error) {
      s3.refuse(error, arrival)
      return
    }
    // `serve` answers for every failure itself.
    void s3.serve(arrival, authenticated)
  }

  #enterNative(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const { authenticator, native, refuseNative, pages, ui } = this.#options
    const isConsole = ui !== undefined && CONSOLE_PATH.test(request.url ?? '')
    if (!isConsole) sandboxPage({ request, response })
    try {
      if (isConsole) {
        pages?.checkConsole(request)
        // Never rejects.
        void ui.serve(request, response)
        return
      }
      pages?.checkNative(request)
      const { identity, payload } = authenticator.authenticateNative(request)
      if (payload.kind !== 'unsigned' && payload.kind !== 'hash') {
        throw new Failure('not-implemented', 'aws-chunked bodies are for the S3 door only')
      }
      rememberIdentity(request, identity)
    } catch (error) {
      // A body that was never asked for would be read as the next request.
      if (awaitsContinue) response.setHeader('Connection', 'close')
      refuseNative(error, request, response)
      return
    }
    if (awaitsContinue) response.writeContinue()
    native(request, response)
  }

  /** An answer where Node has no response object. */
  #sendRaw(socket: Duplex, failure: Failure): void {
    const requestId = newRequestId()
    const body = renderError(failure, { requestId, hostId: this.#options.hostId })
    const { status } = failure
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(body)}\r\nx-amz-request-id: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    )
  }
}

/** An object that a browser opens as a page of its own gets no origin. */
function sandboxPage({ request, response }: Pick<Arrival, 'request' | 'response'>): void {
  const destination = request.headers['sec-fetch-dest']
  if (destination === undefined || destination === 'empty') return
  response.setHeader('Content-Security-Policy', SANDBOX)
}

/** What Node's parser lets through although it is no request for a server (RFC 9112 §3). */
function whyImproper(request: IncomingMessage): Failure | undefined {
  const { url = '', rawHeaders, httpVersionMajor } = request
  if (httpVersionMajor !== 1) return closing('bad-request', 'the request has no HTTP version')
  // The native door knows what each of its paths takes, and says so.
  if (request.method === 'TRACE' && !NATIVE_PATH.test(url)) {
    return new Failure('method-not-allowed', 'TRACE is not supported', {
      facts: { close: true, allow: 'GET, HEAD, PUT, POST, DELETE, OPTIONS' },
    })
  }
  if (url.charCodeAt(0) !== 0x2f) {
    return closing('uri-invalid', 'the request target is not a path of this server')
  }
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  if (hosts > 1) return closing('bad-request', 'the Host header comes more than once')
  const needed = hosts === 0 && request.httpVersionMinor > 0
  return needed ? closing('bad-request', 'the Host header is missing') : undefined
}

/** A refusal after which nothing more on the connection can be trusted. */
function closing(code: 'bad-request' | 'uri-invalid', message: string) {
  return new Failure(code, message, { facts: { close: true } })
}

function failureOfParser(error: NodeJS.ErrnoException): Failure {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Failure('headers-too-large', 'the request line and headers are too large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Failure('request-timeout', 'the request took too long to arrive')
    case 'HPE_INVALID_EOF_STATE':
      return new Failure('body-incomplete', 'the connection ended before the request was complete')
    default:
      return new Failure('bad-request', 'this is not a well-formed HTTP request')
  }
}
