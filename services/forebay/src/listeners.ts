import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { Failure } from '@forebay/base/failure'
import { HEADER_BYTES_MAX } from '@forebay/base/limits'
import type { ListenerSettings, Settings } from '@forebay/config/schema'
import { openFilesShare } from '@forebay/target/os/open-files'

/** What answers on every listener. */
export interface Door {
  onRequest(request: http.IncomingMessage, response: http.ServerResponse): void
  /** `Expect: 100-continue`: who asks is checked before the body is invited. */
  onCheckContinue(request: http.IncomingMessage, response: http.ServerResponse): void
  onCheckExpectation(request: http.IncomingMessage, response: http.ServerResponse): void
  onConnect(request: http.IncomingMessage, socket: Duplex): void
  onClientError(error: NodeJS.ErrnoException, socket: Duplex): void
}

/** How often a certificate's files are looked at, ms. */
const TLS_POLL_MS = 2000

/** How often a drain closes the connections whose request has ended meanwhile, ms. */
const IDLE_CHECK_MS = 50

/** The sockets that the node answers on. */
export class Listeners {
  readonly #servers: http.Server[] = []
  readonly #watched: string[] = []
  readonly #onTlsFailure: (error: unknown) => void
  readonly #onFailure: (error: unknown) => void

  constructor(told: {
    /** A certificate changed and cannot be used. */
    readonly onTlsFailure: (error: unknown) => void
    /** A listener could not take a connection; it goes on. */
    readonly onFailure: (error: unknown) => void
  }) {
    this.#onTlsFailure = told.onTlsFailure
    this.#onFailure = told.onFailure
  }

  /** Opens all of them, or none. @throws Failure `setting-invalid` naming the one that cannot be opened */
  async open(settings: Settings, door: Door): Promise<void> {
    for (const listener of settings.listen) {
      const server = this.#create(listener, settings)
      server.on('request', (request, response) => door.onRequest(request, response))
      server.on('checkContinue', (request, response) => door.onCheckContinue(request, response))
      server.on('checkExpectation', (request, response) =>
        door.onCheckExpectation(request, response),
      )
      server.on('connect', (request, socket) => door.onConnect(request, socket))
      server.on('connection', (socket) => this.#count(socket))
      server.on('clientError', (error, socket) => door.onClientError(error, socket))
      this.#servers.push(server)
      await listen(server, listener)
      // Without a listener the event would end the process: accept(2) fails when the system is short.
      server.on('error', (error) => this.#onFailure(error))
    }
  }

  get addresses(): readonly AddressInfo[] {
    return this.#servers.flatMap((server) => {
      const address = server.address()
      return address === null || typeof address === 'string' ? [] : [address]
    })
  }

  /** URL of the first listener, as a client on this machine writes it. */
  get endpoint(): string {
    const [server] = this.#servers
    const [address] = this.addresses
    const scheme = server instanceof https.Server ? 'https' : 'http'
    const host =
      address?.address === '0.0.0.0' || address?.address === '::'
        ? '127.0.0.1'
        : (address?.address ?? '')
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${address?.port}`
  }

  /** Connections held open. */
  connectionCount = 0

  #count(socket: Duplex): void {
    this.connectionCount += 1
    socket.once('close', () => {
      this.connectionCount -= 1
    })
  }

  /**
   * Stops accepting and waits for the requests under way; cuts what is left after `timeoutMs`.
   *
   * A connection ends with the request that it carries: Node alone would keep it for the client's
   * next request, and a client that is never idle would hold the end up until the cut.
   */
  async drain(timeoutMs: number): Promise<void> {
    for (const path of this.#watched) fs.unwatchFile(path)
    const closing = this.#servers.map((server) => {
      server.prependListener('request', (_, response) => {
        response.shouldKeepAlive = false
      })
      return new Promise<void>((resolve) => server.close(() => resolve()))
    })
    const idle = setInterval(() => {
      for (const server of this.#servers) server.closeIdleConnections()
    }, IDLE_CHECK_MS)
    const timer = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections()
    }, timeoutMs)
    await Promise.all(closing)
    clearInterval(idle)
    clearTimeout(timer)
  }

  /** New connections get the new certificate; a pair that does not fit leaves the old one in place. */
  #reload(server: https.Server, tls: { readonly cert: string; readonly key: string }): void {
    try {
      server.setSecureContext({ minVersion: 'TLSv1.2', ...readPair(tls) })
    } catch (error) {
      this.#onTlsFailure(error)
    }
  }

  #create(listener: ListenerSettings, settings: Settings): http.Server {
    const { http: limits } = settings
    const options: http.ServerOptions = {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: limits.headersTimeoutMs,
      // Bodies are timed by progress, not by their total.
      requestTimeout: 0,
      keepAliveTimeout: limits.idleTimeoutMs,
      noDelay: true,
      // The front door answers for it, in a body that S3 clients understand.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 5000),
    }
    const { tls } = listener
    const server = tls === undefined ? http.createServer(options) : this.#createTls(options, tls)
    const share = Math.floor(openFilesShare() / settings.listen.length)
    server.maxConnections = Math.min(limits.connectionsMax, Math.max(1, share))
    // Node would drop headers past 2,000 in silence; their total size is bounded anyway.
    server.maxHeadersCount = 0
    return server
  }

  #createTls(
    options: http.ServerOptions,
    tls: { readonly cert: string; readonly key: string },
  ): http.Server {
    const server = https.createServer({ ...options, minVersion: 'TLSv1.2', ...readPair(tls) })
    for (const path of [tls.cert, tls.key]) {
      this.#watched.push(path)
      fs.watchFile(path, { interval: TLS_POLL_MS, persistent: false }, () =>
        this.#reload(server, tls),
      )
    }
    return server
  }
}

function readPair(tls: { readonly cert: string; readonly key: string }): {
  readonly cert: Buffer
  readonly key: Buffer
} {
  return { cert: fs.readFileSync(tls.cert), key: fs.readFileSync(tls.key) }
}

function listen(server: http.Server, listener: ListenerSettings): Promise<void> {
  const { address, port } = listener
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === 'EADDRINUSE' ? 'another program answers there' : cause.message
      reject(
        new Failure('setting-invalid', `listen: cannot open ${address}:${port}: ${why}`, {
          cause,
          hint: 'choose another port with --port',
        }),
      )
    }
    server.once('error', refuse)
    server.listen({ host: address, port, backlog: 1024 }, () => {
      server.off('error', refuse)
      resolve()
    })
  })
}
